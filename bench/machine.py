"""What was measured on, and with which versions."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.settings import ROOT

_DISTRIBUTIONS = ("zipstream-ng", "stream-zip", "zipfly", "uvicorn", "uvloop", "isal", "zlib-ng")


def machine() -> str:
    """Processor, memory, system, and what else it had to do."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    load = os.getloadavg()[0]
    return (
        f"{_processor()}, {pages / 1e9:.0f} GB of memory, Linux {platform.release().split('-')[0]}, "
        f"Python {platform.python_version()}, load average {load:.1f} at the start"
    )


def versions() -> str:
    """The commit of bigzip, and the versions of Python packages that take part."""
    found = [f"bigzip {_commit()}"]
    for name in _DISTRIBUTIONS:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"no {name}")
    return ", ".join(found)


def _processor() -> str:
    with Path("/proc/cpuinfo").open() as info:
        models = [line.split(":", 1)[1].strip() for line in info if line.startswith("model name")]
    return f"{len(models)} cores of an {models[0]}" if models else "an unknown processor"


def _commit() -> str:
    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed = " with changes" if git("status", "--porcelain", "--", "src") else ""
    return (git("rev-parse", "--short", "HEAD") or "of no commit") + changed
