"""What runs in a client, so that closing the client can wait for it, or end it."""

import asyncio
import logging
import weakref
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeVar

import attrs

from eversince_async.errors import ClientClosed, NotAllowedNow
from eversince_async.orchestrator.handle import Handle

if TYPE_CHECKING:
    from eversince_async.orchestrator.workflow import Workflow

T = TypeVar("T")

logger: Final = logging.getLogger("eversince_async")

OnClose = Literal["leave", "drain", "cancel"]
"""What becomes of productions when their client closes: they go on without us, are waited for, or are
cancelled at the server."""

ON_CLOSE: Final = ("leave", "drain", "cancel")

PATIENCE: Final = 15.0
"""Seconds in which what was interrupted should have ended: longer than it takes to cancel a project."""

CLOSED: Final = "the client was closed while this was waited for"


@attrs.frozen
class Left:
    """A production that did not come to its end.

    Attributes:
        handle: What takes it up again.
        is_handed_out: Whether that is the way to go on with it. What a journal remembers goes on when the
            same is run again, and a conversation by its project's id.
    """

    handle: Handle
    is_handed_out: bool = True


class Holder(Protocol):
    """Who holds a slot."""

    @property
    def project_id(self) -> str | None:
        """For which project; None while it is not known."""


class Run:
    """Around something while it runs, in whatever task that is.

    As `asyncio.timeout` does, it ends what runs in it by cancelling the task and takes that back on leaving:
    the task itself goes on, with an error.

    Attributes:
        task: The task that runs it.
        ended: Whether it was ended from outside.
    """

    # There are thousands of these when thousands of productions wait.
    __slots__ = ("_cancelling", "_has_begun", "_interrupted", "_underway", "ended", "task")

    task: "asyncio.Task[Any]"
    _cancelling: int
    _interrupted: int

    def __init__(self, underway: "Underway") -> None:
        self.ended = False
        self._underway = underway
        self._interrupted = 0
        self._has_begun = False

    def is_of(self, task: "asyncio.Task[Any]") -> None:
        """A task was made to run it: from now on the client closes with it, as if it had begun."""
        self.task = task
        self._underway.begins(self)
        task.add_done_callback(lambda _: self._underway.ends(self))  # if it never does

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.task, self._cancelling, self._has_begun = task, task.cancelling(), True
        self._underway.begins(self)
        if self._interrupted:
            self._underway.ends(self)
            self.ended = True
            raise self.told()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._underway.ends(self, has_left=isinstance(exc, ClientClosed))
        if isinstance(exc, ClientClosed):
            self.complete(exc)
        cancelling = self.task.cancelling()
        for _ in range(self._interrupted):
            cancelling = self.task.uncancel()
        if self._interrupted and cancelling <= self._cancelling:
            self.ended = exc_type is not None and issubclass(exc_type, asyncio.CancelledError)
        if self.ended:
            raise self.told() from None

    @property
    def whose(self) -> object:
        """What runs: for one thing there may be several, of which only one tells what is left."""
        return self

    @property
    def is_interrupted(self) -> bool:
        """Whether it is being ended from outside."""
        return self._interrupted > 0

    def interrupt(self) -> None:
        """End it; once more, if it has not ended by that."""
        self._interrupted += 1
        if self._has_begun:  # else it ends as it begins
            self.task.cancel()

    def drain(self) -> None:
        """The client waits for it, to close: begin nothing new."""

    def left(self) -> Sequence[Left]:
        """The productions in it that did not come to their end, once it was ended."""
        return ()

    def complete(self, closed: ClientClosed) -> None:
        """Add what takes it up again, if it has left by itself."""

    def told(self) -> ClientClosed:
        """What whoever waits is told."""
        return ClientClosed(CLOSED, project_id=None)


class WorkflowRun(Run):
    """Around a workflow while it runs."""

    __slots__ = ("_workflow",)

    def __init__(self, underway: "Underway", workflow: "Workflow[Any]") -> None:
        super().__init__(underway)
        self._workflow = workflow

    @property
    def whose(self) -> object:
        """The workflow, for whose turn several may wait."""
        return self._workflow

    def left(self) -> Sequence[Left]:
        """The workflow's production; none where it is enough to ask again."""
        handle = self._handle()
        return () if handle is None else (Left(handle),)

    def complete(self, closed: ClientClosed) -> None:
        """With the workflow's handle."""
        if closed.handle is None and (handle := self._handle()) is not None:
            closed.project_id, closed.handle = handle.project_id, handle.to_json()

    def told(self) -> ClientClosed:
        """With what takes it up again."""
        handle = self._handle()
        if handle is None:
            return super().told()
        return ClientClosed(CLOSED, project_id=handle.project_id, handle=handle.to_json())

    def _handle(self) -> Handle | None:
        try:
            return self._workflow.handle
        except NotAllowedNow:
            return None


class Underway:
    """What runs in a client: workflows, batches, and what is waited for in conversations.

    Attributes:
        draining_since: Since when, in loop time, they are waited for, to close the client: what waits for a
            person or sleeps for long is then not to; None: they are not.
        holders: Productions that hold a slot, whatever they are part of.
    """

    def __init__(self) -> None:
        self.holders: weakref.WeakSet[Holder] = weakref.WeakSet()
        self._runs: set[Run] = set()
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self.draining_since: float | None = None
        self._drains: list[asyncio.AbstractEventLoop] = []  # whoever waits for everything to end, by loop
        self._left: list[Left] = []  # since the first of them began to
        self._rests: set[tuple[asyncio.AbstractEventLoop, asyncio.Timeout]] = set()

    def __len__(self) -> int:
        """How many run."""
        return len(self._runs)

    def one(self, workflow: "Workflow[Any]") -> Run:
        """What to put around one that runs: `with underway.one(workflow): …`.

        Leaving it raises `ClientClosed` if the client was closed meanwhile.
        """
        return WorkflowRun(self, workflow)

    def begins(self, run: Run) -> None:
        """One begins."""
        self._runs.add(run)

    def ends(self, run: Run, *, has_left: bool = False) -> None:
        """One ends, however that may be; or it has left, as the client closes and it waits for long."""
        self._runs.discard(run)
        if has_left and self.draining_since is not None:
            self._left.extend(run.left())
        for loop, news in self._waiting:
            if not loop.is_closed():  # else nobody waits there any more
                news.set()

    async def rest(self, waiting: Awaitable[T]) -> T:
        """Await what comes another day; not while the client waits for everything to end, to close.

        Raises:
            ClientClosed: It does.
        """
        loop = asyncio.get_running_loop()
        rest = (loop, asyncio.timeout(None if self.draining_since is None else 0.0))
        self._rests.add(rest)
        try:
            async with rest[1]:
                return await waiting
        except TimeoutError:
            if not rest[1].expired():
                raise
            raise ClientClosed("the client closes, and this waits for another day", project_id=None) from None
        finally:
            self._rests.discard(rest)

    async def over(self, patience: float | None) -> tuple[Left, ...]:
        """Wait until nothing runs any more, at most `patience` seconds; several may, at the same time.

        Returns:
            The productions that have left, as they waited for another day; each who waits is told of all.
        """
        loop = asyncio.get_running_loop()
        self._drains = [each for each in self._drains if not each.is_closed()]
        if not self._drains:  # else all have been told
            self._begin_to_drain(loop)
        self._drains.append(loop)
        try:
            async with asyncio.timeout(patience):
                await self._while(self._is_anything_here)
        except TimeoutError:
            pass
        finally:
            self._drains.remove(loop)
            if not self._drains:
                self.draining_since = None
        return tuple(self._left)

    def _begin_to_drain(self, loop: asyncio.AbstractEventLoop) -> None:
        self.draining_since = loop.time()
        self._left.clear()
        for run in self._here():
            run.drain()
        for where, rest in self._rests:
            if where is loop:
                rest.reschedule(loop.time())

    async def interrupt(self, caller: "asyncio.Task[Any] | None" = None) -> tuple[Left, ...]:
        """End all that run; returns the productions that were ended by that and can be taken up again.

        Code of the user's may take a cancellation for an error of its own and go on. So what has not ended
        after a while is interrupted once more, and then left behind: closing comes to its end.

        Args:
            caller: The task that closes the client, which is not ended.
        """
        runs = {run for run in self._here() if run.task is not caller}
        for _ in range(2):
            for run in self._runs.intersection(runs):
                run.interrupt()
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await self._while(lambda: not self._runs.isdisjoint(runs))
                    break
        else:
            for run in self._runs.intersection(runs):
                logger.warning("the client was closed, but %r goes on although it was cancelled", run.task)
        ended = {run.whose: run for run in runs if run.ended}
        return tuple(left for run in ended.values() for left in run.left())

    def _here(self) -> list[Run]:
        """Those of this event loop: one that ended without a word may have left others behind."""
        self._runs = {run for run in self._runs if not run.task.get_loop().is_closed()}
        return list(self._all_here())

    def _is_anything_here(self) -> bool:
        """As `_here`, for whoever asks again after each of thousands that ends."""
        return any(True for _ in self._all_here())

    def _all_here(self) -> Iterator[Run]:
        loop, current = asyncio.get_running_loop(), asyncio.current_task()
        return (run for run in self._runs if run.task.get_loop() is loop and run.task is not current)

    async def _while(self, goes_on: Callable[[], bool]) -> None:
        loop, news = asyncio.get_running_loop(), asyncio.Event()
        self._waiting.add((loop, news))
        try:
            while goes_on():
                news.clear()
                await news.wait()
        finally:
            self._waiting.discard((loop, news))
