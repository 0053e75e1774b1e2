"""From a plan to bytes: any range of an archive, or an archive in one pass.

`locate` maps a range to segments; `bodies` and `one_pass` say step by step what to read and what to send, and do no
I/O; `drivers` carries the steps out, with and without an event loop.
"""
