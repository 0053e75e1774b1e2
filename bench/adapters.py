"""`adapters`: whole downloads by each framework, of bigzip's response and of the other libraries' iterators."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from bench.adapter_app import TARGET
from bench.contenders import python
from bench.http_download import compare
from bench.inputs import stored_files
from bench.peers import MODULES
from bench.services import Service, peer, zip_response
from bench.settings import Settings

_MEBIBYTE = 1 << 20
_PEERS = ("zipstream-ng", "stream-zip")
_FRAMEWORKS = {
    "django-wsgi": ("Django by gunicorn with threads", ("django", "gunicorn")),
    "django-asgi": ("Django by uvicorn", ("django", "uvicorn")),
    "flask": ("Flask by gunicorn with threads", ("flask", "gunicorn")),
    "aiohttp": ("aiohttp", ("aiohttp",)),
}
"""What each is called, and the modules that it needs."""


def measure(settings: Settings) -> Iterator[str]:
    """Large files, stored."""
    files = stored_files(settings)
    yield f"{files}, stored, over HTTP on the loopback address to curl. A GB is one of the files' data."
    for framework, (title, _) in _FRAMEWORKS.items():
        yield f"\n{title}:\n"
        ours = _service(framework, "bigzip", files.path, 0)
        others = [_service(framework, name, files.path, chunk) for name in _PEERS for chunk in (0, _MEBIBYTE)]
        yield from compare([ours, *others], files, settings)
    yield "\nStarlette by uvicorn:\n"
    others = [peer(name, files.path, "store", chunk=chunk) for name in _PEERS for chunk in (0, _MEBIBYTE)]
    yield from compare([zip_response(files.path, "store"), *others], files, settings)


def _service(framework: str, library: str, directory: Path, chunk: int) -> Service:
    modules = [*_FRAMEWORKS[framework][1], MODULES.get(library, "bigzip")]
    missing = [module for module in modules if not find_spec(module)]
    name = "bigzip ZipResponse" if library == "bigzip" else library
    return Service(
        name=name + (f", chunks of {chunk >> 10} KiB" if chunk else ""),
        command=python("-m", "bench.adapter_app", "PORT", framework, library, directory, str(chunk)),
        target=TARGET,
        problem=f"the Python module {missing[0]} is missing" if missing else "",
    )
