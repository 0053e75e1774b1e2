"""Ways to archive objects of a bucket into the same bucket, as commands; and the one that fills it.

    python -m bench.job_peers WAY ENDPOINT PREFIX METHOD KEY        prints what passed through it, as JSON
    python -m bench.job_peers fill ENDPOINT PREFIX COUNT KIND       prints the facts of what it put

The task is what most write first: objects one after the other into a temporary file, which is then uploaded.
"""

import json
import random
import shutil
import sys
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from bench.inputs import facts_of
from bench.object_peers import BUCKET, client_of, keys_below
from bench.seaweed import ACCESS_KEY, REGION, SECRET_KEY

_CHUNK = 1 << 20
_THREADS = 4
_PLACE = f"s3://{BUCKET}"


def _task(endpoint: str, prefix: str, method: str, key: str) -> None:
    """The task: a temporary file, and an upload."""
    client = client_of(endpoint)
    kind = zipfile.ZIP_DEFLATED if method == "deflate" else zipfile.ZIP_STORED
    down = 0
    with tempfile.NamedTemporaryFile(suffix=".zip", dir=".") as file:
        with zipfile.ZipFile(file, "w", kind) as archive:
            for name in keys_below(client, prefix):
                body = client.get_object(Bucket=BUCKET, Key=name)["Body"]
                with archive.open(name, "w", force_zip64=True) as entry:
                    shutil.copyfileobj(body, entry, _CHUNK)
                down += archive.getinfo(name).file_size
        file.flush()
        up = Path(file.name).stat().st_size
        client.upload_file(file.name, BUCKET, key)
    print(json.dumps({"down": down, "up": up, "copied": 0}))


def _job(endpoint: str, prefix: str, method: str, key: str, slots: int) -> None:
    """A job, with a worker in this process."""
    import bigzip
    from bigzip.database.engine import open_database
    from bigzip.jobs.places import Places
    from bigzip.jobs.service import JobService, Order
    from bigzip.jobs.work_store import WorkStore
    from bigzip.jobs.worker import Worker, WorkerSettings

    config = {
        "endpoint": endpoint,
        "region": REGION,
        "access_key_id": ACCESS_KEY,
        "secret_access_key": SECRET_KEY,
    }
    connections = bigzip.Connections(stores={_PLACE: config})
    with tempfile.TemporaryDirectory(dir=".") as directory:
        jobs = WorkStore(open_database(f"{directory}/jobs.sqlite"))
        places = Places(_PLACE, connections)
        archive = bigzip.Archive(method="deflate" if method == "deflate" else "store", connections=connections)
        archive.add(f"{_PLACE}/{prefix}/")
        order = Order(owner="bench", name="x.zip", keep_seconds=3_600, key=key, overwrite=True)
        job = JobService(jobs, places).create(archive, order)
        Worker(jobs, places.open, WorkerSettings(slots=slots, connections=connections)).run(until_idle=True)
        done = jobs.get(job.id)
    assert done is not None
    assert done.state == "done", done
    data = done.data_bytes or 0
    print(json.dumps({"down": data - done.bytes_copied, "up": done.bytes_written, "copied": done.bytes_copied}))


WAYS: dict[str, Callable[[str, str, str, str], None]] = {
    "task": _task,
    **{f"job-{slots}": partial(_job, slots=slots) for slots in (1, 2, 4, 8)},
}


def text_of(number: int, size: int) -> bytes:
    """Lines of words, that deflate makes a third of."""
    chosen = random.Random(number)
    words = [chosen.randbytes(4).hex() for _ in range(2_000)]
    lines = [" ".join(chosen.choices(words, k=12)) for _ in range(4_000)]
    block = "\n".join(lines).encode()
    return b"".join(b"part %d\n" % index + block for index in range(size // len(block) + 1))[:size]


def _data(kind: str, number: int) -> bytes:
    chosen = random.Random(number)
    if kind == "text":
        return text_of(number, 32 << 20)
    if kind == "challenge":
        return chosen.randbytes(int(min(8e6, max(2e6, chosen.gauss(5e6, 1e6)))))
    return chosen.randbytes({"large": 64 << 20, "small": 100_000}[kind])


def fill(endpoint: str, prefix: str, count: int, kind: str) -> None:
    """Put objects, the same each time."""
    client, lock = client_of(endpoint), threading.Lock()
    if BUCKET not in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]:
        client.create_bucket(Bucket=BUCKET)
    ending = "log" if kind == "text" else "mp4"

    def put(number: int) -> tuple[int, int]:
        with lock:  # made one after the other: a few are in memory at a time
            data = _data(kind, number)
        client.put_object(Bucket=BUCKET, Key=f"{prefix}/{number:07}.{ending}", Body=data)
        return len(data), zlib.crc32(data)

    with ThreadPoolExecutor(_THREADS) as threads:
        print(json.dumps(asdict(facts_of(threads.map(put, range(count))))))


def main() -> None:
    """Do what the command line names."""
    way, endpoint, prefix, *rest = sys.argv[1:]
    if way == "fill":
        fill(endpoint, prefix, int(rest[0]), rest[1])
    else:
        method, key = rest
        WAYS[way](endpoint, prefix, method, key)


def download(endpoint: str, key: str, path: Path) -> int:
    """An object to a file; its size."""
    client: Any = client_of(endpoint)
    client.download_file(BUCKET, key, str(path))
    return path.stat().st_size


if __name__ == "__main__":
    main()
