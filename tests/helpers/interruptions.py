"""Cancelling at every place where a coroutine waits, one run for each, and what must be so afterwards."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from contextlib import contextmanager, nullcontext
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from eversince_async import Eversince, Limits, UnexpectedCancellation
from eversince_async.emulator import Emulator, Scenario
from eversince_async.orchestrator.workflow import Workflow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterator

    from eversince_async.journal import Journal

LONGEST_CLOSING = 40.0
"""Seconds within which a client has closed, whatever it was at."""

CHEAP = Scenario(queued=2, running=2, images=2, videos=2, rendering=2, cycles=1, scenes=(2, 2))


class When(Enum):
    """At which moment of a wait the cancellation comes."""

    WAITING = "while it waits"
    GRANTED = "in the instant in which what it waits for has come"
    ANYWHERE = "in the nth round of the event loop, whatever it and its helpers do then"
    TWICE = "likewise, and once more three rounds later, while it cleans up"


@attrs.define
class Interrupted:
    """A coroutine that is cancelled at the nth place where it waits; counted over all it calls.

    What a workflow does in a task of its own is among that, and then it is that task that is cancelled.
    """

    coroutine: Coroutine[Any, Any, Any]
    nth: int
    when: When
    waits: Iterator[int] = attrs.field(factory=lambda: itertools.count(1))

    def __await__(self) -> Generator[Any, Any, Any]:
        resume, value = self.coroutine.send, None
        while True:
            try:
                awaited = resume(value)
            except StopIteration as end:
                return end.value
            if next(self.waits) == self.nth:
                self._cancel(awaited)
            try:
                value = yield awaited
                resume = self.coroutine.send
            except BaseException as error:  # noqa: BLE001 - handed on to where it belongs
                value, resume = error, self.coroutine.throw

    def _cancel(self, awaited: asyncio.Future[Any] | None) -> None:
        task = asyncio.current_task()
        assert task is not None
        if awaited is None or self.when is When.WAITING:
            asyncio.get_running_loop().call_soon(task.cancel)
        else:  # called before the task's own wake-up, which is added when it gets the future
            awaited.add_done_callback(lambda _: task.cancel())


@attrs.define
class Scene:
    """One run: an emulator, a client, and what happened."""

    emulator: Emulator
    eversince: Eversince
    nth: int
    cancelled: bool = False
    project_id: str = ""
    notes: list[Any] = attrs.field(factory=list)

    @property
    def projects(self) -> list[Any]:
        return [project for project in self.emulator.world.projects.values() if not project.studio]


async def at_every_wait(
    act: Callable[[Scene], Coroutine[Any, Any, Any]],
    when: When,
    *,
    prepare: Callable[[Scene], Awaitable[None]] | None = None,
    limits: Limits | None = None,
    stride: int = 1,
    **emulated: Any,
) -> AsyncIterator[Scene]:
    """Run `act` again and again, cancelled one wait later each time, until it completes.

    Of a long story, `stride` takes only some of the waits, and others of them for each `when`.

    Yields each run with its client still open, then closes it and checks that nothing is left: no task, no
    slot, no connection, no handler of signals.
    """
    nth = list(When).index(when) % stride + 1 - stride
    loop, handler = asyncio.get_running_loop(), signal.getsignal(signal.SIGINT)
    while True:
        nth += stride
        async with Emulator(**{"scenario": CHEAP, **emulated}) as emulator:
            async with Eversince(**emulator.connection, limits=limits) as eversince:
                scene = Scene(emulator, eversince, nth)
                if prepare is not None:
                    await prepare(scene)
                scene.cancelled = await _is_cancelled(act(scene), nth, when)
                assert handler is signal.getsignal(signal.SIGINT), f"a handler left, cancelled at {nth}"
                yield scene
                _nothing_is_held(scene)
                if when is not When.TWICE:  # whose client is closed at once
                    await asyncio.sleep(100)
                    assert [] == _our_tasks(), f"tasks left while open, cancelled at {nth}"
                    _only_active_projects_have_slots(scene)
                closing_since = loop.time()
            assert loop.time() - closing_since < LONGEST_CLOSING, f"closing took long, cancelled at {nth}"
            assert [] == _our_tasks(), f"tasks left, cancelled at {nth}"
            assert eversince._transport._owned._session is None
            assert eversince._store._owned._session is None
        if not scene.cancelled:
            return


async def _is_cancelled(coroutine: Coroutine[Any, Any, Any], nth: int, when: When) -> bool:
    by_rounds = {When.ANYWHERE: (nth,), When.TWICE: (nth, nth + 3)}.get(when, ())

    interrupted = Interrupted(coroutine, nth, when)

    async def run() -> None:
        await (coroutine if by_rounds else interrupted)

    task = asyncio.create_task(run(), name="the interrupted")
    with nullcontext() if by_rounds else _workflows_too(interrupted), _cancelled_in_rounds(task, by_rounds):
        await asyncio.wait([task])
    coroutine.close()  # cancelled before it could begin
    if task.cancelled() or isinstance(task.exception(), UnexpectedCancellation):
        return True
    task.result()
    return False


@contextmanager
def _workflows_too(interrupted: Interrupted) -> Iterator[None]:
    """Have the workflows that begin meanwhile be interrupted as well."""
    whole: Any = Workflow._through

    async def through(workflow: Workflow[Any], *args: Any) -> Any:
        return await attrs.evolve(interrupted, coroutine=whole(workflow, *args))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Workflow, "_through", through)
        yield


@contextmanager
def _cancelled_in_rounds(task: asyncio.Task[None], nths: tuple[int, ...]) -> Iterator[None]:
    loop: Any = task.get_loop()
    turn, rounds = loop._run_once, itertools.count(1)

    def counted() -> None:
        if next(rounds) in nths:
            task.cancel()
        turn()

    loop._run_once = counted
    try:
        yield
    finally:
        del loop._run_once


def _nothing_is_held(scene: Scene) -> None:
    """No permit, no place in line, no lease that somebody still holds."""
    governor, where = scene.eversince.governor, f"cancelled at {scene.nth}"
    seen = governor.snapshot()
    assert () == seen.waits, where
    assert not [lease for lease in seen.slots.leases if lease.held], where


def _only_active_projects_have_slots(scene: Scene) -> None:
    """Once a list has shown what is active, nothing else has a slot; and no request is under way."""
    governor, where = scene.eversince.governor, f"cancelled at {scene.nth}"
    assert 0 == governor.snapshot().requests.in_flight, where
    active = {project.id for project in scene.projects if project.active}
    governor.observed_page(active, complete=True)
    leases = governor.snapshot().slots.leases
    assert {lease.project_id for lease in leases} <= active, where


def _our_tasks() -> list[str]:
    here = os.fspath(Path(__import__("eversince_async").__file__).parent)
    tasks = []
    for task in asyncio.all_tasks():
        code = getattr(task.get_coro(), "cr_code", None)
        file = "" if code is None else code.co_filename
        if file.startswith(here) and "emulator" not in file and not task.done():
            tasks.append(repr(task))
    return tasks


async def no_lease_is_left(journal: Journal, scene: Scene) -> None:
    """What was cancelled can be taken up again at once."""
    await journal.renew([])  # what gives a lease back that was granted in vain is written before this
    leased = [job.id async for job in journal.jobs() if job.lease_until is not None]
    assert [] == leased, f"cancelled at {scene.nth}"


def open_files(folder: Path) -> list[str]:
    """Files below a folder that this process has open; none where that cannot be seen."""
    try:
        numbers = os.listdir("/proc/self/fd")
    except OSError:
        return []
    found = []
    for number in numbers:
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except OSError:
            continue
        if target.startswith(os.fspath(folder)):
            found.append(target)
    return found
