"""`python -m bench [entries] [tree]`: measure beside peers in one run, print ratios, keep them in bench/results.md.

Each figure is the median of several runs; peers take turns with bigzip, so that a machine that gets slower does so for
all. What is compared is a ratio; seconds are of this machine on this day.
"""

import argparse
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).with_name("results.md")
RUNS = 3
ENTRIES = 300_000
PEAK = "print(int([l for l in open('/proc/self/status') if l.startswith('VmHWM')][0].split()[1]) * 1024)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A way to do the work: a command whose last line of output may be a number."""

    name: str
    command: tuple[str, ...]
    output: Path | None = None


@dataclass(slots=True, kw_only=True)
class Result:
    """The medians of a contender's runs."""

    name: str
    seconds: float
    size: int
    peak_bytes: int


def run_in_turn(contenders: list[Contender], directory: Path) -> list[Result]:
    """Run all contenders one after the other, several times."""
    seconds: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    sizes: dict[str, int] = {}
    peaks: dict[str, list[int]] = {contender.name: [] for contender in contenders}
    for _ in range(RUNS):
        for contender in contenders:
            output = contender.output or directory / "out.zip"
            output.unlink(missing_ok=True)
            started = time.perf_counter()
            with subprocess.Popen(contender.command, stdout=subprocess.PIPE, cwd=directory) as process:
                printed = process.communicate()[0]
            seconds[contender.name].append(time.perf_counter() - started)
            if process.returncode:
                sys.exit(f"{contender.name} failed: {' '.join(contender.command)}")
            sizes[contender.name] = output.stat().st_size if output.exists() else 0
            last = printed.split()[-1:] or [b"0"]
            peaks[contender.name].append(int(last[0]) if last[0].isdigit() else 0)
    return [
        Result(
            name=contender.name,
            seconds=statistics.median(seconds[contender.name]),
            size=sizes[contender.name],
            peak_bytes=int(statistics.median(peaks[contender.name])),
        )
        for contender in contenders
    ]


_ENTRY_SCRIPTS = {
    "baseline": "import bigzip, zipfile",
    "bigzip": """
import bigzip
archive = bigzip.Archive()
for i in range({n}):
    archive.add(b"hello", f"dir/file-{{i:06}}.txt")
with open("out.zip", "wb") as file:
    for chunk in archive.plan().iter_bytes():
        file.write(chunk)
""",
    "zipfile": """
import zipfile
with zipfile.ZipFile("out.zip", "w") as archive:
    for i in range({n}):
        archive.writestr(zipfile.ZipInfo(f"dir/file-{{i:06}}.txt"), b"hello")
""",
    "zipstream-ng": """
import zipstream
archive = zipstream.ZipStream(compress_type=zipstream.ZIP_STORED)
for i in range({n}):
    archive.add(b"hello", f"dir/file-{{i:06}}.txt")
with open("out.zip", "wb") as file:
    for chunk in archive:
        file.write(chunk)
""",
    "stream-zip": """
import datetime, stream_zip
now = datetime.datetime(2020, 1, 1)
form = stream_zip.NO_COMPRESSION_64(5, 0x3610a686)
with open("out.zip", "wb") as file:
    for chunk in stream_zip.stream_zip((f"dir/file-{{i:06}}.txt", now, 0o644, form, (b"hello",)) for i in range({n})):
        file.write(chunk)
""",
}


def bench_entries(directory: Path, _: Path) -> Iterator[str]:
    """Many tiny entries from memory, to a file: seconds, and bytes of memory an entry."""
    contenders = [
        Contender(name=name, command=(sys.executable, "-c", script.format(n=ENTRIES) + "\n" + PEAK))
        for name, script in _ENTRY_SCRIPTS.items()
    ]
    baseline, *results = run_in_turn(contenders, directory)
    yield f"### {ENTRIES:,} entries of 5 bytes\n"
    yield "| | seconds | time, bigzip = 1 | memory an entry |\n|---|---|---|---|"
    for result in results:
        memory = (result.peak_bytes - baseline.peak_bytes) / ENTRIES
        yield (
            f"| {result.name} | {result.seconds:.2f} | {result.seconds / results[0].seconds:.2f} | {memory:.0f} bytes |"
        )


def bench_tree(directory: Path, tree: Path) -> Iterator[str]:
    """A real tree to a file, stored and deflated."""
    name, parent = tree.name, tree.parent
    bigzip = (str(Path(sys.executable).with_name("bigzip")), "create", "--quiet", "--collisions", "rename", "-C")
    out = directory / "out.zip"
    count = sum(path.is_file() and not path.is_symlink() for path in tree.rglob("*"))
    data = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    groups: dict[str, list[Contender]] = {}
    for title, ours, peers in (
        ("stored", ["--method", "store"], {"zip -0": "zip -q -r -y -0", "7zz -mx0": "7zz a -bso0 -bsp0 -snl -mx0"}),
        (
            "level 1",
            ["--method", "deflate", "--level", "1"],
            {"zip -1": "zip -q -r -y -1", "7zz -mx1": "7zz a -bso0 -bsp0 -snl -mx1"},
        ),
        (
            "level 6",
            ["--method", "deflate", "--level", "6"],
            {"zip -6": "zip -q -r -y -6", "7zz -mx5": "7zz a -bso0 -bsp0 -snl -mx5"},
        ),
    ):
        group = [Contender(name="bigzip", command=(*bigzip, str(parent), *ours, "--symlinks", "skip", str(out), name))]
        for peer, command in peers.items():
            words = command.split()
            if shutil.which(words[0]):
                line = f"cd {parent} && {command} {out} {name}"
                group.append(Contender(name=peer, command=("sh", "-c", line)))
        groups[title] = group
    yield f"### A tree of {count:,} files, {data / 1e6:,.0f} MB ({name}), to a file\n"
    yield "| | | seconds | time, bigzip = 1 | size, bytes |\n|---|---|---|---|---|"
    for title, group in groups.items():
        results = run_in_turn(group, directory)
        for result in results:
            ratio = result.seconds / results[0].seconds
            yield f"| {title} | {result.name} | {result.seconds:.2f} | {ratio:.2f} | {result.size:,} |"


BENCHES: dict[str, Callable[[Path, Path], Iterator[str]]] = {"entries": bench_entries, "tree": bench_tree}


def main() -> None:
    """Run what the command line names, or all."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHES, []], help="what to measure; by default all")
    parser.add_argument("--tree", type=Path, default=Path(platform.__file__).parent, help="a directory tree")
    arguments = parser.parse_args()
    lines = [
        "# Measurements",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, {_processor()}, Python {platform.python_version()}, medians of {RUNS} runs:",
        f"`python -m bench {' '.join(arguments.names)}`",
        "",
    ]
    with tempfile.TemporaryDirectory() as directory:
        for name in arguments.names or BENCHES:
            for line in BENCHES[name](Path(directory), arguments.tree.resolve()):
                print(line, flush=True)
                lines.append(line)
            lines.append("")
    RESULTS.write_text("\n".join(lines))


def _processor() -> str:
    with Path("/proc/cpuinfo").open() as info:
        models = [line.split(":", 1)[1].strip() for line in info if line.startswith("model name")]
    return f"{len(models)} cores of {models[0]}" if models else "an unknown processor"


if __name__ == "__main__":
    main()
