"""`bigzip verify`: the report of the strict checker, for people and as JSON."""

import json
from dataclasses import asdict

from bigzip.cli.bar import progress_bar
from bigzip.cli.remote_file import SCHEMES, RemoteFile
from bigzip.cli.status import ExitStatus
from bigzip.cli.streams import print_result, say
from bigzip.errors import BigZipError, printable
from bigzip.verification import Report, verify


def verify_file(path: str, *, quiet: bool, as_json: bool) -> ExitStatus:
    """Check the archive at `path`, print the report, and return the command's exit status."""
    try:
        with progress_bar("Checking", quiet=quiet or as_json) as progress:
            report = verify(RemoteFile(path) if path.startswith(SCHEMES) else path, progress=progress)
    except (BigZipError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        say(f"bigzip: {printable(path)}: could not be checked: {reason}")
        return ExitStatus.COULD_NOT_TELL
    if as_json:
        print_result(json.dumps({"file": path, "sound": report.sound} | asdict(report)))
    elif not quiet or not report.sound:
        _print(path, report)
    return ExitStatus.DONE if report.sound else ExitStatus.NOT_SOUND


def _print(path: str, report: Report) -> None:
    for problem in report.problems:
        entry = f"{printable(problem.entry)}: " if problem.entry is not None else ""
        print_result(f"{printable(path)}: at byte {problem.offset:,}: {entry}{problem.message} [{problem.kind}]")
    verdict = "sound" if report.sound else "not sound"
    entries = f"{report.entries:,} {'entry' if report.entries == 1 else 'entries'}"
    print_result(f"{printable(path)}: {verdict}: {entries}, {report.size:,} bytes")
