"""The commands and their options."""

import glob
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

import bigzip
from bigzip.archive import Archive
from bigzip.cli.bar import progress_bar
from bigzip.cli.status import reporting
from bigzip.errors import InputError, ManifestError, OutputError
from bigzip.manifest import Manifest, add_manifest, read_manifest
from bigzip.plan.entry import Form, Method
from bigzip.plan.names import CollisionPolicy, NamePolicy
from bigzip.sinks.file import FileSink, new_file
from bigzip.sources.local_walk import SymlinkPolicy

app = typer.Typer(
    name="bigzip",
    help="ZIP archives of any size: streamed, of exact length, and resumable at any byte.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

STANDARD_OUTPUT: Final = "-"
JOB_SIZE: Final = 50_000_000_000
"""From so many bytes on, a job is the way to make an archive, not a response."""


class OnMissing(StrEnum):
    """What becomes of files that are not there or may not be read."""

    FAIL = "fail"
    SKIP = "skip"


Paths = Annotated[list[str] | None, typer.Argument(metavar="PATH...", help="Files and directories.")]
Directory = Annotated[str, typer.Option("-C", metavar="DIR", help="Take paths relative to this directory.")]
MethodOption = Annotated[Method, typer.Option("--method", help="How entries are kept.")]
Level = Annotated[int | None, typer.Option(min=1, max=9, help="Of deflate: 1 is fast, 9 is small.")]
Symlinks = Annotated[SymlinkPolicy, typer.Option(help="What becomes of symbolic links.")]
Names = Annotated[NamePolicy, typer.Option(help="What becomes of names that Windows cannot create.")]
Collisions = Annotated[CollisionPolicy, typer.Option(help="What becomes of names that are one on some system.")]
Exclude = Annotated[list[str] | None, typer.Option(metavar="GLOB", help="Leave out what matches; repeatable.")]
Missing = Annotated[OnMissing, typer.Option(help="What becomes of missing files.")]
ManifestFile = Annotated[str | None, typer.Option("--manifest", metavar="FILE", help="JSON or JSON lines.")]
Comment = Annotated[str, typer.Option(help="The archive's comment.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no summary.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", is_eager=True, help="Print the version.")] = False,
) -> None:
    if version:
        print(f"bigzip {bigzip.__version__}")
        raise typer.Exit


@app.command()
@reporting()
def create(
    out: Annotated[str, typer.Argument(metavar="OUT", help="The archive to write; - for standard output.")],
    paths: Paths = None,
    directory: Directory = "",
    method: MethodOption = Method.AUTO,
    level: Level = None,
    symlinks: Symlinks = SymlinkPolicy.FOLLOW,
    names: Names = NamePolicy.PORTABLE,
    collisions: Collisions = CollisionPolicy.REFUSE,
    exclude: Exclude = None,
    manifest: ManifestFile = None,
    on_missing: Missing = OnMissing.FAIL,
    comment: Comment = "",
    quiet: Quiet = False,
    as_json: Json = False,
    force: Annotated[bool, typer.Option("--force", "-f", help="Overwrite a file that is there.")] = False,
) -> None:
    """Make a ZIP of files and directories. Entries are named as the paths are given, as zip -r does."""
    request = _Request(
        paths=tuple(paths or ()),
        directory=directory,
        manifest=manifest,
        output="" if out == STANDARD_OUTPUT else out,
    )
    archive = request.archive(
        method=method,
        level=level,
        symlinks=symlinks,
        names=names,
        collisions=collisions,
        exclude=tuple(exclude or ()),
        on_missing=on_missing,
        comment=comment,
    )
    if out != STANDARD_OUTPUT and os.path.isfile(out) and not force:
        with new_file(out, overwrite=False):  # refuses before anything is read
            pass
    started = time.monotonic()
    plan = archive.plan(survey="nothing")
    if not plan.entries:
        print(
            "bigzip: warning: the archive is empty; some readers, unzip among them, refuse it",
            file=sys.stderr,
        )
    with progress_bar("Writing", quiet=quiet) as progress:
        if out == STANDARD_OUTPUT:
            size = _to_standard_output(plan, progress)
        else:
            size = plan.write(out, overwrite=force, progress=progress)
    seconds = time.monotonic() - started
    if as_json:
        result = {"output": out, "bytes": size, "entries": len(plan.entries), "seconds": round(seconds, 3)}
        print(json.dumps(result), file=sys.stderr if out == STANDARD_OUTPUT else sys.stdout)
    elif not quiet:
        print(f"{out}: {len(plan.entries):,} entries, {size:,} bytes, {seconds:.1f} s", file=sys.stderr)


@app.command()
@reporting()
def plan(
    paths: Paths = None,
    directory: Directory = "",
    method: MethodOption = Method.AUTO,
    level: Level = None,
    symlinks: Symlinks = SymlinkPolicy.FOLLOW,
    names: Names = NamePolicy.PORTABLE,
    collisions: Collisions = CollisionPolicy.REFUSE,
    exclude: Exclude = None,
    manifest: ManifestFile = None,
    on_missing: Missing = OnMissing.FAIL,
    comment: Comment = "",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Say what archive would be built: entries, exact size, ETag, and how to deliver it. Writes nothing."""
    archive = _Request(paths=tuple(paths or ()), directory=directory, manifest=manifest).archive(
        method=method,
        level=level,
        symlinks=symlinks,
        names=names,
        collisions=collisions,
        exclude=tuple(exclude or ()),
        on_missing=on_missing,
        comment=comment,
    )
    started = time.monotonic()
    with progress_bar("Surveying", quiet=quiet) as progress:
        planned = archive.plan(progress=progress)
    seconds = time.monotonic() - started
    entries = planned.entries
    data = sum(entry.size or 0 for entry in entries)
    deflated = sum(entry.form is Form.DEFLATED for entry in entries)
    result = {
        "entries": len(entries),
        "deflated": deflated,
        "data_bytes": data,
        "content_length": planned.content_length,
        "etag": planned.etag,
        "survey_seconds": round(seconds, 3),
        "level": 3 if data > JOB_SIZE else 2 if deflated else 1,
    }
    if as_json:
        print(json.dumps(result))
        return
    way = {1: "streamed store", 2: "streamed deflate", 3: "an asynchronous job"}[int(str(result["level"]))]
    print(f"entries         {len(entries):,} ({deflated:,} deflated)")
    print(f"data            {data:,} bytes")
    print(f"archive         {planned.content_length:,} bytes")
    print(f"etag            {planned.etag}")
    print(f"time to survey  {seconds:.2f} s")
    print(f"level to use    {result['level']} ({way})")


@app.command()
@reporting()
def verify(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The archive to check.")],
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Check an archive strictly: every byte is accounted for. Exit status 0 sound, 1 not sound, 2 could not tell."""
    from bigzip.cli.verify import verify_file

    raise typer.Exit(verify_file(file, quiet=quiet, as_json=as_json))


@app.command()
@reporting()
def serve(
    root: Annotated[str, typer.Option("--root", metavar="DIR", help="What is served; nothing outside it is.")] = ".",
    host: Annotated[str, typer.Option(help="A loopback address.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8080,
    quiet: Quiet = False,
) -> None:
    """Serve the files beneath a directory as ZIPs, with a web page to choose them."""
    try:
        from bigzip.server.run import bind
        from bigzip.server.run import serve as run_service
        from bigzip.server.settings import Settings
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("bigzip"):
            raise
        raise InputError(f"serving needs {error.name}; install it with: pip install 'bigzip[server]'") from error
    settings = Settings(root=os.path.realpath(root))
    listener = bind(host, port)
    address = listener.getsockname()
    shown = f"[{address[0]}]" if ":" in address[0] else address[0]
    print(f"bigzip serves {settings.root} at http://{shown}:{address[1]}/ (this machine only)", flush=True)
    run_service(settings, listener, quiet=quiet)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """What `create` and `plan` are asked to archive."""

    paths: tuple[str, ...]
    directory: str
    manifest: str | None
    output: str = ""
    """The file that is written, which is left out of what it is made from; "" for none."""

    def archive(self, *, exclude: tuple[str, ...], method: Method, on_missing: OnMissing, **options: Any) -> Archive:
        if not self.paths and self.manifest is None:
            raise InputError("there is nothing to archive: give paths, or --manifest")
        named = [(path, _entry_name(path)) for path in self.paths]
        settings: dict[str, Any] = {
            "method": method,
            "on_missing": on_missing,
            "exclude": (*exclude, *self._output_globs(named)),
        }
        if self.manifest is None:
            archive = Archive(**options, **settings)
        else:
            archive = self._with_manifest(self.manifest, options | settings)
        for path, name in named:
            archive.add(os.path.join(self.directory, path), name)
        return archive

    def _with_manifest(self, path: str, options: dict[str, Any]) -> Archive:
        def filled(manifest: Manifest) -> Archive:
            archive = Archive(**(options | manifest.options))
            add_manifest(archive, manifest, directory=self.directory or ".")
            return archive

        try:
            if path == STANDARD_OUTPUT:
                return filled(read_manifest(sys.stdin))
            with open(path, encoding="utf-8") as lines:
                return filled(read_manifest(lines))
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "this is not UTF-8"
            raise ManifestError(path, str(reason)) from error

    def _output_globs(self, named: Sequence[tuple[str, str]]) -> list[str]:
        if not self.output:
            return []
        output = os.path.realpath(self.output)
        globs = []
        for path, name in named:
            tree = os.path.realpath(os.path.join(self.directory, path))
            if output.startswith(tree.rstrip("/") + "/"):
                globs.append(glob.escape(os.path.join(name, os.path.relpath(output, tree))))
        return globs


def _entry_name(path: str) -> str:
    """The entry name for a path that was given: the path, without what leads to the file system's root."""
    return "/".join(component for component in path.split("/") if component not in ("", "."))


def _to_standard_output(plan: bigzip.Plan, progress: Any) -> int:
    if sys.stdout.isatty():
        raise OutputError("standard output is a terminal; send it to a file or a pipe")
    with open(os.dup(sys.stdout.fileno()), "wb", buffering=0) as file:
        sink = FileSink(file, can_overwrite=False)
        for chunk in plan.iter_bytes(progress=progress):
            sink.put(chunk)
    return sink.size
