"""Rules for the target of a symbolic link: it can be made, and it stays inside the archive.

A target may go up only at its start. Then it cannot leave the archive by way of other links either: the
directory that holds a link is a real one (a link with entries below it is refused), so going up from there is
counted right, and every link met on the way down is itself inside. After a step down, ".." would go up from
wherever a link led.
"""

import re
from typing import Final

from bigzip.verification.findings import shown
from bigzip.verification.report import Fault, ProblemKind

MAX_TARGET_SIZE: Final = 4095
"""Linux's PATH_MAX without the final NUL."""
_DRIVE: Final = re.compile(r"[A-Za-z]:")


def target_fault(name: str, content: bytes) -> Fault | None:
    """What is wrong with the link `name` whose data is `content`, at most `MAX_TARGET_SIZE` bytes, or None."""
    try:
        target = content.decode("utf-8")
    except UnicodeDecodeError:
        return Fault(ProblemKind.LINK_TARGET, "the link's target is not UTF-8")
    if not target or "\0" in target:
        return Fault(ProblemKind.LINK_TARGET, f"the link's target {'has a NUL' if target else 'is empty'}")
    reason = _unsafe_reason(name, target)
    return Fault(ProblemKind.LINK_UNSAFE, f"the link's target {shown(target)} {reason}") if reason else None


def _unsafe_reason(name: str, target: str) -> str | None:
    if target.startswith("/") or _DRIVE.match(target):
        return "is absolute"
    if "\\" in target:
        return "has a backslash, which some systems take for a separator"
    depth = name.count("/")
    is_downward = False
    for component in target.split("/"):
        if component == "..":
            if is_downward:
                return "goes up after it went down, so that another link can lead it out of the archive"
            depth -= 1
            if depth < 0:
                return "leaves the archive"
        elif component not in ("", "."):
            is_downward = True
    return None
