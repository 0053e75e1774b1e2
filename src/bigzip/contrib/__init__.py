"""Archives as responses of web frameworks.

`http` decides status, headers and range, and `transfer` counts the bytes; neither knows a framework. Each other module
is one framework's way to send them.
"""
