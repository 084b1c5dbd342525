"""Runs of a client, which closing the client waits for, or ends."""

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
"""The fate of productions when their client closes.

They go on at the server alone, are waited for, or are cancelled at the server.
"""

ON_CLOSE: Final = ("leave", "drain", "cancel")

PATIENCE: Final = 15.0
"""Seconds for an interrupted run to end.

It is longer than cancelling a project takes.
"""

CLOSED_MESSAGE: Final = "the client was closed while this was waited for"


@attrs.frozen
class UnfinishedProduction:
    """A production that did not come to its end.

    Attributes:
        handle: The handle that resumes it.
        is_resumable_by_handle: True if the handle is the way to go on. A production in a journal goes on when
            the same batch or pipeline is run again, and a conversation by its project's id.
    """

    handle: Handle
    is_resumable_by_handle: bool = True


class HasHandle(Protocol):
    """A workflow, as far as closing the client concerns it."""

    @property
    def handle(self) -> Handle:
        """The handle that resumes the production.

        Raises `InvalidProjectState` while there is none.
        """
        ...


class HasProject(Protocol):
    """Operations on one project, as far as closing and tracing concern them."""

    @property
    def key(self) -> str:
        """The idempotency key."""
        ...

    @property
    def project_id(self) -> str | None:
        """The project's id; None before it is created."""
        ...


class SlotHolder(Protocol):
    """A production that holds a slot."""

    @property
    def project_id(self) -> str | None:
        """The project's id; None while it is not known."""


class ActiveRun:
    """A context manager around an operation while it runs, in any task.

    As `asyncio.timeout` does, it ends the operation by cancelling the task and takes that back on leaving:
    the task itself goes on, with an error.

    Attributes:
        task: The task that runs the operation.
        was_interrupted: True if the client's closing ended the operation.
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
        """Bind the run to the task that was made for it.

        From now on closing the client ends the task, as if the run had begun.
        """
        self.task = task
        self._registry.add(self)
        task.add_done_callback(lambda _: self._registry.remove(self))  # in case the run never begins

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
        """The object that runs.

        Several runs may belong to one object; only one of them reports what is unfinished.
        """
        return self

    @property
    def is_interrupted(self) -> bool:
        """True if the run is being ended from outside."""
        return self._interrupted > 0

    def interrupt(self) -> None:
        """End the run.

        Call it once more if the run has not ended by that.
        """
        self._interrupted += 1
        if self._has_begun:  # otherwise `__enter__` ends it
            self.task.cancel()

    def drain(self) -> None:
        """Begin nothing new: the client waits for this run, to close."""

    def unfinished(self) -> Sequence[UnfinishedProduction]:
        """Return the productions that did not end, once the run was interrupted."""
        return ()

    def complete(self, closed: ClientClosed) -> None:
        """Add the handle to the error of a run that left.

        The run left by itself while the client drained.
        """

    def closed_error(self) -> ClientClosed:
        """Return the error for the run's waiters."""
        return ClientClosed(CLOSED_MESSAGE, project_id=None)


class WorkflowRun(ActiveRun):
    """A context manager around a workflow while it runs."""

    __slots__ = ("_workflow",)

    def __init__(self, registry: "RunRegistry", workflow: HasHandle) -> None:
        super().__init__(registry)
        self._workflow = workflow

    @property
    def whose(self) -> object:
        """The workflow; several waiters may wait for its turn."""
        return self._workflow

    def unfinished(self) -> Sequence[UnfinishedProduction]:
        """Return the workflow's production; none where it is enough to call again."""
        handle = self._handle()
        return () if handle is None else (UnfinishedProduction(handle),)

    def complete(self, closed: ClientClosed) -> None:
        """Add the workflow's handle to the error."""
        if closed.handle is None and (handle := self._handle()) is not None:
            closed.project_id, closed.handle = handle.project_id, handle.to_json()

    def closed_error(self) -> ClientClosed:
        """Return the error with the workflow's handle."""
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
    """The runs of a client: workflows, batches, and the waits of conversations.

    Attributes:
        draining_since: The time, in loop time, from which the client waits for its runs to end, to close;
            None while it does not. Runs that wait for a person or sleep for long then leave.
        holders: Productions that hold a slot, alone or as part of a batch or pipeline.
    """

    def __init__(self) -> None:
        self.holders: weakref.WeakSet[SlotHolder] = weakref.WeakSet()
        self._runs: set[ActiveRun] = set()
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self.draining_since: float | None = None
        self._drains: list[asyncio.AbstractEventLoop] = []  # the loop of each call of `drain`
        self._left: list[UnfinishedProduction] = []  # since the first of these calls
        self._rests: set[tuple[asyncio.AbstractEventLoop, asyncio.Timeout]] = set()

    def __len__(self) -> int:
        """Return the number of runs."""
        return len(self._runs)

    def track(self, workflow: HasHandle) -> ActiveRun:
        """Return a run for a workflow, to enter around it.

        Leaving the run raises `ClientClosed` if the client was closed meanwhile.
        """
        return WorkflowRun(self, workflow)

    def add(self, run: ActiveRun) -> None:
        """Add a run that begins."""
        self._runs.add(run)

    def remove(self, run: ActiveRun, *, has_left: bool = False) -> None:
        """Remove a run that has ended in any way.

        With `has_left` the run left while the client drains, because its wait is long.
        """
        self._runs.discard(run)
        if has_left and self.draining_since is not None:
            self._left.extend(run.unfinished())
        for loop, news in self._waiting:
            if not loop.is_closed():  # no task waits on a closed loop
                news.set()

    async def rest(self, waiting: Awaitable[T]) -> T:
        """Await an event of the daily reset, unless the client drains.

        Raises:
            ClientClosed: The client waits for its runs to end, to close.
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
            raise ClientClosed(
                "the client closes, and this waits for the daily reset", project_id=None
            ) from None
        finally:
            self._rests.discard(rest)

    async def drain(self, patience: float | None) -> tuple[UnfinishedProduction, ...]:
        """Wait until nothing runs any more, for at most `patience` seconds.

        Several callers may wait at the same time.

        Returns:
            The productions that have left because they waited for the daily reset; each caller gets all of
            them.
        """
        loop = asyncio.get_running_loop()
        self._drains = [each for each in self._drains if not each.is_closed()]
        if not self._drains:  # otherwise the runs know already
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
        """End all runs; return the interrupted productions that can be resumed.

        Code of the user's may take a cancellation for an error of its own and go on. So a run that has not
        ended after a while is interrupted once more, and then left behind: closing comes to its end.

        Args:
            caller: The task that closes the client, which is not ended.
        """
        runs = {run for run in self._runs_on_this_loop() if run.task is not caller}
        for _ in range(2):
            for run in self._runs.intersection(runs):
                run.interrupt()
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
        """Return this event loop's runs; forget those of closed loops.

        A loop that was closed abruptly may have left runs behind.
        """
        self._runs = {run for run in self._runs if not run.task.get_loop().is_closed()}
        return list(self._all_here())

    def _is_anything_here(self) -> bool:
        """Return True if any run is on this event loop.

        This is cheaper than `_runs_on_this_loop`, and is called after each of thousands of runs.
        """
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
    """A context manager around each wait in a conversation.

    `converse_with` resumes the conversation by the project's id.

    Args:
        registry: The client's runs.
        steps: The operations on the conversation's project.
    """

    __slots__ = ("_steps",)

    def __init__(self, registry: RunRegistry, steps: HasProject) -> None:
        super().__init__(registry)
        self._steps = steps

    def unfinished(self) -> Sequence[UnfinishedProduction]:
        """Return the conversation's project, if there is one.

        The project can be cancelled, but no option says how it should end.
        """
        steps = self._steps
        if steps.project_id is None:
            return ()
        handle = Handle(key=steps.key, project_id=steps.project_id, delivery=DeliveryOptions())
        return (UnfinishedProduction(handle, is_resumable_by_handle=False),)

    def closed_error(self) -> ClientClosed:
        """Return the error with the project's id, if there is a project."""
        return ClientClosed(CLOSED_MESSAGE, project_id=self._steps.project_id)
