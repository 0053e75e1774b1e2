"""Archives as responses of web frameworks.

`http` decides status, headers and range, knowing no framework; each other module is one framework's way to send them.
"""
