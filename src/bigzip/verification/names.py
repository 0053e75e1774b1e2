"""Rules for one name: it stays below the directory it is extracted to, on every system, and is UTF-8."""

import re
from typing import Final

from bigzip.format.constants import GeneralPurposeBitFlag
from bigzip.verification.report import Fault, ProblemKind

_UTF_8: Final = int(GeneralPurposeBitFlag.UTF_8)
_DRIVE: Final = re.compile(r"[A-Za-z]:")
_BAD_COMPONENT: Final = re.compile(r"(?:^|/)\.{0,2}(?:/|$)")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def decode(name: bytes) -> str:
    """The name as text; bytes that are not UTF-8 become surrogates, so that nothing is lost."""
    return name.decode("utf-8", "surrogateescape")


def faults(name: str, flags: int, file_name: bytes, file_comment: bytes) -> list[Fault]:
    """What is wrong with a name, as text and as in its header, and with the encoding of name and comment."""
    # Nearly every name leaves here; each test is the cheapest that lets no bad name through.
    if (
        name.isascii()
        and name.isprintable()
        and name[:1] not in "/."
        and name[1:2] != ":"
        and "/." not in name
        and "//" not in name
        and "\\" not in name
        and not flags & _UTF_8
        and not file_comment
    ):
        return []
    found = _encoding_faults(flags, file_name, file_comment)
    if reason := _unsafe_reason(name):
        found.append(Fault(ProblemKind.NAME_UNSAFE, f"the name is unsafe: {reason}"))
    return found


def _unsafe_reason(name: str) -> str | None:
    """Why `name` must not be extracted, or None."""
    if not name:
        return "it is empty"
    if control := _CONTROL.search(name):
        return f"it has the control character U+{ord(control[0]):04X}"
    if "\\" in name:
        return "it has a backslash, which some readers take for a separator"
    if name.startswith("/"):
        return "it is absolute"
    if _DRIVE.match(name):
        return "it begins with a drive letter"
    if bad := _BAD_COMPONENT.search(name.removesuffix("/")):
        return f'it has the component "{bad[0].strip("/")}"'
    return None


def _encoding_faults(flags: int, file_name: bytes, file_comment: bytes) -> list[Fault]:
    """What is wrong with the encoding of an entry's name and comment, or with bit 11."""
    faults = []
    is_ascii = file_name.isascii() and file_comment.isascii()
    if bool(flags & _UTF_8) == is_ascii:
        state, text = ("is set", "are ASCII") if is_ascii else ("is not set", "are not ASCII")
        faults.append(Fault(ProblemKind.UTF8_FLAG, f"bit 11 {state}, but name and comment {text}"))
    for what, value in (("name", file_name), ("comment", file_comment)):
        try:
            value.decode("utf-8")
        except UnicodeDecodeError as error:
            message = f"the {what} is not UTF-8: {error.reason} at its byte {error.start}"
            faults.append(Fault(ProblemKind.NAME_ENCODING, message))
    return faults
