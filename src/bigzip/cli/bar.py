"""The progress bar: on a terminal, on standard error."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from bigzip.progress import Progress, ProgressCallback

_PATIENCE_SECONDS: Final = 0.5
"""What is done sooner shows no bar: it would only flicker."""

_MARGIN: Final = 3
"""Columns that stay free at the right, so that the ^C that a terminal shows does not begin a new line."""


@contextmanager
def progress_bar(description: str, *, quiet: bool) -> Iterator[ProgressCallback | None]:
    """A callback that shows a bar with rate and time left while the block runs; None where no terminal is.

    Before the first call the bar says that files are being listed.
    """
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console, RenderableType
    from rich.constrain import Constrain
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as RichProgress

    class Bar(RichProgress):
        def get_renderables(self) -> Iterator[RenderableType]:
            for renderable in super().get_renderables():
                yield Constrain(renderable, max(self.console.width - _MARGIN, 1))

    bar = Bar(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TaskProgressColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        TextColumn("{task.fields[entries]}"),
        console=Console(stderr=True),
        expand=True,
    )
    task = bar.add_task("Listing files", total=None, entries="")

    def show(progress: Progress) -> None:
        entries = f"{progress.entries_done:,} of {progress.entries_total:,} entries"
        bar.update(
            task,
            description=description,
            completed=progress.bytes_done,
            total=progress.bytes_total,
            entries=entries,
        )

    patience = threading.Timer(_PATIENCE_SECONDS, bar.start)
    patience.daemon = True
    patience.start()
    try:
        yield show
    finally:
        patience.cancel()
        patience.join()
        if bar.live.is_started:
            bar.stop()
