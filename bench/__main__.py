"""`python -m bench [NAME ...]`: measure bigzip beside its peers, print tables, keep them in bench/results.md.

Each NAME is a section of the results, and a run replaces only those that it measures. A quick run has small inputs and
one round; it shows that all works, and is kept nowhere.
"""

import argparse
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path

from bench import (
    adapters,
    entries,
    first_byte,
    http_download,
    job_workers,
    jobs,
    machine,
    object_store,
    results,
    slow_clients,
    tail_range,
    text_to_file,
    tree_to_file,
    upload,
)
from bench.settings import LEVELS, Settings

RUNS = 3
BENCHES: dict[str, Callable[[Settings], Iterator[str]]] = {
    "tree-store": tree_to_file.measure_store,
    "tree-deflate": tree_to_file.measure_deflate,
    "text": text_to_file.measure,
    "entries": entries.measure,
    "http-store": http_download.measure_store,
    "http-deflate": http_download.measure_deflate,
    "adapters": adapters.measure,
    "first-byte": first_byte.measure,
    "tail-range": tail_range.measure,
    "slow-clients": slow_clients.measure,
    "object-store": object_store.measure,
    "jobs": jobs.measure,
    "jobs-network": jobs.measure_network,
    "jobs-slots": jobs.measure_slots,
    "jobs-latency": jobs.measure_latency,
    "job-workers": job_workers.measure,
    "upload": upload.measure,
}


def main() -> None:
    """Measure what the command line names, or all."""
    arguments = _arguments()
    arguments.cache.mkdir(parents=True, exist_ok=True)
    kept = None if arguments.quick else results.KEPT
    with tempfile.TemporaryDirectory(prefix="bigzip-bench-", dir=arguments.work) as work:
        settings = Settings(
            runs=1 if arguments.quick else arguments.runs,
            quick=arguments.quick,
            levels=tuple(arguments.levels),
            cache=arguments.cache.resolve(),
            work=Path(work).resolve(),
            tree=arguments.tree,
            mod_zip=arguments.mod_zip or arguments.cache / "mod_zip" / "ngx_http_zip_module.so",
        )
        for name in arguments.names or BENCHES:
            lines = []
            for line in _section(name, settings):
                print(line, flush=True)
                lines.append(line)
            if (file := arguments.results or kept) is not None:
                results.put(file, name, "\n".join(lines), list(BENCHES))


def _section(name: str, settings: Settings) -> Iterator[str]:
    yield f"## {name}\n"
    yield f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {machine.machine()}. {machine.versions()}."
    yield f"`python -m bench {shlex.join(_shown(sys.argv[1:], name))}`, rounds: {settings.runs}.\n"
    started = time.monotonic()
    yield from BENCHES[name](settings)
    yield f"\nMeasured in {time.monotonic() - started:.0f} seconds.\n"


def _shown(words: list[str], name: str) -> list[str]:
    """The options of the command line, for this section alone; no places on this machine."""
    options = [word for word in words if word == "--quick" or word.startswith("--runs")]
    if "--runs" in words:
        options.insert(options.index("--runs") + 1, words[words.index("--runs") + 1])
    if "--levels" in words and name in ("tree-deflate", "text"):
        options += ["--levels", *takewhile(str.isdigit, words[words.index("--levels") + 1 :])]
    return [name, *options]


def _arguments() -> argparse.Namespace:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bigzip-bench"
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHES, []], help="what to measure; by default all")
    parser.add_argument("--runs", type=int, default=RUNS, help="rounds, of which medians are taken (%(default)s)")
    parser.add_argument(
        "--levels",
        type=int,
        nargs="+",
        default=LEVELS,
        help="of deflate, for tree-deflate and text: some of %(default)s",
    )
    parser.add_argument("--quick", action="store_true", help="small inputs, one round, results kept nowhere")
    parser.add_argument(
        "--tree", type=Path, help="the directory to copy for the tree; by default this Python's library"
    )
    parser.add_argument("--cache", type=Path, default=cache, help="where inputs are kept (%(default)s)")
    parser.add_argument("--work", type=Path, help="where outputs go; by default the system's temporary directory")
    parser.add_argument("--mod-zip", type=Path, help="nginx's module; by default mod_zip/ in the cache")
    parser.add_argument("--results", type=Path, help="the file to keep the results in")
    return parser.parse_args()


if __name__ == "__main__":
    main()
