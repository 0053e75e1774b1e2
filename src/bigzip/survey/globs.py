"""Globs of entries to leave out."""

import re
from collections.abc import Callable, Sequence
from fnmatch import translate


def matcher(globs: Sequence[str]) -> Callable[[str], bool]:
    """Whether a name, or the last component of it, matches a glob; of one that begins with a slash, the whole name."""
    if not globs:
        return lambda _: False
    anywhere = _pattern([glob for glob in globs if not glob.startswith("/")])
    at_top = _pattern([glob[1:] for glob in globs if glob.startswith("/")])
    return lambda name: bool(anywhere.match(name) or anywhere.match(name.rpartition("/")[2]) or at_top.match(name))


def _pattern(globs: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(translate(glob.rstrip("/")) for glob in globs) or r"(?!)")
