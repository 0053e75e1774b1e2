"""The services that are written here: an archive of one directory, by one library, behind Starlette and uvicorn.

    python -m bench.app PORT LIBRARY DIRECTORY METHOD LEVEL CHUNK

uvicorn has the settings that `bigzip serve` gives it. An iterator that is not asynchronous is run by Starlette in
threads; so is its making. A CHUNK of 0 leaves a library its default.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from bench.peers import STREAMS


def main() -> None:
    """Serve until the process is told to stop."""
    port, library, directory, method, level, chunk = sys.argv[1:]
    if library.startswith("bigzip"):
        endpoint = _bigzip(Path(directory), method, int(level), kept=library == "bigzip-kept")
    else:
        endpoint = _peer(library, Path(directory), method, int(level), int(chunk))
    uvicorn.run(
        Starlette(routes=[Route("/zip", endpoint)]),
        port=int(port),
        http="httptools",
        ws="none",
        lifespan="off",
        log_level="warning",
        server_header=False,
    )


def _peer(library: str, directory: Path, method: str, level: int, chunk: int) -> Callable[[Request], Response]:
    options = {"chunk": chunk} if chunk else {}

    def endpoint(_: Request) -> Response:
        stream = STREAMS[library](directory, method, level, **options)
        is_sized = library == "zipstream-ng" and method == "store"
        headers = {"content-length": str(len(stream))} if is_sized else {}
        return StreamingResponse(stream, headers=headers, media_type="application/zip")

    return endpoint


def _bigzip(directory: Path, method: Any, level: int, *, kept: bool) -> Callable[[Request], Any]:
    import bigzip
    from bigzip.contrib.starlette import ZipResponse

    plans: list[bigzip.Plan] = []

    async def endpoint(request: Request) -> Response:
        if plans:
            return ZipResponse(request, plans[0], "archive.zip")
        archive = bigzip.Archive(method=method, level=level or None, root=directory.parent, collisions="rename")
        archive.add(directory.name)
        plan = await archive.aplan(survey="full" if kept else "sizes")
        if kept:
            plans.append(plan)
        return ZipResponse(request, plan, "archive.zip")

    return endpoint


if __name__ == "__main__":
    main()
