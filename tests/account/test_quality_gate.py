"""A refused quality is learned once, before more items are paid for.

There is a way to continue.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from eversince_async import Eversince, Forbidden, QualityRefused, SpecChanged
from eversince_async.account.entitlements import Entitlements
from eversince_async.emulator import Emulator, Scenario
from eversince_async.emulator.faults import ErrorAnswer
from eversince_async.orchestrator.events import StageStarted
from helpers.lagging_reads import refusing

QUICK = Scenario(
    queued=2, running=5, images=5, videos=5, rendering=10, cycles=1, scenes=(1, 1), self_render=0.0
)
FORBIDDEN = ErrorAnswer(status=403, code="forbidden", message="Not permitted")


@pytest.fixture
async def emulator():
    async with Emulator(scenario=QUICK, credits=10_000) as emulator:
        yield emulator


def made(emulator: Emulator) -> tuple[int, int]:
    return emulator.world.counts["projects"], emulator.world.counts["renders"]


def rows(count: int, render: str = "4k", first: int = 0) -> list[dict[str, str]]:
    return [{"key": f"{render}-{n}", "brief": f"Film {n}", "render": render} for n in range(first, count)]


async def test_one_project_is_paid_for_to_learn_that_4k_is_refused(emulator, eversince, tmp_path):
    report = await eversince.batch([*rows(10), *rows(3, "1080p")], journal=tmp_path / "a.db")

    assert {"succeeded": 3, "paused": 10} == report.counts
    assert (4, 3) == made(emulator)
    errors = [type(outcome.error) for outcome in report.outcomes if outcome.error]
    assert (1, 9) == (errors.count(Forbidden), errors.count(QualityRefused))


async def test_without_a_journal_the_client_remembers(emulator, eversince):
    await eversince.batch(rows(3))
    await eversince.batch(rows(3))
    with pytest.raises(QualityRefused, match="Pro"):
        await eversince.produce("A film", render="4k")

    assert (1, 0) == made(emulator)


async def test_a_journal_tells_another_process(emulator, tmp_path):
    async with Eversince(**emulator.connection) as eversince:
        await eversince.batch(rows(2), journal=tmp_path / "a.db")
    async with Eversince(**emulator.connection) as eversince:
        report = await eversince.batch(rows(9), journal=tmp_path / "a.db")

    assert {"paused": 9} == report.counts
    assert (1, 0) == made(emulator)


async def test_it_is_asked_for_again_after_a_day(emulator, eversince, tmp_path):
    await eversince.batch(rows(3), journal=tmp_path / "a.db")
    emulator.account.plan = "pro"
    await asyncio.sleep(24 * 3600 + 60)
    report = await eversince.batch(rows(3), journal=tmp_path / "a.db")

    assert {"succeeded": 3} == report.counts
    assert (3, 3) == made(emulator)


async def test_it_is_asked_for_again_on_request(emulator, eversince, tmp_path):
    await eversince.batch(rows(3), journal=tmp_path / "a.db")
    emulator.account.plan = "pro"
    report = await eversince.batch(rows(3), journal=tmp_path / "a.db", retry_failed=True)

    assert {"succeeded": 3} == report.counts


async def test_a_render_that_is_accepted_ends_the_refusal(emulator, eversince):
    with pytest.raises(Forbidden):
        await eversince.produce("A film", render="4k")
    emulator.account.plan = "pro"
    (project,) = (await eversince.projects.list()).projects
    await eversince.render(project.id, quality="4k")
    film = await eversince.produce("Another", render="4k")

    assert film.assembled_url


async def test_with_pro_the_first_goes_alone_and_the_rest_together(emulator, eversince):
    emulator.account.plan = "pro"
    seen: list[str] = []

    def heard(key: str, event: object) -> None:
        if isinstance(event, StageStarted):
            seen.append(event.stage)

    report = await eversince.batch(rows(6), on_event=heard)

    assert {"succeeded": 6} == report.counts
    until = seen.index("render")
    assert 1 == seen[:until].count("create")
    assert 4 <= seen[until + 1 :][: seen[until + 1 :].index("render")].count("create")


async def test_the_first_that_fails_otherwise_makes_room_for_the_next():
    async with (
        Emulator(scenario=QUICK.when("bad", failure=1.0), credits=1000, plan="pro") as emulator,
        Eversince(**emulator.connection) as eversince,
    ):
        report = await eversince.batch([{"brief": "bad", "render": "4k"}, *rows(4)])

    assert {"failed": 1, "succeeded": 4} == report.counts


async def test_projects_that_rendered_by_themselves_hold_up_nobody():
    """Such projects need no render, so they show nothing of the quality."""
    scenario = Scenario(queued=2, running=5, images=5, videos=5, rendering=10, cycles=1, self_render=1.0)
    async with (
        Emulator(scenario=scenario, credits=1000) as emulator,
        Eversince(**emulator.connection) as eversince,
    ):
        report = await eversince.batch(rows(4))

    assert {"succeeded": 4} == report.counts


async def test_draining_lets_go_of_those_that_wait(emulator, eversince):
    async with eversince.batch(rows(8)) as batch:
        await asyncio.sleep(3)
        batch.drain()
        outcomes = [outcome async for outcome in batch]

    assert 8 == len(outcomes)
    assert 1 == made(emulator)[0]
    assert "Pro" in str(batch.report.paused)


async def test_leaving_a_batch_lets_go_of_those_that_wait(emulator, eversince):
    async with eversince.batch(rows(8)):
        await asyncio.sleep(3)

    assert 1 == made(emulator)[0]
    assert not eversince._runtime.entitlements._waiting


async def test_a_403_on_1080p_holds_back_the_rest_of_that_run_alone(emulator, eversince, tmp_path):
    refusing(eversince, lambda method, path, body: path.endswith("/render") and FORBIDDEN)
    first = await eversince.batch(rows(14, "1080p"), journal=tmp_path / "a.db")
    before = made(emulator)[0]

    assert {"paused": 14} == first.counts
    assert before < 14

    async with Eversince(**emulator.connection) as eversince:
        report = await eversince.batch(rows(14, "1080p"), journal=tmp_path / "a.db")
    assert {"succeeded": 14} == report.counts


async def test_what_is_paid_for_is_finished_in_another_quality(emulator, eversince, tmp_path):
    await eversince.batch(rows(3), journal=tmp_path / "a.db")
    otherwise = [{**row, "render": "1080p"} for row in rows(3)]
    report = await eversince.batch(otherwise, journal=tmp_path / "a.db")
    again = await eversince.batch(otherwise, journal=tmp_path / "a.db")

    assert {"succeeded": 3} == report.counts == again.counts
    assert (3, 3) == made(emulator)


async def test_what_was_rendered_is_not_rendered_otherwise(emulator, eversince, tmp_path):
    await eversince.batch(rows(1, "1080p"), journal=tmp_path / "a.db")
    report = await eversince.batch([{**rows(1, "1080p")[0], "render": "4k"}], journal=tmp_path / "a.db")

    (outcome,) = report.outcomes
    assert isinstance(outcome.error, SpecChanged)


@pytest.mark.parametrize(
    "kept",
    [
        None,
        [],
        {},
        {"refused": {}, "granted": None},
        {"refused": {}, "granted": ["4k"]},
        {"refused": {}, "granted": {"4k": "soon"}},
        {"refused": {"4k": 1, "8k": {"at": "soon", "message": "x"}}, "granted": {"4k": 1}},
        {"refused": {"4k": {"at": "2026-01-01T00:00:00", "message": "x"}}, "granted": {}},
    ],
    ids=str,
)
def test_an_odd_note_is_no_refusal(kept):
    known = Entitlements()
    known.learn(kept)

    assert known.refusal("4k") is None
    assert not known.is_granted("4k")


@pytest.mark.parametrize("hours", [-2, 25])
def test_a_note_of_another_day_is_no_refusal(hours):
    known = Entitlements()
    at = datetime.now().astimezone() - timedelta(hours=hours)
    known.learn(
        {"refused": {"4k": {"at": at.isoformat(), "message": "x"}}, "granted": {"8k": at.isoformat()}}
    )

    assert known.refusal("4k") is None
    assert not known.is_granted("8k")
