"""The commands and their options."""

import json
import time
from typing import Annotated, Final

import typer

import bigzip
from bigzip.archive import Archive
from bigzip.arguments import checked_size
from bigzip.cli.bar import progress_bar
from bigzip.cli.index import app as index_app
from bigzip.cli.jobs import job_app, worker
from bigzip.cli.options import (
    Collisions,
    Comment,
    Directory,
    Exclude,
    Json,
    Level,
    ManifestFile,
    MethodOption,
    Missing,
    Names,
    OnMissing,
    Paths,
    Quiet,
    Split,
    Symlinks,
    Threads,
)
from bigzip.cli.output import Output
from bigzip.cli.output_set import OutputSet
from bigzip.cli.request import Request
from bigzip.cli.serve import key_app, serve, token_app
from bigzip.cli.status import reporting
from bigzip.cli.streams import print_result, say
from bigzip.plan.entry import Form, Method
from bigzip.plan.names import CollisionPolicy, NamePolicy
from bigzip.progress import Progress
from bigzip.sources.local_walk import SymlinkPolicy

app = typer.Typer(
    name="bigzip",
    help="ZIP archives of any size: streamed, of exact length, and resumable at any byte.",
    epilog="More on each: bigzip COMMAND --help",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(index_app)

JOB_SIZE: Final = 50_000_000_000
"""From so many bytes on, a job is the way to make an archive, not a response."""

_CREATE_EPILOG: Final = """
\b
Examples:
  bigzip create photos.zip holiday            entries holiday/a.jpg, ...
  bigzip create photos.zip -C holiday .       entries a.jpg, ...
  bigzip create - holiday | ssh host 'cat > photos.zip'
  bigzip create s3://bucket/photos.zip holiday
  bigzip create photos.zip holiday --split 4GB    photos-001-of-003.zip, ...
\b
Exit status:
  0  done                       2  the command line is wrong
  3  it cannot be archived      4  a file changed or failed meanwhile
  5  OUT failed, or is there    6  whoever read OUT stopped reading
  129, 130, 143  stopped by SIGHUP, SIGINT (Ctrl-C), SIGTERM
"""
_VERIFY_EPILOG: Final = "Exit status: 0 sound, 1 not sound, 2 could not tell."


@app.callback(invoke_without_command=True)
@reporting()
def _options(
    version: Annotated[bool, typer.Option("--version", is_eager=True, help="Print the version.")] = False,
) -> None:
    if version:
        print_result(f"bigzip {bigzip.__version__}")
        raise typer.Exit


@app.command(epilog=_CREATE_EPILOG)
@reporting()
def create(
    out: Annotated[
        str,
        typer.Argument(metavar="OUT", help="The archive to write: a path, or s3://bucket/key; - for standard output."),
    ],
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
    split: Split = None,
    threads: Threads = None,
    quiet: Quiet = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON; on standard error where OUT is -.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace OUT if it is there.")] = False,
) -> None:
    """Make a ZIP of files and directories.

    OUT appears when the archive is whole, or not at all. It is never put into itself.
    """
    size = None if split is None else checked_size(split, "--split")
    output = Output(out, overwrite=force) if size is None else OutputSet(out, overwrite=force)
    output.check()
    archive = Request(
        paths=tuple(paths or ()),
        directory=directory,
        manifest=manifest,
        exclude=tuple(exclude or ()),
        output=output,
    ).archive(
        method=method,
        level=level,
        symlinks=symlinks,
        names=names,
        collisions=collisions,
        on_missing=on_missing,
        comment=comment,
        threads=threads,
        processes=True,
    )
    if isinstance(output, OutputSet):
        assert size is not None
        _create_set(output, archive, size, quiet=quiet, as_json=as_json)
        return
    started = time.monotonic()
    with progress_bar("Writing", first="Listing files", quiet=quiet) as progress:
        entries = 0

        def keep_count(now: Progress) -> None:
            nonlocal entries
            entries = now.entries_total or 0
            if progress is not None:
                progress(now)

        size = output.write(archive, keep_count)
    seconds = time.monotonic() - started
    if not entries:
        say("bigzip: warning: the archive is empty; some readers, unzip among them, refuse it")
    if as_json:
        result: dict[str, object] = {"output": out, "bytes": size, "entries": entries, "seconds": round(seconds, 3)}
        if output.stored is not None:
            result |= {"etag": output.stored.etag, "crc32": output.stored.crc32}
        (say if output.is_standard_output else print_result)(json.dumps(result))
    elif not quiet:
        say(f"{output}: {_counted(entries)}, {size:,} bytes, {seconds:.1f} s")


def _create_set(output: OutputSet, archive: Archive, size: int, *, quiet: bool, as_json: bool) -> None:
    """As `create`, a set of archives of at most `size` bytes. Files are read twice: first to see how long they come."""
    started = time.monotonic()
    with progress_bar("Reading", first="Listing files", quiet=quiet) as progress:
        planned = archive.plan(progress=progress)
    with progress_bar("Writing", quiet=quiet) as progress:
        written = output.write(planned, size, progress)
    seconds = time.monotonic() - started
    if as_json:
        archives = []
        for one in written:
            fields: dict[str, object] = {"output": one.name, "bytes": one.size, "entries": one.entries}
            if one.output.stored is not None:
                fields |= {"etag": one.output.stored.etag, "crc32": one.output.stored.crc32}
            archives.append(fields)
        total = {"bytes": sum(one.size for one in written), "entries": len(planned.table), "seconds": round(seconds, 3)}
        print_result(json.dumps({"archives": archives, **total}))
    elif not quiet:
        for one in written:
            say(f"{one.output}: {_counted(one.entries)}, {one.size:,} bytes")
        say(f"{len(written):,} {'archive' if len(written) == 1 else 'archives'}, {seconds:.1f} s")


def _counted(entries: int) -> str:
    return f"{entries:,} {'entry' if entries == 1 else 'entries'}"


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
    threads: Threads = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
    as_json: Json = False,
) -> None:
    """Say what archive would be built: entries, exact size, ETag. Reads the files, and writes nothing."""
    archive = Request(
        paths=tuple(paths or ()), directory=directory, manifest=manifest, exclude=tuple(exclude or ())
    ).archive(
        method=method,
        level=level,
        symlinks=symlinks,
        names=names,
        collisions=collisions,
        on_missing=on_missing,
        comment=comment,
        threads=threads,
        processes=True,
    )
    started = time.monotonic()
    with progress_bar("Reading", first="Listing files", quiet=quiet) as progress:
        planned = archive.plan(progress=progress)
    seconds = time.monotonic() - started
    entries = planned.entries
    data = sum(entry.size or 0 for entry in entries)
    deflated = sum(entry.form is Form.DEFLATED for entry in entries)
    level_to_use = 3 if data > JOB_SIZE else 2 if deflated else 1
    if as_json:
        result = {
            "entries": len(entries),
            "deflated": deflated,
            "data_bytes": data,
            "content_length": planned.content_length,
            "etag": planned.etag,
            "survey_seconds": round(seconds, 3),
            "level": level_to_use,
        }
        print_result(json.dumps(result))
        return
    way = {1: "streamed store", 2: "streamed deflate", 3: "an asynchronous job"}[level_to_use]
    print_result(
        f"entries         {len(entries):,} ({deflated:,} deflated)\n"
        f"data            {data:,} bytes\n"
        f"archive         {planned.content_length:,} bytes\n"
        f"etag            {planned.etag}\n"
        f"time to survey  {seconds:.2f} s\n"
        f"level to use    {level_to_use} ({way})"
    )


@app.command(epilog=_VERIFY_EPILOG)
@reporting()
def verify(
    file: Annotated[str, typer.Argument(metavar="FILE|URL", help="The archive to check.")],
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress bar, and nothing about a sound archive.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check an archive strictly: every byte is accounted for."""
    from bigzip.cli.verify import verify_file

    raise typer.Exit(verify_file(file, quiet=quiet, as_json=as_json))


app.command()(serve)
app.command()(worker)
app.add_typer(job_app)
app.add_typer(token_app)
app.add_typer(key_app)
