"""Power cuts at any moment: nothing is done twice, nothing is lost.

This is the table of crash points as a test of the real code: a power cut at every moment of a piece of work,
then at pairs of moments, with responses that come late or never. A sample of these runs by default.
EVERSINCE_EVERY_CUT=1 runs every single cut, and as many pairs for each piece of work as its value says.
"""

from __future__ import annotations

import asyncio
import os
import random
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from eversince_async.emulator import Emulator, Scenario
from eversince_async.emulator.faults import Latency, NotJson, Reset, Stall
from eversince_async.errors import ProjectCancelled, ProjectFailed
from eversince_async.journal import MemoryJournal, SqliteJournal
from eversince_async.pipelines import Run, pipeline
from helpers.power_cuts import EARLY_PAGE, NEVER, Gateway, Plug, count_as_dead, live
from helpers.wall_clocks import set_clock, unmoved

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from eversince_async import Eversince
    from eversince_async.journal import Journal

pytestmark = pytest.mark.slow

EVERY = os.environ.get("EVERSINCE_EVERY_CUT")
PAIRS = int(EVERY or 0) if EVERY and EVERY != "1" else 0

QUICK = Scenario(queued=2, running=5, images=5, videos=5, rendering=10, cycles=1, scenes=(1, 1), reviews=1)
MUG = {"key": "mug", "brief": "A film about a mug"}
CUP = {"key": "cup", "brief": "Another about a cup"}

KINDS = {
    "none": [],
    "lost": [Reset(after_commit=True)],
    "never sent": [Reset()],
    "stalled": [Stall(after_commit=True)],
    "late": [Latency(seconds=20)],
    "answered late": [Latency(seconds=20, after_commit=True)],
    "page": [NotJson(status=403)],
    "page hides it": [NotJson(status=408, after_commit=True)],
    "page that would come again hides it": [NotJson(status=405, after_commit=True)],
    "one page after the other": [NotJson(status=429), NotJson(status=413, after_commit=True)],
    "nothing to read": [NotJson(status=204, body="", after_commit=True)],
    EARLY_PAGE: [Latency(seconds=20)],
}
SAID = "Make it blue"
WRITES = (
    "/projects",
    "/projects/*/messages",
    "/projects/*/render",
    "/projects/*/share",
    "/projects/*/cancel",
)


@attrs.frozen(kw_only=True)
class Work:
    """A piece of work to cut off, its expected result and servers."""

    act: Callable[[Eversince, Journal, Path], Awaitable[bool]]
    makes: dict[str, int]
    scenario: Callable[[], Scenario] = lambda: QUICK


def makes(projects: int, renders: int, shares: int, messages: int = 0) -> dict[str, int]:
    return {"projects": projects, "renders": renders, "shares": shares, "messages": messages}


def made(emulator: Emulator) -> dict[str, int]:
    counts, projects = emulator.world.counts, emulator.world.projects.values()
    said = sum(SAID == message["content"] for project in projects for message in project.messages)
    return makes(counts["projects"], counts["renders"], counts["shares"], said)


async def autonomous(eversince, journal, folder):
    """Make two items side by side."""
    report = await eversince.batch([MUG, CUP], journal=journal, download=folder, drain_on_interrupt=False)
    assert {"succeeded": 2} == report.counts, report.outcomes
    assert all(path.stat().st_size for outcome in report.outcomes for path in outcome.files)
    return True


def first_fails() -> Scenario:
    """Return a scenario in which the first project fails and others succeed."""
    keys: list[Any] = []

    def is_first(body: Any) -> bool:
        if body["brief"] == MUG["brief"]:
            keys.append(body["idempotency_key"])
        return bool(keys) and body.get("idempotency_key") == keys[0]

    return QUICK.when(is_first, failure=1.0)


async def failing_first(eversince, journal, folder):
    report = await eversince.batch([MUG], journal=journal, retry_failed=True, drain_on_interrupt=False)
    (outcome,) = report.outcomes
    assert outcome.status in {"succeeded", "failed"}, outcome
    if outcome.status == "failed":
        assert isinstance(outcome.error, ProjectFailed)
        assert 1 == outcome.attempts
    return outcome.status == "succeeded"


@pipeline
async def conversation(run: Run, folder: str) -> str:
    project_id = await run.create("A film about a mug", mode="collaborative")
    await run.settle(project_id)
    await run.send(project_id, SAID)
    production = await run.render_and_share(project_id, download=folder)
    return production.project_id


async def collaborative(eversince, journal, folder):
    project_id = await eversince.run(conversation, f"{folder}/", key="mug", journal=journal)
    assert (folder / f"{project_id}.mp4").stat().st_size
    return True


@pipeline
async def called_off(run: Run) -> str:
    project_id = await run.create("A film about a mug")
    await run.cancel(project_id)
    try:
        await run.settle(project_id)
    except ProjectCancelled as cancelled:
        return str(cancelled.project_id)
    raise AssertionError("it went on")


async def cancelled(eversince, journal, folder):
    assert await eversince.run(called_off, key="mug", journal=journal)
    return True


@pipeline
async def with_photo(run: Run, photo: str) -> str:
    reference = await run.upload(photo)
    production = await run.produce("A film about this mug", references=[reference])
    return str(production.share_url)


async def uploaded(eversince, journal, folder):
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    photo = folder / "mug.png"
    photo.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    assert await eversince.run(with_photo, str(photo), key="mug", journal=journal)
    return True


WORKS = {
    "autonomous": Work(act=autonomous, makes=makes(2, 2, 2)),
    "first fails": Work(act=failing_first, makes=makes(2, 1, 1), scenario=first_fails),
    "collaborative": Work(act=collaborative, makes=makes(1, 1, 1, 1)),
    "cancelled": Work(act=cancelled, makes=makes(1, 0, 0)),
    "uploaded": Work(act=uploaded, makes=makes(1, 1, 1)),
}


@attrs.frozen
class Cut:
    """Power cuts during a piece of work, with a network fault.

    `moments` are the cuts, and `pause` is the time before each restart. The wall clock is set by `step` after
    each life, and by `sets` at moments of the first life.
    """

    work: str
    kind: str
    pause: float
    moments: tuple[int, ...]
    step: float = 0.0
    sets: dict[int, float] = attrs.field(factory=dict)


async def suffered(cut: Cut, journal: Callable[[], Journal], folder: Path) -> list[Plug]:
    """Do a piece of work with cuts and check its counts.

    Returns the power plugs of all lives.
    """
    work, done = WORKS[cut.work], False

    async def act(eversince, journal):
        nonlocal done
        done = await work.act(eversince, journal, folder)

    lives: list[Plug] = []
    async with Emulator(scenario=work.scenario()) as emulator:
        for fault in KINDS[cut.kind]:
            for path in WRITES:
                emulator.faults.once("POST", path, fault)
        nths = iter(cut.moments)
        try:
            while not done:
                sets = {} if lives else cut.sets
                gateway = Gateway() if cut.kind == EARLY_PAGE and not lives else None
                lives.append(await live(emulator, journal(), next(nths, NEVER), act, sets, gateway))
                await asyncio.sleep(cut.pause)
                set_clock(cut.step)
                assert len(lives) < 8, "it comes to no end"
            assert work.makes == made(emulator)
        except BaseException as failure:
            failure.add_note(f"{cut} at {[plug.last for plug in lives]}: {made(emulator)}")
            raise
    return lives


def in_memory() -> Callable[[], Journal]:
    """Return journals that outlive the process, without waiting for a disk."""
    first = MemoryJournal()
    return lambda: MemoryJournal(first.tables)


@pytest.fixture(autouse=True)
def _cut_off_is_dead(monkeypatch):
    count_as_dead(monkeypatch)


async def lengths_of(work: str, kind: str, folder: Path) -> list[int]:
    """Return the number of moments in each life without cuts.

    There is one life unless something fails.
    """
    return [plug.moments for plug in await suffered(Cut(work, kind, 3.0, ()), in_memory(), folder)]


@pytest.mark.parametrize("work", WORKS)
async def test_single_cuts(work, tmp_path):
    """Cuts at every moment or a sample, with two restart times.

    By the later restart, everything that was on its way has arrived.
    """
    chance, every = random.Random(work), []
    for kind in KINDS:
        for life, length in enumerate(await lengths_of(work, kind, tmp_path / kind)):
            cuts = [(*[NEVER] * life, nth) for nth in range(1, length + 1)]
            every += [Cut(work, kind, pause, moments) for moments in cuts for pause in (3.0, 90.0)]
    cut_off = 0
    for number, cut in enumerate(every if EVERY else chance.sample(every, 20)):
        lives = await suffered(cut, in_memory(), tmp_path / str(number))
        cut_off += any(plug.pulled.is_set() for plug in lives)
    print(f"{work}: {cut_off} single cuts of {len(every)}")  # noqa: T201 - a figure to report
    assert cut_off


@pytest.mark.parametrize("work", WORKS)
async def test_pairs_of_cuts(work, tmp_path):
    """A sample of pairs, whose second cut is in the next life."""
    chance, cut_off = random.Random(f"{work} {EVERY}"), 0
    longest = max(await lengths_of(work, "lost", tmp_path / "uncut"))
    for number in range(PAIRS or 10):
        moments = chance.randint(1, longest), chance.randint(1, longest)
        cut = Cut(work, chance.choice(list(KINDS)), chance.choice([3.0, 30.0, 90.0]), moments)
        lives = await suffered(cut, in_memory(), tmp_path / str(number))
        cut_off += sum(plug.pulled.is_set() for plug in lives) > 1
    print(f"{work}: {cut_off} pairs of cuts")  # noqa: T201 - a figure to report


async def test_cuts_of_a_journal_in_a_file(tmp_path):
    """The file holds the same as memory does."""
    for nth in range(3, 40, 12):
        place = tmp_path / str(nth)
        place.mkdir()
        cut = Cut("autonomous", "lost", 3.0, (nth, 9))
        await suffered(cut, lambda place=place: SqliteJournal(place / "a.db"), place / "videos")


async def test_a_project_that_fails_while_the_process_is_down(tmp_path):
    """The failed project's key is free, so its brief identifies the project.

    It is not created again.
    """
    length, _ = await lengths_of("first fails", "none", tmp_path)
    for nth in range(1, length + 1, 1 if EVERY else 3):
        await suffered(Cut("first fails", "none", 300.0, (nth,)), in_memory(), tmp_path)


HOUR, DAY = 3600.0, 86400.0
STEPS = (HOUR, -HOUR, 30 * DAY, -30 * DAY)


@pytest.mark.parametrize("work", WORKS)
async def test_cuts_after_which_the_clock_is_set(work, tmp_path, monkeypatch):
    """The clock, set forward or back during the cut, remains wrong."""
    unmoved(monkeypatch)
    chance, cut_off, number = random.Random(f"{work} down {EVERY}"), 0, 0
    for step in STEPS:
        for _ in range(PAIRS or 5):
            kind, pause = chance.choice(list(KINDS)), chance.choice([3.0, 90.0])
            longest = max(await lengths_of(work, kind, tmp_path / f"uncut {number}"))
            cut = Cut(work, kind, pause, (chance.randint(1, longest), chance.randint(1, longest)), step)
            lives = await suffered(cut, in_memory(), tmp_path / str(number := number + 1))
            cut_off += lives[0].pulled.is_set()
    print(f"{work}: {cut_off} cuts with a clock set meanwhile")  # noqa: T201 - a figure to report
    assert cut_off


@pytest.mark.parametrize("work", WORKS)
async def test_clocks_that_are_set_while_something_is_written(work, tmp_path, monkeypatch):
    """The clock is set at two moments; a cut follows at another."""
    unmoved(monkeypatch)
    chance, number = random.Random(f"{work} meanwhile {EVERY}"), 0
    for step in STEPS:
        for _ in range(PAIRS or 5):
            kind, pause = chance.choice(list(KINDS)), chance.choice([3.0, 90.0])
            longest = max(await lengths_of(work, kind, tmp_path / f"uncut {number}"))
            first, second, third = (chance.randint(1, longest) for _ in range(3))
            cut = Cut(work, kind, pause, (third,), 0.0, {first: step, second: -2 * step})
            await suffered(cut, in_memory(), tmp_path / str(number := number + 1))
    print(f"{work}: {number} runs with a clock set meanwhile")  # noqa: T201 - a figure to report
