"""The progress bar of a file transfer."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from eversince_async.cli._output import console, is_terminal
from eversince_async.cli._terminal_text import on_one_line


@asynccontextmanager
async def progress_bar(name: str) -> AsyncGenerator[Callable[[int, int | None], None], None]:
    """Show a progress bar of bytes on a terminal.

    Yields a function that takes the bytes transferred so far and the bytes in all. Without a terminal, that
    function does nothing.
    """
    if not is_terminal():
        yield lambda done, total: None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=console()) as progress:
        task = progress.add_task(on_one_line(name), total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
