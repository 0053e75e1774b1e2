"""What /proc tells of a process and its descendants: memory, processor time, bytes read. See proc(5)."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_UTIME_TO_CSTIME = slice(11, 15)
"""Of the fields behind the command's name: own user and system time, and those of children that were waited for."""


def family(process_id: int) -> list[int]:
    """The process and its living descendants."""
    found = [process_id]
    for parent in found:
        with suppress(OSError):
            for task in os.listdir(f"/proc/{parent}/task"):
                children = Path(f"/proc/{parent}/task/{task}/children").read_text()
                found.extend(int(child) for child in children.split())
    return found


def cpu_seconds(process_id: int) -> float:
    """User and system time of the family, in ticks of usually 10 ms."""
    return _total(process_id, _own_cpu_ticks) / _TICKS_A_SECOND


def resident(process_id: int) -> int:
    """Resident bytes of the family; pages that several share count for each."""
    return _total(process_id, lambda member: _status(member, "VmRSS"))


def peak(process_id: int) -> int:
    """The sum of the family's peaks of resident bytes, each since it began or since `reset_peak`."""
    return _total(process_id, lambda member: _status(member, "VmHWM"))


def reset_peak(process_id: int) -> None:
    """Let the peak of each member be what is resident now."""
    for member in family(process_id):
        Path(f"/proc/{member}/clear_refs").write_text("5")


def bytes_read(process_id: int) -> int:
    """Bytes that the family has read from files by read(2) and its like, be they cached or not. Not by mmap."""
    return _total(process_id, _own_bytes_read)


def _total(process_id: int, of_one: Callable[[int], int]) -> int:
    total = 0
    for member in family(process_id):
        with suppress(OSError):  # it has ended meanwhile
            total += of_one(member)
    return total


def _own_cpu_ticks(process_id: int) -> int:
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[_UTIME_TO_CSTIME]))


def _own_bytes_read(process_id: int) -> int:
    lines = Path(f"/proc/{process_id}/io").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("rchar:"))


def _status(process_id: int, name: str) -> int:
    lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(f"{name}:"))
