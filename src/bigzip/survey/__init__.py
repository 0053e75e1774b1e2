"""The I/O pass that learns what a layout needs, and nothing more.

`expand` makes rows of paths: what is there, how large, which version. `survey` reads data for CRC-32s and encoded
block sizes, and keeps none of it.
"""
