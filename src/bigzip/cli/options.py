"""Options that several commands have."""

from enum import StrEnum
from typing import Annotated

import typer

from bigzip.plan.entry import Method
from bigzip.plan.names import CollisionPolicy, NamePolicy
from bigzip.sources.local_walk import SymlinkPolicy


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
Split = Annotated[
    str | None,
    typer.Option(
        "--split",
        metavar="SIZE",
        help="Make a set of archives instead of one, none larger than this: 10GB, 4480MiB. Each is whole by itself.",
    ),
]
Threads = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Compress on so many processors; by default on all.")
]
Comment = Annotated[str, typer.Option(metavar="TEXT", help="The archive's comment.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no summary.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
