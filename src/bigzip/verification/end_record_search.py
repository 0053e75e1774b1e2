"""Finds the end of central directory record, which has no fixed place: a comment of any length may follow it.

Readers search in different ways: some take the last signature, some the last one whose comment ends where the
file does, some the first. In a sound archive there is one candidate, so that all readers see the same archive.
"""

import re
from typing import Final

from bigzip.format import end_of_central_directory_record
from bigzip.format.constants import MAX_16
from bigzip.format.end_of_central_directory_record import FIXED_SIZE, comment_length
from bigzip.verification.findings import Findings
from bigzip.verification.report import ProblemKind
from bigzip.verification.window import Window

_SIGNATURE: Final = re.compile(re.escape(end_of_central_directory_record.SIGNATURE.to_bytes(4, "little")))


def find_end_record(window: Window, size: int, findings: Findings) -> int | None:
    """The offset of the end record in a file of `size` bytes, or None; notes what else could be taken for it."""
    tail_size = min(size, FIXED_SIZE + MAX_16)
    start = size - tail_size
    tail = window.record(start, tail_size)
    stops = {
        match.start(): match.start() + FIXED_SIZE + comment_length(tail[match.start() : match.start() + FIXED_SIZE])
        for match in _SIGNATURE.finditer(tail)
        if match.start() + FIXED_SIZE <= tail_size
    }
    exact = [position for position, stop in stops.items() if stop == tail_size]
    if exact:
        _note_rivals(tail, start, exact, findings)
        return start + exact[-1]
    earlier = [position for position, stop in stops.items() if stop < tail_size]
    if not earlier:
        message = "no end of central directory record ends at the end of the file: not a ZIP archive, or cut short"
        findings.add(ProblemKind.END_RECORD_MISSING, size, message)
        return None
    stop = stops[earlier[-1]]
    message = f"{tail_size - stop} bytes follow the end record and its comment"
    findings.add(ProblemKind.BYTES_AFTER_ARCHIVE, start + stop, message)
    return start + earlier[-1]


def _note_rivals(tail: bytes, start: int, exact: list[int], findings: Findings) -> None:
    """Note the first signature in the comment of the last exact record, or else the record before that one."""
    in_comment = _SIGNATURE.search(tail, exact[-1] + FIXED_SIZE)
    if in_comment or len(exact) > 1:
        rival = start + (in_comment.start() if in_comment else exact[-2])
        message = f"readers can take the signature here for the end record, which is at {start + exact[-1]}"
        findings.add(ProblemKind.AMBIGUOUS_END_RECORD, rival, message)
