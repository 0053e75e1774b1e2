"""For tests of what uses or extends bigzip: sources of any size that need no disk, and Hypothesis strategies.

`bigzip.testing.strategies` is the only module that imports hypothesis, so it is not imported here.
"""

from bigzip.testing.virtual import (
    AsyncVirtualSource,
    Break,
    Conduct,
    Content,
    Fault,
    Replace,
    Resize,
    Tells,
    VirtualSource,
)

__all__ = [
    "AsyncVirtualSource",
    "Break",
    "Conduct",
    "Content",
    "Fault",
    "Replace",
    "Resize",
    "Tells",
    "VirtualSource",
]
