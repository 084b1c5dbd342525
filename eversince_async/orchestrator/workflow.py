"""`Workflow`: something long that is awaited, or followed while it runs."""

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
"""Takes what there is to tell."""


StartGate = tuple[Awaitable[object] | None, AbstractContextManager[object]]
"""One's turn to begin: what is awaited for it, if anything is, and what is held meanwhile."""

NO_WAIT: Final[StartGate] = (None, nullcontext())
"""The turn of what may begin at once."""


class Workflow(Generic[T]):
    """Something long: await it for its result, or open it to follow its events.

    Any number may await it, at the same time or later, and get the same result or error: it runs once.
    Cancelling one who awaits it, e.g. by a timeout, ends that wait alone as long as others still wait; when
    the last is cancelled, the workflow ends before that await does, and whoever awaits it again gets
    `UnexpectedCancellation`; `eversince.resume(workflow.handle)` goes on with a production. `async with
    workflow: async for event in workflow: …` runs it until the end of the block, and `await workflow` inside
    the block gives the result.
    """

    # Thousands of these wait at a time, most of them followed by nobody: so there is no dict, and what
    # following takes is made when somebody follows.
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
        self._awaiters = 0  # whoever starts it is one, so that none of the others ends it
        self._given_up: Exception | None = None  # before its turn had come
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
        """Run it in a task of its own; whoever calls this owns the task.

        Raises:
            ConfigurationError: It has been started already.
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
            raise failure  # nobody asked how it ended, and it ended badly
        exc.add_note(f"The {self._name} had failed as well: {failure!r}")

    def __aiter__(self) -> AsyncIterator[Event]:
        """The events, until the workflow ends; how it ended is what awaiting it says.

        A step that is cancelled, e.g. by a timeout, loses no event: the next one goes on.
        """
        if self._events is None:
            raise ConfigurationError(f"open {self._name} with `async with` to follow its events")
        return self._events

    async def _get_result(self) -> T:
        """Wait for one's turn, unless it runs or has run, and then for the end, with all who await it.

        Whoever waits for the turn does that for himself: several stand in line side by side, and the first
        whose turn comes has it begin.
        """
        self._started = True
        self._awaiters += 1
        try:
            if self._task is None and self._given_up is None:
                comes, meanwhile = self._start_gate()
                if comes is not None:
                    with self._around(), meanwhile:
                        await comes
                        self._begin_once()  # before the client takes this one for over
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
        """One who awaits it stops; where nobody else does and it has not begun, it never will."""
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
            comes, meanwhile = self._start_gate()
            if comes is not None:
                with meanwhile:
                    await comes
            return await self._execute()

    async def _completion(self) -> T:
        """The result of what runs or has run; ends what runs, if the last who awaits it is cancelled."""
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
        if task.cancelled() or failure is not None:  # or the interpreter is to end, which its loop tells
            raise UnexpectedCancellation(self._name)  # a bare one would pass for that of whoever awaits
        return task.result()

    def _need_this_loop(self, task: asyncio.Task[T]) -> None:
        if task.get_loop() is not asyncio.get_running_loop():
            raise ConfigurationError(
                f"{self._name} was begun in another event loop and never ended there: resume it by its handle"
            )

    def _over(self, task: asyncio.Task[T]) -> None:
        """It has ended, perhaps cancelled before it could begin."""
        if self._events is not None:
            self._events.end()
        if self._awaited and not task.cancelled():
            task.exception()  # heard of: whoever awaited it may have stopped, and is told of nothing

    def _start_gate(self) -> StartGate:
        """What has to come before it begins."""
        return NO_WAIT

    def _execute(self) -> Coroutine[Any, Any, T]:
        """Begin; to be overridden by whoever gives no `run`."""
        assert self._run is not None
        return self._run(self)

    @property
    def has_listeners(self) -> bool:
        """Whether somebody follows the events."""
        return self._events is not None or self._listener is not None

    @property
    def handle(self) -> Handle:
        """What takes this up again, in this process or another: `eversince.resume(handle)`.

        Raises:
            InvalidProjectState: It has not begun, or is nothing that can be resumed.
        """
        if self._handle is None:
            raise InvalidProjectState(f"{self._name} has nothing to resume (yet)", project_id=None)
        return self._handle if isinstance(self._handle, Handle) else self._handle()

    def set_handle(self, handle: Handle | Callable[[], Handle]) -> None:
        """Say what the handle is, or where it comes from; called by what runs in here."""
        self._handle = handle

    def add_listener(self, listener: Callable[[Event], object]) -> None:
        """Tell one more of the events; called by what runs in here."""
        self._listener = listener

    def emit(self, event: Event) -> None:
        """Tell whoever follows; called by what runs in here."""
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
