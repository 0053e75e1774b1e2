"""The kept results: a section a measurement, each with its own date, machine and command.

A section begins at its heading, `## name`, and ends at the next; a run replaces only those that it measured.
"""

import re
from collections.abc import Sequence
from pathlib import Path

KEPT = Path(__file__).with_name("results.md")
PREFACE = """# Measurements

Kept by `make bench`. Each section says when, on what and by which command it was measured. Contenders take turns, in
rounds; figures are medians. Compare ratios: they are of one run on one machine.
"""
_HEADING = re.compile(r"^## (\S+).*$", re.MULTILINE)


def put(file: Path, name: str, section: str, order: Sequence[str]) -> None:
    """Replace one section, or add it; sections stand in the given order, and others behind them."""
    sections = read(file) if file.exists() else {}
    sections[name] = section.strip() + "\n"
    known = [one for one in order if one in sections]
    others = [one for one in sections if one not in order]
    file.write_text("\n".join([PREFACE, *(sections[one] for one in [*known, *others])]))


def read(file: Path) -> dict[str, str]:
    """The sections by name, each with its heading."""
    text = file.read_text()
    starts = [(match[1], match.start()) for match in _HEADING.finditer(text)]
    ends = [start for _, start in starts[1:]] + [len(text)]
    return {name: text[start:end].strip() + "\n" for (name, start), end in zip(starts, ends, strict=True)}
