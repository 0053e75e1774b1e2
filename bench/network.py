"""A network of so many bits a second between a server and its clients, on one machine: Linux alone, and root alone.

The processes that are started within the block have a network of their own, which is the loopback interface of a
namespace; what goes to and from one port of it passes a queue of the kernel's. Their other ports are not slowed.
"""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_BURST_BYTES = 256 << 10


class NoNetwork(Exception):
    """There can be none such here."""


@contextmanager
def own_network() -> Iterator[None]:
    """Let this thread, and what it starts, have a network of its own within the block.

    Raises:
        NoNetwork: that is not allowed here.
    """
    kernel = ctypes.CDLL(None, use_errno=True)
    usual = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        if kernel.unshare(_CLONE_NEWNET):
            raise NoNetwork(f"no network of its own can be made: {os.strerror(ctypes.get_errno())}")
        try:
            _run("ip", "link", "set", "lo", "up")
            yield
        finally:
            if kernel.setns(usual, _CLONE_NEWNET):
                raise NoNetwork(f"the usual network cannot be had again: {os.strerror(ctypes.get_errno())}")
    finally:
        os.close(usual)


def limit(port: int, megabits: int) -> None:
    """Let so much a second go to a port of the loopback address, and as much come from it.

    Raises:
        NoNetwork: the kernel, or a program, for this is missing.
    """
    with suppress(NoNetwork):  # there is none yet
        _run("tc", "qdisc", "delete", "dev", "lo", "root")
    _run("tc", "qdisc", "add", "dev", "lo", "root", "handle", "1:", "htb", "default", "1")
    classes = {"1:1": ("100gbit", None), "1:2": (f"{megabits}mbit", "dport"), "1:3": (f"{megabits}mbit", "sport")}
    for name, (rate, side) in classes.items():
        words = ["rate", rate, "burst", str(_BURST_BYTES), "cburst", str(_BURST_BYTES)]
        _run("tc", "class", "add", "dev", "lo", "parent", "1:", "classid", name, "htb", *words)
        if side is not None:
            match = ["u32", "match", "ip", side, str(port), "0xffff", "flowid", name]
            _run("tc", "filter", "add", "dev", "lo", "protocol", "ip", "parent", "1:", "prio", "1", *match)


def _run(*command: str) -> None:
    program = next(
        (path for path in map(Path, (f"/usr/sbin/{command[0]}", f"/sbin/{command[0]}")) if path.exists()), None
    )
    if program is None:
        raise NoNetwork(f"the program {command[0]} is missing")
    done = subprocess.run([program, *command[1:]], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoNetwork(f"{command[0]} failed: {done.stderr.strip()}")
