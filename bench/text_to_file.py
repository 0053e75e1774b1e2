"""`text`: one large text to a file: bigzip beside pigz (gzip, and ZIP by -K), zip and 7zz."""

from collections.abc import Iterator

from bench.contenders import Contender, run_in_turn
from bench.inputs import Input
from bench.python_tree import text_file
from bench.settings import Settings
from bench.tree_to_file import beaten, bigzip_create, comparison


def measure(settings: Settings) -> Iterator[str]:
    """The text, deflated at several levels."""
    text = text_file(settings)
    outcomes = run_in_turn(_contenders(text, settings), settings, text.facts)
    yield (
        f"One text of {text.facts.size:,} bytes (digest {text.facts.digest}), to a file, deflated: the tree's sources, "
        "data and documents one after the other, in the order of the SHA-256 of their paths. pigz has 2 threads.\n"
    )
    yield from comparison(outcomes)
    yield ""
    yield from beaten(outcomes)


def _contenders(text: Input, settings: Settings) -> list[Contender]:
    file, out = text.only_file(), settings.work / "out.zip"
    found: list[Contender] = []

    def add(name: str, level: int, *command: str, prints: bool = False) -> None:
        found.append(
            Contender(
                name=name,
                command=command,
                output=out,
                directory=file.parent,
                prints=prints,
                group=f"level {level}",
            )
        )

    for level in settings.levels:
        add(f"bigzip {level}", level, *bigzip_create(out, file, "--method", "deflate", "--level", str(level)))
    for level in (1, 6, 9):
        add(f"pigz -p2 -{level}", level, "pigz", "-p2", f"-{level}", "-c", file.name, prints=True)
        add(f"pigz -p2 -K -{level}", level, "pigz", "-p2", "-K", f"-{level}", "-c", file.name, prints=True)
        add(f"zip -{level}", level, "zip", "-q", f"-{level}", str(out), file.name)
    for level, at_7zz in ((1, 1), (6, 5)):
        add(f"7zz -mx{at_7zz}", level, "7zz", "a", "-tzip", "-bso0", "-bsp0", f"-mx{at_7zz}", str(out), file.name)
    return sorted(found, key=lambda contender: contender.group)
