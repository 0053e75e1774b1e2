"""The progress bar: on a terminal, on standard error."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bigzip.progress import Progress, ProgressCallback


@contextmanager
def progress_bar(description: str, *, quiet: bool) -> Iterator[ProgressCallback | None]:
    """A callback that shows a bar with rate and time left while the block runs; None where no terminal is."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        TextColumn("{task.fields[entries]}"),
    )
    with RichProgress(*columns, console=Console(stderr=True), expand=True) as bar:
        task = bar.add_task(description, total=None, entries="")

        def show(progress: Progress) -> None:
            entries = f"{progress.entries_done:,} of {progress.entries_total:,} entries"
            bar.update(task, completed=progress.bytes_done, total=progress.bytes_total, entries=entries)

        yield show
