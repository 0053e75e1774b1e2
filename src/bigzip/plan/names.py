"""Which names an entry may have, and which two entries may not have together.

A name is what an extractor makes a file of, so it is checked before an archive is planned: no name leads out of the
directory that is extracted into, and none depends on the system it is extracted on.
"""

import re
import unicodedata
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from bigzip.errors import NameRefused

MAX_NAME_LENGTH: Final = 65_534
"""Bytes; the name length field has 16 bits, and a directory's name gets a slash."""


class NamePolicy(StrEnum):
    """What becomes of names that Windows cannot create."""

    PORTABLE = "portable"
    """They are changed: `a?b` to `a_b`, `con.txt` to `con_.txt`."""
    AS_IS = "as-is"


class CollisionPolicy(StrEnum):
    """What becomes of entries whose names are the same on some system: equal, or equal but for case or accents."""

    REFUSE = "refuse"
    RENAME = "rename"
    """All but the first get a number: `name (2).ext`."""


_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_UNDECODABLE: Final = re.compile(r"[\ud800-\udfff]")
_DRIVE: Final = re.compile(r"[A-Za-z]:")
_BAD_COMPONENT: Final = re.compile(r"(?:^|/)(?:\.{1,2})?(?:/|$)")
_NOT_FOR_WINDOWS: Final = re.compile(r'[<>:"|?*]|[. ](?=/|$)')
_DEVICE: Final = re.compile(
    r"(^|/)(con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3])(?=\.|/|$| +(?:\.|/|$))",
    re.IGNORECASE,
)
_SUSPICIOUS: Final = re.compile(
    "|".join(p.pattern for p in (_CONTROL, _UNDECODABLE, _BAD_COMPONENT, _NOT_FOR_WINDOWS)) + r"|\\|" + _DEVICE.pattern,
    re.IGNORECASE,
)


_PLAIN: Final = re.compile(r"[A-Za-z0-9 !#$%&'()+,\-.;=@\[\]^_`{}~]+(?:/[A-Za-z0-9 !#$%&'()+,\-.;=@\[\]^_`{}~]+)*")
_DEVICE_STARTS: Final = frozenset({"con", "prn", "aux", "nul", "com", "lpt"})


def checked_name(name: str, policy: NamePolicy) -> str:
    """The name an entry gets that was asked for as `name` (a directory's without its trailing slash).

    Raises:
        NameRefused: no policy makes this a name.
    """
    if not are_plain(name.split("/")) and _SUSPICIOUS.search(name):
        name = _mapped(name, policy)
    if len(name) * 4 > MAX_NAME_LENGTH and len(name.encode("utf-8")) > MAX_NAME_LENGTH:
        raise NameRefused(f"the name is over {MAX_NAME_LENGTH:,} bytes long", "give it a shorter one")
    return name


def are_plain(components: Sequence[str]) -> bool:
    """Whether every one of some components of paths may stay as it is under every policy; False also if unsure.

    Much quicker than the whole search: one pass over characters, and a look at how components begin and end.
    """
    text = "/".join(components)
    return (
        _PLAIN.fullmatch(text) is not None
        and text[-1] not in ". "
        and "./" not in text
        and " /" not in text
        and (_DEVICE_STARTS.isdisjoint([component[:3].lower() for component in components]) or not _DEVICE.search(text))
    )


def _mapped(name: str, policy: NamePolicy) -> str:
    if _CONTROL.search(name):
        raise NameRefused("the name has a control character in it", "rename it, or exclude it")
    if "\\" in name:
        raise NameRefused("the name has a backslash in it", "rename it, or exclude it")
    if not name:
        raise NameRefused("the name is empty", "give it one")
    if name.startswith("/"):
        raise NameRefused("the name is an absolute path", "give a name relative to the archive")
    if _DRIVE.match(name):
        raise NameRefused("the name begins like a path on a Windows drive", "rename it, or exclude it")
    if _BAD_COMPONENT.search(name):
        raise NameRefused(
            "the name has an empty, '.' or '..' component",
            "give a name that lies inside the archive, or use -C",
        )
    if policy is NamePolicy.AS_IS:
        if _UNDECODABLE.search(name):
            raise NameRefused("the name is not UTF-8", "rename it, or use portable names")
        return name
    return _DEVICE.sub(r"\1\2_", _NOT_FOR_WINDOWS.sub("_", _UNDECODABLE.sub("_", name)))


def folded(name: str) -> str:
    """The same for two names that some system takes for one: case and composition removed (NFC of the case fold)."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def numbered(name: str, number: int) -> str:
    """`name` with a number before its extension: `a/b.tar` and 2 make `a/b (2).tar`."""
    directory, slash, base = name.rpartition("/")
    stem, dot, extension = base.rpartition(".")
    if not stem:
        stem, dot, extension = base, "", ""
    return f"{directory}{slash}{stem} ({number}){dot}{extension}"
