"""`upload`: local files, stored, into a bucket of SeaweedFS on this machine."""

import random
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench import checking, children
from bench.children import CommandFailed
from bench.contenders import PAUSE_SECONDS, Contender, Outcome, python
from bench.inputs import Input, made_once
from bench.job_peers import download
from bench.object_peers import BUCKET, client_of
from bench.seaweed import ACCESS_KEY, REGION, SECRET_KEY, Seaweed, seaweed
from bench.servers import ServiceFailed
from bench.settings import Settings
from bench.tables import mebibytes, missing_row, ratio, seconds, table
from bench.temp_disk import watched

_FILES = 64
_HEADER = (
    "contender",
    "seconds",
    "time, bigzip = 1",
    "CPU seconds",
    "peak MiB",
    "temp disk MiB",
    "server's CPU seconds",
    "requests",
    "size, bytes",
    "runs, seconds",
)


@dataclass(slots=True, kw_only=True)
class _Lane:
    """A contender, its runs, and what else was seen of them."""

    key: str
    outcome: Outcome
    disk_bytes: list[int] = field(default_factory=list)
    server_seconds: list[float] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)


def measure(settings: Settings) -> Iterator[str]:
    """64 files of 16 MiB of random bytes."""
    files = _files(settings)
    yield f"{files}, stored, into a bucket of SeaweedFS on this machine.\n"
    try:
        with seaweed(settings.work / "store", settings.environment) as server:
            client_of(server.endpoint).create_bucket(Bucket=BUCKET)
            lanes = _run_in_turn(files, server, settings)
    except ServiceFailed as error:
        yield f"Not measured: {error}."
        return
    yield from table(_HEADER, [_row(lane, lanes[0].outcome) for lane in lanes])


def _files(settings: Settings) -> Input:
    size = settings.scaled(16 << 20, 1 << 20)

    def make(path: Path) -> None:
        for number in range(_FILES):
            (path / f"{number:02}.mp4").write_bytes(random.Random(number).randbytes(size))

    return made_once(f"upload-{_FILES * size >> 20}", make, settings)


def _run_in_turn(files: Input, server: Seaweed, settings: Settings) -> list[_Lane]:
    directory = settings.work / "run"
    directory.mkdir()
    settings = replace(
        settings,
        environment=settings.environment
        | {
            "AWS_ENDPOINT_URL": server.endpoint,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        },
    )
    create = ("-m", "bigzip.cli", "create", "--method", "store", "--force", "--quiet")
    lanes = [
        _lane("bigzip create s3://…", "ours.zip", (*create, f"s3://{BUCKET}/ours.zip", files.path), directory),
        _lane(
            "zipfile to a temp file, upload_file",
            "task.zip",
            ("-m", "bench.upload_peers", server.endpoint, files.path, "task.zip"),
            directory,
        ),
    ]
    for number in range(settings.runs):
        for lane in lanes:
            if lane.outcome.problem:
                continue
            print(f"# round {number + 1}: {lane.outcome.name}", file=sys.stderr, flush=True)
            time.sleep(0 if settings.quick else PAUSE_SECONDS)
            _run_once(lane, server, settings, files if number == 0 else None)
    return lanes


def _lane(name: str, key: str, words: tuple[str | Path, ...], directory: Path) -> _Lane:
    contender = Contender(
        name=name, command=python(*words), output=directory / "out.zip", directory=directory, module="boto3"
    )
    return _Lane(key=key, outcome=Outcome(contender=contender, problem=contender.missing))


def _run_once(lane: _Lane, server: Seaweed, settings: Settings, files: Input | None) -> None:
    outcome, contender = lane.outcome, lane.outcome.contender
    cpu, requests = server.cpu_seconds(), server.requests()
    try:
        with watched(contender.directory) as disk:
            usage = children.run(contender.command, contender.directory, None, settings.environment)
        lane.disk_bytes.append(disk.most_bytes)
        lane.server_seconds.append(server.cpu_seconds() - cpu)
        lane.requests.append(server.requests() - requests)
        if files is not None:
            outcome.size = download(server.endpoint, lane.key, contender.output)
            checking.check(contender.output, files.facts, settings)
        outcome.runs.append(usage)
    except (CommandFailed, checking.WrongArchive) as error:
        outcome.problem = str(error)
    finally:
        contender.output.unlink(missing_ok=True)
        client_of(server.endpoint).delete_object(Bucket=BUCKET, Key=lane.key)


def _row(lane: _Lane, ours: Outcome) -> list[str]:
    outcome = lane.outcome
    if outcome.problem:
        return missing_row(outcome.name, outcome.problem, _HEADER)
    return [
        outcome.name,
        seconds(outcome.seconds),
        ratio(outcome.seconds, ours.seconds if ours.runs else 0),
        seconds(outcome.cpu_seconds),
        mebibytes(outcome.peak_bytes),
        mebibytes(max(lane.disk_bytes)),
        seconds(statistics.median(lane.server_seconds)),
        f"{statistics.median(lane.requests):,.0f}",
        f"{outcome.size:,}",
        outcome.spread,
    ]
