"""Every asynchronous iterator of the API goes on after a timeout around one step, and loses nothing."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import itertools
import pkgutil
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

import eversince_async
from eversince_async import Eversince, WebhookReceiver
from eversince_async.emulator import Emulator, Scenario
from eversince_async.emulator.faults import Faults
from eversince_async.journal import MemoryJournal, SqliteJournal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable
    from pathlib import Path


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    scenario = Scenario(walk={"queued": 1, "running": 5}, rendering=5)
    async with Emulator(scenario=scenario, faults=Faults(latency=0.4)) as emulator:
        yield emulator


@asynccontextmanager
async def a_batch(eversince: Eversince, _: Path) -> AsyncGenerator[AsyncIterator[Any], None]:
    async with eversince.batch(["One", "Two", "Three"], share=False) as batch:
        yield _Named(batch, lambda outcome: outcome.key)


@asynccontextmanager
async def a_workflow(eversince: Eversince, _: Path) -> AsyncGenerator[AsyncIterator[Any], None]:
    async with eversince.produce("A film", share=False) as workflow:
        yield _Named(aiter(workflow), lambda event: type(event).__name__)


@asynccontextmanager
async def a_watch(eversince: Eversince, _: Path) -> AsyncGenerator[AsyncIterator[Any], None]:
    project = await eversince.projects.create("A film")
    async with eversince.watch(project.id) as watch:
        yield _Named(aiter(watch), lambda event: type(event).__name__)


@asynccontextmanager
async def a_conversation(eversince: Eversince, _: Path) -> AsyncGenerator[AsyncIterator[Any], None]:
    async with eversince.converse("A film") as conversation:
        yield _Named(conversation, lambda turn: (turn.number, turn.message))


@asynccontextmanager
async def pages_of_projects(eversince: Eversince, __: Path) -> AsyncGenerator[AsyncIterator[Any], None]:
    if not (await eversince.projects.list()).projects:
        for _ in range(3):
            await eversince.projects.create("A film")
    yield _Named(eversince.projects.iter(), lambda project: project.id)


@asynccontextmanager
async def pages_of_messages(eversince: Eversince, _: Path) -> AsyncGenerator[AsyncIterator[Any], None]:
    project = await eversince.wait((await eversince.projects.create("A film")).id)
    yield _Named(eversince.messages.iter(project.id, markers=True), lambda message: message.role)


@asynccontextmanager
async def jobs_of_a_file(_: Eversince, folder: Path) -> AsyncGenerator[AsyncIterator[Any], None]:
    async with SqliteJournal(folder / "j.db") as journal:
        for number in range(3):
            await journal.put(str(number), {"brief": "A film"})
        yield _Named(journal.jobs(), lambda job: job.id)


@asynccontextmanager
async def jobs_in_memory(_: Eversince, __: Path) -> AsyncGenerator[AsyncIterator[Any], None]:
    async with MemoryJournal() as journal:
        for number in range(3):
            await journal.put(str(number), {"brief": "A film"})
        yield _Named(journal.jobs(), lambda job: job.id)


@asynccontextmanager
async def webhooks(_: Eversince, __: Path) -> AsyncGenerator[AsyncIterator[Any], None]:
    receiver = WebhookReceiver(allow_unsigned=True)
    events = receiver.events()

    async def post() -> None:
        for number in range(3):
            await asyncio.sleep(0.5)
            receiver.receive({}, b'{"id": "proj_%d", "event": "status", "status": "idle"}' % number)
        receiver.close()

    posting = asyncio.create_task(post())
    try:
        yield _Named(events, lambda event: event.id)
    finally:
        await asyncio.wait([posting])


class _Named:
    """Passes the steps on to an iterator; gives what is the same in each run of each item."""

    def __init__(self, items: Any, name: Callable[[Any], Any]) -> None:
        self._items = aiter(items)
        self._name = name

    def __aiter__(self) -> _Named:
        return self

    async def __anext__(self) -> Any:
        return self._name(await anext(self._items))


ALL = [
    a_batch,
    a_workflow,
    a_watch,
    a_conversation,
    pages_of_projects,
    pages_of_messages,
    jobs_of_a_file,
    jobs_in_memory,
    webhooks,
]


async def steps(items: AsyncIterator[Any], *patience: float) -> list[Any]:
    """All items, with so much patience for one step after another."""
    found: list[Any] = []
    for seconds in itertools.cycle(patience):
        try:
            async with asyncio.timeout(seconds):
                found.append(await anext(items))
        except TimeoutError:
            continue
        except StopAsyncIteration:
            break
    return found


@pytest.mark.parametrize("opened", ALL, ids=lambda opened: opened.__name__)
async def test_it_goes_on_after_timeouts(
    emulator: Emulator, eversince: Eversince, tmp_path: Path, opened: Any
) -> None:
    """Some timeouts strike while a request is under way, and some between requests."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    async with opened(eversince, tmp_path / "a") as items:
        whole = await steps(items, 10_000)
    async with opened(eversince, tmp_path / "b") as items:
        cut = await steps(items, 0.2, 0.7, 2.0)

    assert sorted(map(str, whole)) == sorted(map(str, cut)) != []


@pytest.mark.parametrize("opened", [a_batch, a_workflow, jobs_of_a_file], ids=lambda each: each.__name__)
async def test_it_is_over_once_it_has_ended(eversince: Eversince, tmp_path: Path, opened: Any) -> None:
    async with opened(eversince, tmp_path) as items:
        await steps(items, 10_000)

        assert [] == await steps(items, 10_000)


def test_no_public_iterator_is_an_async_generator() -> None:
    """Which would be over after the first step that is cancelled."""
    found = []
    for module in pkgutil.walk_packages(eversince_async.__path__, "eversince_async."):
        if "emulator" in module.name or "cli" in module.name or module.name.endswith(("__main__", "plugin")):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if inspect.isclass(value) and not name.startswith("_") and value.__module__ == module.name:
                found += [
                    f"{module.name}.{name}.{method}"
                    for method, function in vars(value).items()
                    if inspect.isasyncgenfunction(function)
                ]

    assert [] == [each for each in found if each.rpartition(".")[2] not in {"chunks"}]
