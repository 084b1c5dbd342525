"""What runs in a client, so that closing the client can wait for it, or end it."""

import asyncio
import logging
import weakref
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Literal, Protocol, TypeVar

import attrs

from eversince_async.errors import ClientClosed, InvalidProjectState
from eversince_async.orchestrator.handle import Handle
from eversince_async.orchestrator.options import DeliveryOptions

T = TypeVar("T")

logger: Final = logging.getLogger("eversince_async")

OnClose = Literal["leave", "drain", "cancel"]
"""What becomes of productions when their client closes: they go on without us, are waited for, or are
cancelled at the server."""

ON_CLOSE: Final = ("leave", "drain", "cancel")

PATIENCE: Final = 15.0
"""Seconds in which what was interrupted should have ended: longer than it takes to cancel a project."""

CLOSED_MESSAGE: Final = "the client was closed while this was waited for"


@attrs.frozen
class UnfinishedProduction:
    """A production that did not come to its end.

    Attributes:
        handle: What takes it up again.
        is_resumable_by_handle: Whether the handle is the way to go on. What a journal remembers goes on when
            the same is run again, and a conversation by its project's id.
    """

    handle: Handle
    is_resumable_by_handle: bool = True


class HasHandle(Protocol):
    """A workflow, as far as closing the client concerns it."""

    @property
    def handle(self) -> Handle:
        """Resumes its production; raises `InvalidProjectState` while there is none."""
        ...


class HasProject(Protocol):
    """Operations on one project, as far as closing the client concerns them."""

    @property
    def key(self) -> str:
        """The idempotency key."""
        ...

    @property
    def project_id(self) -> str | None:
        """The project's id; None before it is created."""
        ...


class SlotHolder(Protocol):
    """Who holds a slot."""

    @property
    def project_id(self) -> str | None:
        """For which project; None while it is not known."""


class ActiveRun:
    """Around something while it runs, in whatever task that is.

    As `asyncio.timeout` does, it ends what runs in it by cancelling the task and takes that back on leaving:
    the task itself goes on, with an error.

    Attributes:
        task: The task that runs it.
        was_interrupted: Whether it was ended from outside.
    """

    # There are thousands of these when thousands of productions wait.
    __slots__ = ("_cancelling", "_has_begun", "_interrupted", "_registry", "task", "was_interrupted")

    task: "asyncio.Task[Any]"
    _cancelling: int
    _interrupted: int

    def __init__(self, registry: "RunRegistry") -> None:
        self.was_interrupted = False
        self._registry = registry
        self._interrupted = 0
        self._has_begun = False

    def is_of(self, task: "asyncio.Task[Any]") -> None:
        """A task was made to run it: from now on the client closes with it, as if it had begun."""
        self.task = task
        self._registry.add(self)
        task.add_done_callback(lambda _: self._registry.remove(self))  # if it never does

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.task, self._cancelling, self._has_begun = task, task.cancelling(), True
        self._registry.add(self)
        if self._interrupted:
            self._registry.remove(self)
            self.was_interrupted = True
            raise self.closed_error()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._registry.remove(self, has_left=isinstance(exc, ClientClosed))
        if isinstance(exc, ClientClosed):
            self.complete(exc)
        cancelling = self.task.cancelling()
        for _ in range(self._interrupted):
            cancelling = self.task.uncancel()
        if self._interrupted and cancelling <= self._cancelling:
            self.was_interrupted = exc_type is not None and issubclass(exc_type, asyncio.CancelledError)
        if self.was_interrupted:
            raise self.closed_error() from None

    @property
    def whose(self) -> object:
        """What runs: for one thing there may be several, of which only one tells what is left."""
        return self

    @property
    def is_interrupted(self) -> bool:
        """Whether it is being ended from outside."""
        return self._interrupted > 0

    def interrupt_all(self) -> None:
        """End it; once more, if it has not ended by that."""
        self._interrupted += 1
        if self._has_begun:  # else it ends as it begins
            self.task.cancel()

    def drain(self) -> None:
        """The client waits for it, to close: begin nothing new."""

    def unfinished(self) -> Sequence[UnfinishedProduction]:
        """The productions in it that did not come to their end, once it was ended."""
        return ()

    def complete(self, closed: ClientClosed) -> None:
        """Add what takes it up again, if it has left by itself."""

    def closed_error(self) -> ClientClosed:
        """What whoever waits is told."""
        return ClientClosed(CLOSED_MESSAGE, project_id=None)


class WorkflowRun(ActiveRun):
    """Around a workflow while it runs."""

    __slots__ = ("_workflow",)

    def __init__(self, registry: "RunRegistry", workflow: HasHandle) -> None:
        super().__init__(registry)
        self._workflow = workflow

    @property
    def whose(self) -> object:
        """The workflow, for whose turn several may wait."""
        return self._workflow

    def unfinished(self) -> Sequence[UnfinishedProduction]:
        """The workflow's production; none where it is enough to ask again."""
        handle = self._handle()
        return () if handle is None else (UnfinishedProduction(handle),)

    def complete(self, closed: ClientClosed) -> None:
        """With the workflow's handle."""
        if closed.handle is None and (handle := self._handle()) is not None:
            closed.project_id, closed.handle = handle.project_id, handle.to_json()

    def closed_error(self) -> ClientClosed:
        """With what takes it up again."""
        handle = self._handle()
        if handle is None:
            return super().closed_error()
        return ClientClosed(CLOSED_MESSAGE, project_id=handle.project_id, handle=handle.to_json())

    def _handle(self) -> Handle | None:
        try:
            return self._workflow.handle
        except InvalidProjectState:
            return None


class RunRegistry:
    """What runs in a client: workflows, batches, and what is waited for in conversations.

    Attributes:
        draining_since: Since when, in loop time, they are waited for, to close the client: what waits for a
            person or sleeps for long is then not to; None: they are not.
        holders: Productions that hold a slot, whatever they are part of.
    """

    def __init__(self) -> None:
        self.holders: weakref.WeakSet[SlotHolder] = weakref.WeakSet()
        self._runs: set[ActiveRun] = set()
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self.draining_since: float | None = None
        self._drains: list[asyncio.AbstractEventLoop] = []  # whoever waits for everything to end, by loop
        self._left: list[UnfinishedProduction] = []  # since the first of them began to
        self._rests: set[tuple[asyncio.AbstractEventLoop, asyncio.Timeout]] = set()

    def __len__(self) -> int:
        """How many run."""
        return len(self._runs)

    def track(self, workflow: HasHandle) -> ActiveRun:
        """What to put around one that runs: `with underway.one(workflow): …`.

        Leaving it raises `ClientClosed` if the client was closed meanwhile.
        """
        return WorkflowRun(self, workflow)

    def add(self, run: ActiveRun) -> None:
        """One begins."""
        self._runs.add(run)

    def remove(self, run: ActiveRun, *, has_left: bool = False) -> None:
        """One ends, however that may be; or it has left, as the client closes and it waits for long."""
        self._runs.discard(run)
        if has_left and self.draining_since is not None:
            self._left.extend(run.unfinished())
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

    async def drain(self, patience: float | None) -> tuple[UnfinishedProduction, ...]:
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
                await self._wait_while(self._is_anything_here)
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
        for run in self._runs_on_this_loop():
            run.drain()
        for where, rest in self._rests:
            if where is loop:
                rest.reschedule(loop.time())

    async def interrupt_all(
        self, caller: "asyncio.Task[Any] | None" = None
    ) -> tuple[UnfinishedProduction, ...]:
        """End all that run; returns the productions that were ended by that and can be taken up again.

        Code of the user's may take a cancellation for an error of its own and go on. So what has not ended
        after a while is interrupted once more, and then left behind: closing comes to its end.

        Args:
            caller: The task that closes the client, which is not ended.
        """
        runs = {run for run in self._runs_on_this_loop() if run.task is not caller}
        for _ in range(2):
            for run in self._runs.intersection(runs):
                run.interrupt_all()
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await self._wait_while(lambda: not self._runs.isdisjoint(runs))
                    break
        else:
            for run in self._runs.intersection(runs):
                logger.warning("the client was closed, but %r goes on although it was cancelled", run.task)
        ended = {run.whose: run for run in runs if run.was_interrupted}
        return tuple(left for run in ended.values() for left in run.unfinished())

    def _runs_on_this_loop(self) -> list[ActiveRun]:
        """Those of this event loop: one that ended without a word may have left others behind."""
        self._runs = {run for run in self._runs if not run.task.get_loop().is_closed()}
        return list(self._all_here())

    def _is_anything_here(self) -> bool:
        """As `_runs_on_this_loop`, for whoever asks again after each of thousands that ends."""
        return any(True for _ in self._all_here())

    def _all_here(self) -> Iterator[ActiveRun]:
        loop, current = asyncio.get_running_loop(), asyncio.current_task()
        return (run for run in self._runs if run.task.get_loop() is loop and run.task is not current)

    async def _wait_while(self, goes_on: Callable[[], bool]) -> None:
        loop, news = asyncio.get_running_loop(), asyncio.Event()
        self._waiting.add((loop, news))
        try:
            while goes_on():
                news.clear()
                await news.wait()
        finally:
            self._waiting.discard((loop, news))


class TalkingRun(ActiveRun):
    """Around each wait in a conversation; `converse_with` goes on by the project's id.

    Args:
        registry: What runs in the client.
        steps: The steps of the conversation's project.
    """

    __slots__ = ("_steps",)

    def __init__(self, registry: RunRegistry, steps: HasProject) -> None:
        super().__init__(registry)
        self._steps = steps

    def unfinished(self) -> Sequence[UnfinishedProduction]:
        """The project, if there is one: it can be cancelled, but nothing says how it should end."""
        steps = self._steps
        if steps.project_id is None:
            return ()
        handle = Handle(key=steps.key, project_id=steps.project_id, delivery=DeliveryOptions())
        return (UnfinishedProduction(handle, is_resumable_by_handle=False),)

    def closed_error(self) -> ClientClosed:
        """With the project, if there is one."""
        return ClientClosed(CLOSED_MESSAGE, project_id=self._steps.project_id)
