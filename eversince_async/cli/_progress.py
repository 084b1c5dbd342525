"""Progress of productions: who is where, live on a terminal, line by line in a pipe."""

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
"""How far a production is along when it enters a stage or a status. A guess, for a bar; it never goes back,
though the agent goes round in circles."""


@attrs.define(eq=False)
class Row:
    """One production as the board shows it.

    Attributes:
        name: What to call it.
        words: Where it stands.
        project_id: Its project, once it has one.
        reached: How far it is along, from 0 to 1.
        began_at: When it got its slot, in loop time.
        ended_at: When it was over.
        went_wrong: Whether it ended badly.
        slot: The number of the account's slot it is shown in; None while it holds none.
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
        """Take in an event; False when it changes nothing that is shown."""
        self.project_id = event.project_id or self.project_id
        match event:
            case StageStarted(stage="settle") | StageCompleted():
                return False  # the status says more
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
        """It is over."""
        self.words, self.ended_at, self.went_wrong = words, now, went_wrong
        self.reached = self.reached if went_wrong else 1.0

    def seconds(self, now: float) -> float | None:
        """How long it has been at work; None when it waits for its turn."""
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
"""Stages as a person would say it; statuses are the server's words already."""


class ProgressDisplay(Protocol):
    """Shows rows until its block ends."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def row(self, name: str) -> Row:
        """Add a row."""
        ...

    def changed(self, row: Row) -> None:
        """A row has something new to say."""
        ...

    def removed(self, row: Row) -> None:
        """A row is not to be shown any more."""
        ...

    def say(self, line: str) -> None:
        """Print a line that stays."""
        ...

    def refresh(self) -> None:
        """Show how things stand now."""
        ...


async def follow(workflow: Workflow[Production], row: Row, board: ProgressDisplay) -> Production:
    """Run a production to its end, and show on its row what it tells.

    Raises:
        EversinceError: As the production does.
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
    """A board for where this runs.

    Args:
        footer: Gives the line below the rows, such as how the account's limits stand.
    """
    return LiveDisplay(footer) if is_terminal() else LineDisplay()


def add_row(rows: Collection[Row], holding: Collection[str | None]) -> None:
    """Give each row whose project holds a slot the lowest number that is free, and keep it there."""
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
    """Redraw a board while the block runs, with `frame` between two pictures."""

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
            redrawing.result()  # a board that cannot be drawn is a mistake to hear of


class LineDisplay:
    """Lines on stderr, each with the time since the first.

    Args:
        wordy: Whether each change of each row is a line; else only what is said.
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
        """Add a row; it says something when it has something to say."""
        return Row(name)

    def changed(self, row: Row) -> None:
        """Print the change."""
        if self._wordy:
            which = f" ({row.project_id})" if row.project_id else ""
            self.say(f"{row.name}: {row.words}{which}")

    def removed(self, row: Row) -> None:
        """Nothing: what was printed stands."""

    def say(self, line: str) -> None:
        """Print it."""
        passed = asyncio.get_running_loop().time() - self._began
        warn_line(f"[{format_duration(passed):>8}] {line}")

    def refresh(self) -> None:
        """Nothing: what was printed stands."""


class LiveDisplay:
    """Bars that move, on stderr.

    Args:
        footer: Gives the lines below the rows.
        holding: Gives the projects that hold a slot, to show which; None shows no slots.
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

        # Not refreshed by rich's own thread: what it would show changes under its hands.
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
        """Wait for the next refresh, which is soon."""

    def removed(self, row: Row) -> None:
        """Take it off."""
        self._rows.remove(row)

    def say(self, line: str) -> None:
        """Print it above the rows."""
        self._live.console.print(to_text(line))

    def refresh(self) -> None:
        """Draw it all."""
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
    """Seconds as h:mm:ss, without leading zero hours."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
