"""The pages of the documentation, and the blocks of code in them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
_FENCE: Final = re.compile(r'```(?P<language>\w*)(?: title="(?P<title>[^"]+)")?')
_INDENTED: Final = "    "


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block."""

    page: str
    line: int
    """Of its fence, from 1."""
    language: str
    title: str | None
    """The name of the file that it is."""
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[str]:
    """README and docs/, but for decisions: they tell what was thought at a time, and are not kept up."""
    found = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
    return ["README.md", *(page for page in found if not page.startswith("docs/decisions/"))]


def blocks_of(page: str) -> list[Block]:
    """The blocks of a page, in order.

    Raises:
        AssertionError: there is code that is not in a fenced block, or a fence that is not understood.
    """
    return list(_blocks(page, (ROOT / page).read_text("utf-8").splitlines()))


def _blocks(page: str, lines: list[str]) -> Iterator[Block]:
    numbered = iter(enumerate(lines, 1))
    above = ""
    for number, line in numbered:
        if line.startswith("```"):
            fence = _FENCE.fullmatch(line)
            assert fence is not None, f'{page}:{number}: {line}: a language, and title="..." for a file\'s name'
            text = []
            for _, inside in numbered:
                if inside == "```":
                    break
                text.append(inside)
            yield Block(page=page, line=number, text="\n".join(text) + "\n", **fence.groupdict())
        is_code = line.startswith(_INDENTED) and not above and page != "docs/reference.md"
        assert not is_code, f"{page}:{number}: code is fenced, so that it is seen to be run"
        above = line
