"""What happens to an entry's data on its way into the archive: CRC-32, stored deflate blocks, deflate blocks.

All functions are pure: bytes in, bytes out. Sizes are in bytes.
"""
