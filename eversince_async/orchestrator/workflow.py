"""Long operations that can be awaited, or followed while they run."""

import asyncio
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

from eversince_async.errors import ConfigurationError, InvalidProjectState, UnexpectedCancellation, copy_of
from eversince_async.orchestrator.events import Event
from eversince_async.orchestrator.handle import Handle
from eversince_async.orchestrator.registry import RunRegistry
from eversince_async.session.hooks import notify
from eversince_async.streams import Stream
from eversince_async.tasks import end, end_once

T = TypeVar("T")

EventHandler = Callable[[Event], None]
"""Function that receives each event."""


StartGate = tuple[Awaitable[object] | None, AbstractContextManager[object]]
"""The wait before a workflow begins.

It holds the awaitable to await first, or None, and the context manager to hold meanwhile.
"""

NO_WAIT: Final[StartGate] = (None, nullcontext())
"""The start gate of a workflow that may begin at once."""


class Workflow(Generic[T]):
    """A long operation, to await or to follow.

    Await it for its result, or open it with `async with` to follow its events.

    Any number of waiters may await it, at the same time or later, and get the same result or error: it runs
    once. Cancelling one waiter, e.g. by a timeout, ends only that wait as long as others still wait. When the
    last waiter is cancelled, the workflow ends before that await does, and later waiters get
    `UnexpectedCancellation`; `eversince.resume(workflow.handle)` goes on with a production. `async with
    workflow: async for event in workflow: …` runs the workflow until the end of the block, and `await
    workflow` inside the block gives the result.
    """

    # Thousands of workflows wait at a time, most of them without a listener: so there is no `__dict__`, and
    # the event stream is made only when a caller opens the workflow.
    __slots__ = (
        "__weakref__",
        "_awaited",
        "_awaiters",
        "_events",
        "_given_up",
        "_handle",
        "_listener",
        "_name",
        "_registry",
        "_run",
        "_started",
        "_task",
    )

    def __init__(
        self,
        name: str,
        run: "Callable[[Workflow[T]], Coroutine[Any, Any, T]] | None" = None,
        registry: RunRegistry | None = None,
    ) -> None:
        self._name = name
        self._run = run
        self._registry = registry
        self._handle: Handle | Callable[[], Handle] | None = None
        self._task: asyncio.Task[T] | None = None
        self._started = False
        self._awaiters = 0  # the caller of `start` counts, so that no other waiter ends the workflow
        self._given_up: Exception | None = None  # the failure before the workflow could begin
        self._events: Stream[Event] | None = None
        self._listener: Callable[[Event], object] | None = None
        self._awaited = False

    def __repr__(self) -> str:
        state = "not started" if not self._started else "done" if self._is_done() else "running"
        return f"<Workflow {self._name}, {state}>"

    def __await__(self) -> Generator[Any, None, T]:
        self._awaited = True
        return self._get_result().__await__()

    async def __aenter__(self) -> Self:
        self._need_anew()
        self._events = Stream()
        self.start()
        return self

    def start(self) -> asyncio.Task[T]:
        """Run the workflow in a task that the caller then owns.

        Raises:
            ConfigurationError: The workflow has been started already.
        """
        self._need_anew()
        self._started = True
        self._awaiters += 1
        return self._begin()

    def _need_anew(self) -> None:
        if self._started:
            raise ConfigurationError(f"{self._name} has been started already")

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        task = self._task
        assert task is not None
        await end(task)
        failure = None if task.cancelled() else task.exception()
        if failure is None or self._awaited:
            return
        if exc is None:
            raise failure  # the workflow was never awaited, so its failure would be lost
        exc.add_note(f"The {self._name} had failed as well: {failure!r}")

    def __aiter__(self) -> AsyncIterator[Event]:
        """Iterate over the events until the workflow ends.

        Await the workflow for its outcome.

        If a step of the iteration is cancelled, e.g. by a timeout, no event is lost: the next step goes on.
        """
        if self._events is None:
            raise ConfigurationError(f"open {self._name} with `async with` to follow its events")
        return self._events

    async def _get_result(self) -> T:
        """Begin the workflow unless it has begun; wait for its end.

        Each waiter passes the start gate for itself: several stand in line, and the first one to get
        through begins the workflow. They all wait for its end.
        """
        self._started = True
        self._awaiters += 1
        try:
            if self._task is None and self._given_up is None:
                gate, meanwhile = self._start_gate()
                if gate is not None:
                    with self._around(), meanwhile:
                        await gate
                        self._begin_once()  # before the registry takes this workflow for ended
                else:
                    self._begin_once()
            return await self._completion()
        except asyncio.CancelledError:
            self._give_up(UnexpectedCancellation(self._name))
            raise
        except Exception as failure:
            self._give_up(failure)
            raise
        finally:
            self._awaiters -= 1

    def _give_up(self, failure: Exception) -> None:
        """Record the failure of the last waiter, before the workflow began.

        The workflow then never begins.
        """
        if self._task is None and self._awaiters == 1:
            self._given_up = failure

    def _around(self) -> AbstractContextManager[object]:
        return nullcontext() if self._registry is None else self._registry.track(self)

    def _begin_once(self) -> None:
        if self._task is None:
            self._begin()

    def _begin(self) -> asyncio.Task[T]:
        run = None if self._registry is None else self._registry.track(self)
        through = self._through(nullcontext() if run is None else run)
        task = self._task = asyncio.create_task(through, name=f"eversince {self._name}")
        if run is not None:
            run.is_of(task)
        task.add_done_callback(self._over)
        return task

    async def _through(self, around: AbstractContextManager[object]) -> T:
        with around:
            gate, meanwhile = self._start_gate()
            if gate is not None:
                with meanwhile:
                    await gate
            return await self._execute()

    async def _completion(self) -> T:
        """Return the result of the workflow that runs or has run.

        If the last waiter is cancelled, end the running workflow.
        """
        if self._given_up is not None:
            raise copy_of(self._given_up)
        task = self._task
        assert task is not None
        if not task.done():
            self._need_this_loop(task)
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError as cancellation:
                if self._awaiters == 1:
                    await end_once(task)
                    cancellation.__context__ = None if task.cancelled() else task.exception()
                raise
        failure = None if task.cancelled() else task.exception()
        if isinstance(failure, Exception):
            raise copy_of(failure)
        if task.cancelled() or failure is not None:  # no Exception: the interpreter is to end
            # A bare `CancelledError` would look like the waiter's own cancellation.
            raise UnexpectedCancellation(self._name)
        return task.result()

    def _need_this_loop(self, task: asyncio.Task[T]) -> None:
        if task.get_loop() is not asyncio.get_running_loop():
            raise ConfigurationError(
                f"{self._name} was begun in another event loop and never ended there: resume it by its handle"
            )

    def _over(self, task: asyncio.Task[T]) -> None:
        """End the event stream.

        The workflow may have been cancelled before it began.
        """
        if self._events is not None:
            self._events.end()
        if self._awaited and not task.cancelled():
            task.exception()  # mark it as retrieved: all waiters may have stopped by now

    def _start_gate(self) -> StartGate:
        """Return the wait before this workflow begins."""
        return NO_WAIT

    def _execute(self) -> Coroutine[Any, Any, T]:
        """Run the workflow; subclasses without a `run` function override this."""
        assert self._run is not None
        return self._run(self)

    @property
    def has_listeners(self) -> bool:
        """True if the events are followed or listened to."""
        return self._events is not None or self._listener is not None

    @property
    def handle(self) -> Handle:
        """The handle that resumes this workflow, in this process or another.

        Give it to `eversince.resume()`.

        Raises:
            InvalidProjectState: The workflow has not begun, or cannot be resumed.
        """
        if self._handle is None:
            raise InvalidProjectState(f"{self._name} has nothing to resume (yet)", project_id=None)
        return self._handle if isinstance(self._handle, Handle) else self._handle()

    def set_handle(self, handle: Handle | Callable[[], Handle]) -> None:
        """Set the handle, or a function that returns it.

        Called by the running operation.
        """
        self._handle = handle

    def add_listener(self, listener: Callable[[Event], object]) -> None:
        """Set the callback that gets each event.

        Called by the running operation.
        """
        self._listener = listener

    def emit(self, event: Event) -> None:
        """Send an event to the listener and the stream.

        Called by the running operation.
        """
        if self._listener is not None:
            notify(self._listener, event)
        if self._events is not None:
            self._events.put(event)

    def _is_done(self) -> bool:
        return self._given_up is not None or (self._task is not None and self._task.done())

    def __del__(self) -> None:
        if not self._started:
            warnings.warn(
                f"{self._name} was never awaited, so nothing was done", RuntimeWarning, stacklevel=2
            )
