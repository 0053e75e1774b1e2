"""nginx, as it serves archives: a finished file by sendfile, and files assembled by its module mod_zip."""

import shutil
import zlib
from pathlib import Path

from bench.inputs import files_below
from bench.servers import HOST
from bench.services import Service
from bench.settings import Settings

_CONFIGURATION = """
daemon off;
master_process off;
pid {directory}/pid;
error_log {directory}/error.log warn;
{modules}
events {{}}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen {host}:{port};
        root {root};
        {locations}
    }}
}}
"""
_LIST = "list.txt"


def finished_file(file: Path, settings: Settings) -> Service:
    """A file that is there, by sendfile."""
    return _service("nginx, finished file", f"/{file.name}", file.parent, settings)


def mod_zip(directory: Path, settings: Settings) -> Service:
    """mod_zip, which is told the files and their CRC-32s by an upstream: here by nginx itself, from a file."""
    problem = "" if settings.mod_zip.exists() else "the module is missing; bench/mod_zip.sh builds it"
    if not problem:
        _write_list(directory, settings.work / _LIST)
    socket = f"unix:{settings.work}/list.socket"
    locations = (
        f"location = /archive.zip {{ proxy_pass http://{socket}:/{_LIST}; }}\n"
        f"        location /files/ {{ internal; alias {directory}/; }}\n"
        f"    }}\n    server {{\n        listen {socket};\n"
        f"        location = /{_LIST} {{ root {settings.work}; add_header X-Archive-Files zip; }}"
    )
    modules = f"load_module {settings.mod_zip};"
    return _service("nginx mod_zip", "/archive.zip", directory, settings, modules, locations, problem=problem)


def _write_list(directory: Path, file: Path) -> None:
    lines = [
        f"{zlib.crc32(path.read_bytes()):08x} {path.stat().st_size} /files/{path.name} {path.name}\r\n"
        for path in files_below(directory)
    ]
    file.write_text("".join(lines), newline="")


def _service(
    name: str, target: str, root: Path, settings: Settings, modules: str = "", locations: str = "", *, problem: str = ""
) -> Service:
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    directory = settings.work / name.replace(" ", "-").replace(",", "")
    text = _CONFIGURATION.format(
        directory=directory, host=HOST, port="PORT", root=root, modules=modules, locations=locations
    )
    configuration = directory / "nginx.conf"
    command = (program or "", "-p", str(directory), "-c", str(configuration), "-e", str(directory / "error.log"))
    return Service(
        name=name,
        command=command,
        target=target,
        configuration={configuration: text},
        problem=problem if program else "the program nginx is missing",
    )
