"""The descriptors that this process, or another, has open, and what each of them is."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

_TCP_LISTENING: Final = "0A"
"""The state of a socket that waits for connections, in /proc/net/tcp (proc_pid_net(5))."""
_STATE, _INODE = 3, 9


def open_descriptors() -> dict[int, str]:
    """What each descriptor leads to, by its number; without TCP connections.

    Connections are kept open by pools, and accepted and closed by the threads of servers, whenever those come to it:
    also by some that outlive the test that began them.
    """
    connections = _connections()
    return {number: target for number, target in descriptors_of("self").items() if target not in connections}


def descriptors_of(process_id: int | str) -> dict[int, str]:
    """What each descriptor of a process leads to, by its number."""
    directory = Path(f"/proc/{process_id}/fd")
    found = {}
    for name in os.listdir(directory):
        with suppress(FileNotFoundError):  # closed since the listing, or that of the listing itself
            found[int(name)] = os.readlink(directory / name)
    return found


def differences(before: dict[int, str], after: dict[int, str]) -> list[str]:
    """The descriptors that are open in one case and not in the other."""
    left = [f"{number} was left open: {after[number]}" for number in sorted(after.keys() - before.keys())]
    closed = [f"{number} was closed: {before[number]}" for number in sorted(before.keys() - after.keys())]
    return left + closed


def _connections() -> set[str]:
    """The TCP sockets that do not listen, as the links of descriptors show them."""
    found = set()
    for table in ("tcp", "tcp6"):
        path = Path("/proc/self/net", table)
        for line in path.read_text().splitlines()[1:] if path.exists() else []:
            fields = line.split()
            if fields[_STATE] != _TCP_LISTENING:
                found.add(f"socket:[{fields[_INODE]}]")
    return found
