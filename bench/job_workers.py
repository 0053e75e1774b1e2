"""`job-workers`: a job of text, built by one worker and by two, each a process that does one thing at a time; and the
task that most write first, zipfile to a temp file that is then put where it belongs.

From local files into a directory, so that no server takes its share of the processors.

    python -m bench.job_workers WORKERS DIRECTORY OUT       builds the archive of a directory
    python -m bench.job_workers task DIRECTORY OUT          so does the task
    python -m bench.job_workers work DATABASE PLACE         works until the job is done
"""

import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from bench.contenders import Contender, python, run_in_turn
from bench.inputs import Input, made_once
from bench.job_peers import text_of
from bench.settings import Settings
from bench.tables import mebibytes, missing_row, ratio, seconds, table

_FILE_BYTES = 32 << 20
_NAMES = {"2": "2", "1": "1", "task": "task: zipfile to a temp file"}
_HEADER = (
    "workers",
    "seconds",
    "time, 2 workers = 1",
    "CPU seconds",
    "peak MiB, all",
    "size, bytes",
    "runs, seconds",
)


def measure(settings: Settings) -> Iterator[str]:
    """Two workers beside one, and beside the task."""
    text = _text_files(settings)
    contenders = [
        Contender(
            name=name,
            command=python("-m", "bench.job_workers", way, text.path, settings.work / "out.zip"),
            output=settings.work / "out.zip",
            directory=settings.work,
        )
        for way, name in _NAMES.items()
    ]
    outcomes = run_in_turn(contenders, settings, text.facts)
    yield f"{text}, of text, deflated, from local files into a directory. Each worker has one slot.\n"
    base = outcomes[0].seconds if outcomes[0].runs else 0
    yield from table(
        _HEADER,
        (
            missing_row(outcome.name, outcome.problem, _HEADER)
            if outcome.problem
            else [
                outcome.name,
                seconds(outcome.seconds),
                ratio(outcome.seconds, base),
                seconds(outcome.cpu_seconds),
                mebibytes(outcome.peak_bytes),
                f"{outcome.size:,}",
                outcome.spread,
            ]
            for outcome in outcomes
        ),
    )


def _text_files(settings: Settings) -> Input:
    count = settings.scaled(80, 3)

    def make(path: Path) -> None:
        for number in range(count):
            (path / f"{number:03}.log").write_bytes(text_of(number, _FILE_BYTES))

    return made_once(f"job-text-{count}", make, settings)


def _build(workers: int, source: Path, out: Path) -> None:
    """Build an archive, with so many workers."""
    import bigzip
    from bigzip.database.engine import open_database
    from bigzip.jobs.places import Places
    from bigzip.jobs.service import JobService, Order
    from bigzip.jobs.work_store import WorkStore

    with tempfile.TemporaryDirectory(dir=".") as directory:
        database = f"{directory}/jobs.sqlite"
        jobs = WorkStore(open_database(database))
        places = Places(str(out.parent), bigzip.Connections())
        archive = bigzip.Archive(method="deflate")
        archive.add(source)
        order = Order(owner="bench", name=out.name, keep_seconds=3_600, key=out.name, overwrite=True)
        job = JobService(jobs, places).create(archive, order)
        command = python("-m", "bench.job_workers", "work", database, str(out.parent))
        running = [subprocess.Popen(command) for _ in range(workers)]
        for process in running:
            if process.wait():
                raise SystemExit(f"a worker ended with status {process.returncode}")
        done = jobs.get(job.id)
    assert done is not None
    assert done.state == "done", done


def _task(source: Path, out: Path) -> None:
    """The task, which needs no server either."""
    with (
        tempfile.NamedTemporaryFile(dir=".", delete=False) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for path in sorted(source.iterdir()):
            archive.write(path, f"{source.name}/{path.name}")
    os.replace(file.name, out)


def _work(database: str, place: str) -> None:
    """Work until nothing is left to do."""
    import bigzip
    from bigzip.database.engine import open_database
    from bigzip.jobs.places import Places
    from bigzip.jobs.work_store import WorkStore
    from bigzip.jobs.worker import Worker, WorkerSettings

    places = Places(place, bigzip.Connections())
    Worker(WorkStore(open_database(database)), places.open, WorkerSettings(slots=1)).run(until_idle=True)


def main() -> None:
    """Do what the command line names."""
    match sys.argv[1:]:
        case ["work", database, place]:
            _work(database, place)
        case ["task", source, out]:
            _task(Path(source), Path(out))
        case [workers, source, out]:
            _build(int(workers), Path(source), Path(out))


if __name__ == "__main__":
    main()
