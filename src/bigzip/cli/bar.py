"""The progress bar: on a terminal, on standard error."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from bigzip.progress import Progress, ProgressCallback

_PATIENCE_SECONDS: Final = 0.5
"""What is done sooner shows no bar: it would only flicker."""

_MARGIN: Final = 3
"""Columns that stay free at the right, so that the ^C that a terminal shows does not begin a new line."""

_WIDTH_FOR_ENTRIES: Final = 80
"""Columns that a terminal has where the number of entries is shown too."""


@contextmanager
def progress_bar(description: str, *, first: str = "", quiet: bool) -> Iterator[ProgressCallback | None]:
    """A callback that shows a bar with rate and time left while the block runs; None where no terminal is.

    Args:
        description: what is being done.
        first: what is being done before the first call, if that is something else.
        quiet: no bar.
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
    from rich.table import Column

    console = Console(stderr=True)

    class Bar(RichProgress):
        def get_renderables(self) -> Iterator[RenderableType]:
            if any(task.total is None for task in self.tasks):
                yield f"{first or description} ..."
                return
            for renderable in super().get_renderables():
                yield Constrain(renderable, max(console.width - _MARGIN, 1))

    bar = Bar(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TaskProgressColumn(),
        DownloadColumn(table_column=Column(no_wrap=True)),
        TransferSpeedColumn(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True, table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[entries]}"),
        console=console,
        expand=True,
    )
    task = bar.add_task(description, total=None, entries="")

    def show(progress: Progress) -> None:
        done, total = progress.entries_done, progress.entries_total
        entries = f"{done:,} entries" if total is None else f"{done:,}/{total:,} entries"
        bar.update(
            task,
            completed=progress.bytes_total if done == total else progress.bytes_done,
            total=progress.bytes_total,
            entries=entries if console.width >= _WIDTH_FOR_ENTRIES else "",
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
            with suppress(OSError):  # the terminal was closed
                bar.stop()
