"""The commands and their options."""

import json
import time
from enum import StrEnum
from typing import Annotated, Final

import typer

import bigzip
from bigzip.cli.bar import progress_bar
from bigzip.cli.index import app as index_app
from bigzip.cli.output import Output
from bigzip.cli.request import Request
from bigzip.cli.signals import hang_up_as_terminate
from bigzip.cli.status import reporting
from bigzip.cli.streams import print_result, say
from bigzip.errors import InputError, printable
from bigzip.plan.entry import Form, Method
from bigzip.plan.names import CollisionPolicy, NamePolicy
from bigzip.progress import Progress
from bigzip.server.logs import LogFormat
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
\b
Exit status:
  0  done                       2  the command line is wrong
  3  it cannot be archived      4  a file changed or failed meanwhile
  5  OUT failed, or is there    6  whoever read OUT stopped reading
  129, 130, 143  stopped by SIGHUP, SIGINT (Ctrl-C), SIGTERM
"""
_VERIFY_EPILOG: Final = "Exit status: 0 sound, 1 not sound, 2 could not tell."


class OnMissing(StrEnum):
    """What becomes of files that are not there or may not be read."""

    FAIL = "fail"
    SKIP = "skip"


Paths = Annotated[
    list[str] | None,
    typer.Argument(metavar="PATH", help="Files and directories. Entries are named as they are given here."),
]
Directory = Annotated[
    str, typer.Option("-C", metavar="DIR", help="Look for each PATH in this directory, and name entries from there.")
]
MethodOption = Annotated[
    Method,
    typer.Option("--method", help="auto deflates, except what is compressed already, such as JPEG and MP4."),
]
Level = Annotated[
    int | None, typer.Option(min=1, max=9, metavar="1-9", help="Of deflate: 1 is fastest, 9 makes the smallest.")
]
Symlinks = Annotated[
    SymlinkPolicy,
    typer.Option(
        help="Archive what symbolic links lead to, if that lies in the directory given; or the links; or none."
    ),
]
Names = Annotated[
    NamePolicy,
    typer.Option(help="portable changes names that Windows cannot create: 10:30 to 10_30, con.txt to con_.txt."),
]
Collisions = Annotated[
    CollisionPolicy,
    typer.Option(help="What becomes of two names that some system takes for one, such as a.txt and A.TXT."),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(
        metavar="GLOB",
        help="Leave out entries whose name, or the last part of it, matches: '*.tmp', node_modules. A leading slash "
        "ties it to the top: /holiday/raw. May be given again.",
    ),
]
Missing = Annotated[
    OnMissing,
    typer.Option(
        help="skip leaves out what is not there or may not be read, and adds missing-files.txt, a list of it."
    ),
]
ManifestFile = Annotated[
    str | None,
    typer.Option(
        "--manifest",
        metavar="FILE",
        help="Take entries from a manifest, JSON or JSON lines; - for standard input. What it says of the whole "
        "archive goes before the options here.",
    ),
]
Threads = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Compress on so many processors; by default on all.")
]
Comment = Annotated[str, typer.Option(metavar="TEXT", help="The archive's comment.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no summary.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


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
    output = Output(out, overwrite=force)
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
        result = json.dumps({"output": out, "bytes": size, "entries": entries, "seconds": round(seconds, 3)})
        (say if output.is_standard_output else print_result)(result)
    elif not quiet:
        say(f"{output}: {entries:,} {'entry' if entries == 1 else 'entries'}, {size:,} bytes, {seconds:.1f} s")


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


@app.command()
@reporting()
def serve(
    root: Annotated[
        list[str] | None,
        typer.Option(
            "--root",
            metavar="[NAME=]PLACE",
            help="What is served, and nothing outside it: a directory, or s3://bucket/prefix; by default the current "
            "directory. May be given again, then each with a name.",
        ),
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help='TOML with [roots], such as photos = "s3://bucket/photos", and [stores."s3://bucket"].'
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Of this machine only: 127.0.0.1, ::1 or localhost.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="NUMBER", help="0 takes a free one.")] = 8080,
    index: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Where to remember CRC-32s and compressed sizes, so that a file is read for them once. By default "
            "in the user's cache directory, or where BIGZIP_INDEX says.",
        ),
    ] = None,
    use_index: Annotated[bool, typer.Option("--use-index/--no-index", help="Whether to remember them.")] = True,
    log_format: Annotated[
        LogFormat, typer.Option(help="Of the log on standard error: lines, or a JSON object for each.")
    ] = LogFormat.TEXT,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No line for each request.")] = False,
) -> None:
    """Serve the files of directories and object stores as ZIPs, with a web page to choose them. Ctrl-C ends it."""
    try:
        from bigzip.server.config import connections_of, read_config, roots_of
        from bigzip.server.run import bind
        from bigzip.server.run import serve as run_service
        from bigzip.server.settings import Settings
        from bigzip.survey.index import default_path
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("bigzip"):
            raise
        raise InputError(f"serving needs {error.name}; install it with: pip install 'bigzip[server]'") from error
    tables = {} if config is None else read_config(config)
    places = roots_of(root or [], tables.get("roots", {}))
    settings = Settings(
        root=places,
        connections=connections_of(places, tables.get("stores", {})),
        index=(index or default_path()) if use_index else None,
    )
    what = settings.roots.described()
    listener = bind(host, port)
    address = listener.getsockname()
    shown = f"[{address[0]}]" if ":" in address[0] else address[0]
    hang_up_as_terminate()
    print_result(f"bigzip serves {printable(what)} at http://{shown}:{address[1]}/ (this machine only)")
    run_service(settings, listener, quiet=quiet, log_format=log_format)
