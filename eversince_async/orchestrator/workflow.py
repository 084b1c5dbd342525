"""`Workflow`: something long that is awaited, or followed while it runs."""

import asyncio
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

from eversince_async.errors import ConfigurationError, NotAllowedNow, UnexpectedCancellation, copy_of
from eversince_async.orchestrator.events import Event
from eversince_async.orchestrator.handle import Handle
from eversince_async.orchestrator.underway import Underway
from eversince_async.session.observers import tell
from eversince_async.streams import Stream
from eversince_async.tasks import end

T = TypeVar("T")

Emit = Callable[[Event], None]
"""Takes what there is to tell."""


Turn = tuple[Awaitable[object] | None, AbstractContextManager[object]]
"""One's turn to begin: what is awaited for it, if anything is, and what is held meanwhile."""

AT_ONCE: Final[Turn] = (None, nullcontext())
"""The turn of what may begin at once."""


class Workflow(Generic[T]):
    """Something long: await it for its result, or open it to follow its events.

    `await workflow` runs it in the awaiting task, so that cancellation and timeouts are the caller's.
    `async with workflow: async for event in workflow: …` runs it in a task of its own that ends with the
    block, and `await workflow` inside the block gives the result. It runs once; awaiting again gives the
    same result or error. Whoever awaits it while it runs elsewhere only listens. Cancelling it where it runs,
    e.g. the first who awaits it, ends it for all: the others get `UnexpectedCancellation`, and
    `eversince.resume(workflow.handle)` goes on with a production. Open it, or `eversince.start` it, to
    share it.
    """

    # Thousands of these wait at a time, most of them followed by nobody: so there is no dict, and what
    # following takes is made when somebody follows.
    __slots__ = (
        "__weakref__",
        "_awaited",
        "_events",
        "_handle",
        "_listener",
        "_name",
        "_outcome",
        "_run",
        "_started",
        "_task",
        "_underway",
    )

    def __init__(
        self,
        name: str,
        run: "Callable[[Workflow[T]], Coroutine[Any, Any, T]] | None" = None,
        underway: Underway | None = None,
    ) -> None:
        self._name = name
        self._run = run
        self._underway = underway
        self._handle: Handle | Callable[[], Handle] | None = None
        self._task: asyncio.Task[T] | None = None
        self._started = False
        self._outcome: asyncio.Future[T] | None = None
        self._events: Stream[Event] | None = None
        self._listener: Callable[[Event], object] | None = None
        self._awaited = False

    def __repr__(self) -> str:
        state = "not started" if not self._started else "done" if self._is_done() else "running"
        return f"<Workflow {self._name}, {state}>"

    def __await__(self) -> Generator[Any, None, T]:
        self._awaited = True
        running = self._again() if self._started else self._run_here()
        return running.__await__()

    async def __aenter__(self) -> Self:
        if self._started:
            raise ConfigurationError(f"{self._name} has been started already")
        self._events = Stream()
        self.start()
        return self

    def start(self) -> asyncio.Task[T]:
        """Run it in a task of its own; whoever calls this owns the task."""
        self._started = True
        self._task = asyncio.create_task(self._run_here(), name=f"eversince {self._name}")
        if self._events is not None:
            events = self._events
            self._task.add_done_callback(lambda _: events.end())
        return self._task

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

    async def _result(self) -> T:
        return await self

    async def _again(self) -> T:
        """The result of what runs or has run: the block cancels it, not whoever stops listening."""
        running = self._task or self._end()
        running.add_done_callback(_heard)
        await asyncio.wait([running])
        if running.cancelled():  # a bare CancelledError would pass for a cancellation of who listens
            raise UnexpectedCancellation(self._name)
        if (failure := running.exception()) is not None:
            raise copy_of(failure)
        return running.result()

    async def _run_here(self) -> T:
        self._started = True
        try:
            with nullcontext() if self._underway is None else self._underway.one(self):
                comes, meanwhile = self._turn()
                if comes is not None:
                    with meanwhile:
                        await comes
                result = await self._go()
        except asyncio.CancelledError:
            self._end().cancel()
            raise
        except Exception as error:
            self._end().set_exception(error)
            self._end().exception()  # retrieved: it is raised right here
            raise
        except GeneratorExit:  # its event loop has gone, and everybody who waited there
            raise
        except BaseException:  # the interpreter is to end, which is for nobody else to be told
            self._end().cancel()
            raise
        self._end().set_result(result)
        return result

    def _end(self) -> asyncio.Future[T]:
        """How it ends when it runs where it is awaited, for those who await it again."""
        if self._outcome is None:
            self._outcome = asyncio.get_running_loop().create_future()
        return self._outcome

    def _turn(self) -> Turn:
        """What has to come before it begins."""
        return AT_ONCE

    def _go(self) -> Coroutine[Any, Any, T]:
        """Begin; to be overridden by whoever gives no `run`."""
        assert self._run is not None
        return self._run(self)

    @property
    def is_followed(self) -> bool:
        """Whether somebody follows the events."""
        return self._events is not None or self._listener is not None

    @property
    def handle(self) -> Handle:
        """What takes this up again, in this process or another: `eversince.resume(handle)`.

        Raises:
            NotAllowedNow: It has not begun, or is nothing that can be resumed.
        """
        if self._handle is None:
            raise NotAllowedNow(f"{self._name} has nothing to resume (yet)", project_id=None)
        return self._handle if isinstance(self._handle, Handle) else self._handle()

    def resumes_by(self, handle: Handle | Callable[[], Handle]) -> None:
        """Say what the handle is, or where it comes from; called by what runs in here."""
        self._handle = handle

    def tells(self, listener: Callable[[Event], object]) -> None:
        """Tell one more of the events; called by what runs in here."""
        self._listener = listener

    def emit(self, event: Event) -> None:
        """Tell whoever follows; called by what runs in here."""
        if self._listener is not None:
            tell(self._listener, event)
        if self._events is not None:
            self._events.put(event)

    def _is_done(self) -> bool:
        running = self._task or self._outcome
        return running is not None and running.done()

    def __del__(self) -> None:
        if not self._started:
            warnings.warn(
                f"{self._name} was never awaited, so nothing was done", RuntimeWarning, stacklevel=2
            )


def _heard(running: "asyncio.Future[Any]") -> None:
    """Take note of how something ended: whoever awaited it has stopped, and is told of nothing."""
    if not running.cancelled():
        running.exception()
