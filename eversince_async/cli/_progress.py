"""The progress of productions, as live bars or lines of text."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Protocol, Self

import attrs

from eversince_async.cli._output import console, is_terminal, to_text, warn_line
from eversince_async.orchestrator.events import (
    CreditsWarning,
    Event,
    StageCompleted,
    StageStarted,
    StatusChanged,
    Waiting,
)
from eversince_async.orchestrator.production import Production
from eversince_async.orchestrator.workflow import Workflow
from eversince_async.tasks import end

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

_REACHED: Final = {
    "create": 0.02,
    "queued": 0.05,
    "running": 0.15,
    "generating": 0.40,
    "render": 0.70,
    "rendering": 0.75,
    "share": 0.95,
    "download": 0.97,
}
"""The share of a production that is done when it enters a stage or a status, from 0 to 1.

The numbers are a guess, for a bar. The bar never goes back, although the agent may repeat a status.
"""


@attrs.define(eq=False)
class Row:
    """A production on the board.

    Attributes:
        name: The production's name on the board.
        words: The production's status, in words.
        project_id: The id of its project; None until there is one.
        reached: The share of the production that is done, from 0 to 1.
        began_at: The time at which the production got its slot, in loop time.
        ended_at: The time at which the production ended, in loop time.
        went_wrong: True if the production failed or was interrupted.
        slot: The number of the account's slot that the row shows; None while the project holds no slot.
    """

    name: str
    words: str = "waiting for a slot"
    project_id: str | None = None
    reached: float = 0.0
    began_at: float | None = None
    ended_at: float | None = None
    went_wrong: bool = False
    slot: int | None = None

    def tell(self, event: Event) -> bool:
        """Update the row from an event; return False if nothing visible changes."""
        self.project_id = event.project_id or self.project_id
        match event:
            case StageStarted(stage="settle") | StageCompleted():
                return False  # the status is more informative
            case StageStarted(stage=stage):
                if self.began_at is None:
                    self.began_at = event.at
                return self._enter(stage)
            case StatusChanged(status=status):
                return self._enter(str(status))
            case Waiting(reason=reason):
                self.words = f"waits: {reason.detail}"
            case CreditsWarning(warning=warning):
                self.words = warning
        return True

    def end(self, words: str, now: float, *, went_wrong: bool = False) -> None:
        """Mark the production as ended."""
        self.words, self.ended_at, self.went_wrong = words, now, went_wrong
        self.reached = self.reached if went_wrong else 1.0

    def seconds(self, now: float) -> float | None:
        """Return the seconds since the start; None before the start."""
        if self.began_at is None:
            return None
        return (now if self.ended_at is None else self.ended_at) - self.began_at

    def _enter(self, step: str) -> bool:
        self.reached = max(self.reached, _REACHED.get(step, 0.0))
        before, self.words = self.words, _WORDS.get(step, step)
        return before != self.words


_WORDS: Final = {
    "create": "creating",
    "render": "asking for the render",
    "share": "sharing",
    "download": "downloading",
}
"""The words for each stage; statuses are shown as the server names them."""


class ProgressDisplay(Protocol):
    """A display that shows rows until its block ends."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def row(self, name: str) -> Row:
        """Add a row."""
        ...

    def changed(self, row: Row) -> None:
        """Show that a row has changed."""
        ...

    def removed(self, row: Row) -> None:
        """Remove a row."""
        ...

    def say(self, line: str) -> None:
        """Print a line that stays."""
        ...

    def refresh(self) -> None:
        """Redraw all rows."""
        ...


async def follow(workflow: Workflow[Production], row: Row, board: ProgressDisplay) -> Production:
    """Run a production to its end, showing its events on its row.

    Raises:
        EversinceError: The production raised it.
    """
    loop = asyncio.get_running_loop()
    try:
        async with workflow:
            async for event in workflow:
                if row.tell(event):
                    board.changed(row)
            production = await workflow
    except BaseException as error:
        name = "interrupted" if isinstance(error, asyncio.CancelledError) else type(error).__name__
        row.end(name, loop.time(), went_wrong=True)
        board.changed(row)
        raise
    row.end("done", loop.time())
    board.changed(row)
    return production


def board(footer: Callable[[], str]) -> ProgressDisplay:
    """Return a live board on a terminal, else a board of lines.

    Args:
        footer: Returns the line below the rows, such as the state of the account's limits.
    """
    return LiveDisplay(footer) if is_terminal() else LineDisplay()


def add_row(rows: Collection[Row], holding: Collection[str | None]) -> None:
    """Number the rows whose projects hold a slot.

    A row gets the lowest free number, and keeps it while its project holds the slot.
    """
    for row in rows:
        if row.project_id not in holding:
            row.slot = None
    taken = {row.slot for row in rows}
    free = (number for number in range(1, len(rows) + 1) if number not in taken)
    for row in rows:
        if row.slot is None and row.project_id is not None and row.project_id in holding:
            row.slot = next(free)


@asynccontextmanager
async def refreshing(
    frame: Callable[[], Awaitable[object]], board: ProgressDisplay
) -> AsyncGenerator[None, None]:
    """Redraw a board while the block runs, with `frame` between two redraws."""

    async def redraw() -> None:
        while True:
            board.refresh()
            await frame()

    redrawing = asyncio.create_task(redraw(), name="eversince board")
    try:
        yield
    finally:
        await end(redrawing)
        if not redrawing.cancelled():
            redrawing.result()  # raises the error of a board that could not be drawn


class LineDisplay:
    """A board of lines on stderr, with the time of each.

    Args:
        wordy: True to print each change of each row as a line; False to print only the lines of `say`.
    """

    def __init__(self, *, wordy: bool = True) -> None:
        self._wordy = wordy
        self._began = 0.0

    def __enter__(self) -> Self:
        self._began = asyncio.get_running_loop().time()
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def row(self, name: str) -> Row:
        """Add a row, which prints nothing before its first change."""
        return Row(name)

    def changed(self, row: Row) -> None:
        """Print the change."""
        if self._wordy:
            which = f" ({row.project_id})" if row.project_id else ""
            self.say(f"{row.name}: {row.words}{which}")

    def removed(self, row: Row) -> None:
        """Do nothing, because printed lines stay."""

    def say(self, line: str) -> None:
        """Print a line with the time since the start."""
        passed = asyncio.get_running_loop().time() - self._began
        warn_line(f"[{format_duration(passed):>8}] {line}")

    def refresh(self) -> None:
        """Do nothing, because printed lines stay."""


class LiveDisplay:
    """A board of moving bars on stderr.

    Args:
        footer: Returns the lines below the rows.
        holding: Returns the projects that hold a slot, to show the slot of each; None shows no slots.
    """

    def __init__(
        self, footer: Callable[[], str], holding: Callable[[], Collection[str | None]] | None = None
    ) -> None:
        self._footer = footer
        self._holding = holding
        self._rows: list[Row] = []
        self._live: Live

    def __enter__(self) -> Self:
        from rich.live import Live

        # rich's own thread must not refresh the board, because the rows would change while it draws.
        self._live = Live(console=console(), auto_refresh=False)
        self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.refresh()
        self._live.stop()

    def row(self, name: str) -> Row:
        """Add a row with a bar."""
        row = Row(name)
        self._rows.append(row)
        return row

    def changed(self, row: Row) -> None:
        """Do nothing, because the next refresh comes soon."""

    def removed(self, row: Row) -> None:
        """Remove a row."""
        self._rows.remove(row)

    def say(self, line: str) -> None:
        """Print a line above the rows."""
        self._live.console.print(to_text(line))

    def refresh(self) -> None:
        """Draw all rows and the footer."""
        self._live.update(self._draw(), refresh=True)

    def _draw(self) -> "RenderableType":
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        now = asyncio.get_running_loop().time()
        if self._holding is not None:
            add_row(self._rows, self._holding())
        grid = Table.grid(padding=(0, 2))
        if self._holding is not None:
            grid.add_column(no_wrap=True, min_width=6)
        grid.add_column(no_wrap=True, overflow="ellipsis", max_width=40)
        grid.add_column(width=24)
        grid.add_column(no_wrap=True, min_width=18, overflow="ellipsis")
        grid.add_column(justify="right", no_wrap=True, min_width=8)
        for row in self._rows:
            seconds = row.seconds(now)
            style = "red" if row.went_wrong else "green" if row.ended_at is not None else ""
            slot = (
                ()
                if self._holding is None
                else (to_text(f"slot {row.slot}" if row.slot else "", style="dim"),)
            )
            grid.add_row(
                *slot,
                to_text(row.name),
                ProgressBar(total=1.0, completed=row.reached),
                to_text(row.words, style=style or ("dim" if seconds is None else "cyan")),
                to_text("" if seconds is None else format_duration(seconds), style="dim"),
            )
        return Group(grid, to_text(self._footer(), "dim", has_lines=True))


def format_duration(seconds: float) -> str:
    """Format seconds as h:mm:ss, without hours if there are none."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
