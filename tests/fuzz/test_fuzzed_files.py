"""Whatever became of a file that we wrote ourselves, what reads it back raises nothing but our errors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eversince_async import Eversince, EversinceError, Report
from eversince_async.emulator import Emulator, StateFileError
from eversince_async.journal import SqliteJournal
from eversince_async.orchestrator.handle import Handle
from eversince_async.testing import VirtualTimeLoop
from helpers.fuzz_data import Edit, bounded, documents, edited, edits, fuzzed, odd_text

pytestmark = pytest.mark.slow


def in_virtual_time(main: Callable[[], Awaitable[Any]]) -> Any:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main())  # type: ignore[arg-type]  # coroutine functions


# -- Journals ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole journal of a batch, with jobs, effects, notes and claims."""
    path = tmp_path_factory.mktemp("whole") / "journal.db"

    async def make() -> None:
        async with Emulator() as emulator, Eversince(**emulator.connection) as eversince:
            await eversince.batch([{"brief": "A mug", "share": True}, "A cup"], journal=path)

    in_virtual_time(make)
    return path


async def read_journal(path: Path) -> None:
    async with SqliteJournal(path) as journal:
        jobs = [job async for job in journal.jobs()]
        for job in jobs:
            await journal.effects(job.id)
        await journal.counts()
        await journal.open_creates()
        await journal.spent("create", datetime(2020, 1, 1, tzinfo=UTC))
        await Report.from_journal(journal)


def check_journal(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    with bounded(len(content), spare=64 * 2**20), suppress(EversinceError):
        in_virtual_time(lambda: read_journal(path))


@fuzzed(25)
@given(changes=edits(most=20))
def test_any_damage_to_a_journal_is_an_error_of_ours(
    changes: list[Edit], journal: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    check_journal(tmp_path_factory.mktemp("j") / "journal.db", edited(journal.read_bytes(), changes))


@fuzzed(10)
@given(st.binary(max_size=5000), st.booleans())
def test_any_file_in_place_of_a_journal_is_an_error_of_ours(
    tmp_path_factory: pytest.TempPathFactory, rest: bytes, begins_so: object
) -> None:
    content = (b"SQLite format 3\0" if begins_so else b"") + rest
    check_journal(tmp_path_factory.mktemp("j") / "journal.db", content)


# -- Handles ----------------------------------------------------------------------------------------------

HANDLE = {
    "key": "k",
    "project_id": "proj_1",
    "brief": {"brief": "A mug"},
    "render": "1080p",
    "share": {"title": "T", "description": None},
    "download": "a.mp4",
    "replaces": True,
}
names = st.sampled_from([*HANDLE, "title", "description", "on_cancel"])


@fuzzed(60)
@given(st.fixed_dictionaries({name: st.just(value) | documents(names, 5) for name, value in HANDLE.items()}))
def test_any_handle_is_taken_or_refused(plain: dict[str, Any]) -> None:
    with bounded(1000), suppress(EversinceError):
        handle = Handle.from_json(plain)
        assert isinstance(handle.key, str)
        json.dumps(handle.to_json())


@fuzzed(30)
@given(documents(names))
def test_anything_in_place_of_a_handle_is_refused(plain: Any) -> None:
    with bounded(1000), pytest.raises(EversinceError):
        Handle.from_json(plain)


@fuzzed(15)
@given(odd_text | documents(names) | st.binary())
def test_anything_to_resume_is_an_error_of_ours(what: Any) -> None:
    async def resume() -> None:
        async with Emulator() as emulator, Eversince(**emulator.connection) as eversince:
            with suppress(EversinceError):
                await eversince.resume(what)

    with bounded(1000, spare=64 * 2**20):
        in_virtual_time(resume)


# -- An emulator's state ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole state of an emulator that has made something."""
    path = tmp_path_factory.mktemp("whole") / "state.db"

    async def make() -> None:
        async with Emulator(state=path) as emulator, Eversince(**emulator.connection) as eversince:
            await eversince.produce("A mug")

    in_virtual_time(make)
    return path


async def start_emulator(path: Path) -> None:
    async with Emulator(state=path):
        pass


@fuzzed(25)
@given(changes=edits(most=20) | st.binary(max_size=2000))
def test_any_damage_to_a_state_is_an_error_that_says_so(
    changes: list[Edit] | bytes, state: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("s") / "state.db"
    content = changes if isinstance(changes, bytes) else edited(state.read_bytes(), changes)
    path.write_bytes(content)

    with bounded(len(content), spare=64 * 2**20), suppress(StateFileError):
        in_virtual_time(lambda: start_emulator(path))
