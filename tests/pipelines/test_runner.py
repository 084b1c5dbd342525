"""A pipeline runs once under its key, in all circumstances."""

from __future__ import annotations

import asyncio

import attrs
import pytest

from eversince_async import (
    ConfigurationError,
    Eversince,
    InsufficientCredits,
    Production,
    ProjectFailed,
    RecordedFailure,
    RenderProducedNothing,
    Run,
    SpecChanged,
    StepCompleted,
    pipeline,
)
from eversince_async.emulator import Emulator
from eversince_async.journal import MemoryJournal, SqliteJournal
from helpers.pipeline_runs import QUICK, Campaign, campaign, counts, one_film, question


@pipeline
async def stumbling(run: Run) -> None:
    await run.produce("A film")
    raise KeyError("mug")


@pipeline
async def resting(run: Run, tries: list[int]) -> int:
    tries.append(0)
    await run.sleep(3600)
    return len(tries)


async def test_it_gives_what_the_function_returns(emulator, eversince, journal, photo):
    async def approve():
        while not await eversince.approvals(journal=journal):
            await asyncio.sleep(60)
        await eversince.approve("mug", journal=journal)

    approving = asyncio.create_task(approve())
    made = await eversince.run(campaign, "Launch film", photo, key="mug", journal=journal)
    await approving

    assert isinstance(made, Campaign)
    assert made.vertical.share_url not in {None, made.master.share_url}
    assert ["16:9", "9:16"] == [
        render.aspect_ratio for render in emulator.world.projects[made.master.project_id].rendered
    ]


async def test_once_it_is_over_the_same_is_given_without_a_request(emulator, eversince, journal):
    first = await eversince.run(one_film, "A film", key="mug", journal=journal)
    emulator.world.log.clear()

    again = await eversince.run(one_film, "A film", key="mug", journal=journal)

    assert 0 == len(emulator.world.log)
    assert (first.project_id, first.share) == (again.project_id, again.share)


async def test_another_process_gets_the_same(emulator, eversince, journal):
    first = await eversince.run(one_film, "A film", key="mug", journal=journal)

    async with Eversince(**emulator.connection) as other:
        again = await other.run(one_film, brief="A film", key="mug", journal=journal)

    assert first.project_id == again.project_id


async def test_other_arguments_under_its_key_are_refused_at_once(emulator, eversince, journal):
    await eversince.run(one_film, "A film", key="mug", journal=journal)
    emulator.world.log.clear()

    with pytest.raises(SpecChanged, match=r'arguments\.brief: "A film", now "Another"; use another key'):
        await eversince.run(one_film, "Another", key="mug", journal=journal)
    assert 0 == len(emulator.world.log)


async def test_another_version_of_it_is_refused_at_once(eversince, journal):
    await eversince.run(one_film, "A film", key="mug", journal=journal)
    second = pipeline(name="one_film", version="2")(one_film.function)

    with pytest.raises(SpecChanged, match='version: "1", now "2"'):
        await eversince.run(second, "A film", key="mug", journal=journal)


async def test_a_failure_of_the_functions_own_is_raised_again_as_what_is_remembered_of_it(
    emulator, eversince, journal
):
    with pytest.raises(KeyError):
        await eversince.run(stumbling, key="mug", journal=journal)
    emulator.world.log.clear()

    with pytest.raises(RecordedFailure, match="KeyError: 'mug'") as raised:
        await eversince.run(stumbling, key="mug", journal=journal)

    assert "retry_failed=True" in raised.value.__notes__[0]
    assert 0 == len(emulator.world.log)


async def test_a_failure_of_a_production_is_raised_again_as_it_was(journal):
    async with (
        Emulator(scenario=attrs.evolve(QUICK, failure=1.0)) as emulator,
        Eversince(**emulator.connection) as eversince,
    ):
        with pytest.raises(ProjectFailed) as first:
            await eversince.run(one_film, "A film", key="mug", journal=journal)
        with pytest.raises(ProjectFailed) as again:
            await eversince.run(one_film, "A film", key="mug", journal=journal)

    assert str(first.value) == str(again.value)
    assert 1 == emulator.world.counts["projects"]


async def test_what_failed_is_tried_again_when_that_is_wished(journal):
    scenario = attrs.evolve(QUICK, failure=1.0)
    async with Emulator(scenario=scenario) as emulator, Eversince(**emulator.connection) as eversince:
        with pytest.raises(ProjectFailed):
            await eversince.run(one_film, "A film", key="mug", journal=journal)
        emulator.world.life.scenario = attrs.evolve(scenario, failure=0.0)

        film = await eversince.run(one_film, "A film", key="mug", journal=journal, retry_failed=True)

    assert film.share_url is not None
    assert 2 == emulator.world.counts["projects"]


async def test_what_is_done_stays_done_when_the_rest_is_tried_again(emulator, eversince, journal):
    with pytest.raises(KeyError):
        await eversince.run(stumbling, key="mug", journal=journal)

    with pytest.raises(KeyError):
        await eversince.run(stumbling, key="mug", journal=journal, retry_failed=True)

    assert 1 == emulator.world.counts["projects"]


async def test_what_can_be_bought_is_no_failure_of_the_run(journal):
    async with Emulator(scenario=QUICK, credits=0) as emulator, Eversince(**emulator.connection) as eversince:
        with pytest.raises(InsufficientCredits) as raised:
            await eversince.run(one_film, "A film", key="mug", journal=journal)
        emulator.world.account.credits = 1000.0

        film = await eversince.run(one_film, "A film", key="mug", journal=journal)

    assert raised.value.packages
    assert film.share_url is not None


async def test_two_at_a_time_are_one(emulator, eversince, journal):
    """The second run waits for the outcome of the first."""
    async with Eversince(**emulator.connection) as other:
        films = await asyncio.gather(
            eversince.run(one_film, "A film", key="mug", journal=journal),
            other.run(one_film, "A film", key="mug", journal=journal),
        )

    assert films[0].project_id == films[1].project_id
    assert {"projects": 1, "renders": 1, "shares": 1} == counts(emulator)


async def test_two_processes_are_one(emulator, eversince, journal):
    """The waiting process takes over when the other stops.

    Each has a journal of its own over the same file.
    """
    async with SqliteJournal(journal) as here, SqliteJournal(journal) as there:
        first = asyncio.create_task(_made(eversince, here))
        await asyncio.sleep(10)
        second = asyncio.create_task(_made(eversince, there))
        await asyncio.sleep(10)
        first.cancel()
        film = await second

    assert film.share_url is not None
    assert {"projects": 1, "renders": 1, "shares": 1} == counts(emulator)


async def _made(eversince: Eversince, journal: SqliteJournal) -> Production:
    return await eversince.run(one_film, "A film", key="mug", journal=journal)


async def test_without_a_journal_the_usual_file_is_taken(eversince, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EVERSINCE_JOURNAL", raising=False)
    await eversince.run(resting, [], key="mug")

    assert (tmp_path / "eversince.db").exists()


async def test_the_environment_may_name_the_usual_file(eversince, tmp_path, monkeypatch):
    monkeypatch.setenv("EVERSINCE_JOURNAL", str(tmp_path / "ours.db"))
    await eversince.run(resting, [], key="mug")

    assert (tmp_path / "ours.db").exists()


async def test_an_open_journal_stays_open(eversince):
    async with MemoryJournal() as journal:
        await eversince.run(resting, [], key="mug", journal=journal)

        assert "succeeded" == (await journal.load("mug")).stage


async def test_one_file_is_opened_once_for_all_that_run_in_it(eversince, journal):
    from eversince_async.journal import opening

    runs = [asyncio.ensure_future(_slept(eversince, journal, str(key))) for key in range(20)]
    await asyncio.sleep(60)
    opened = len(opening._open)
    await asyncio.gather(*runs)

    assert 1 == opened
    assert {} == opening._open


async def _slept(eversince: Eversince, journal: object, key: str) -> int:
    return await eversince.run(resting, [], key=key, journal=journal)


async def test_its_events_can_be_followed(eversince, journal):
    async with eversince.run(one_film, "A film", key="mug", journal=journal) as workflow:
        ended = [event async for event in workflow if isinstance(event, StepCompleted)]

    assert [("produce", False)] == [(event.step, event.replayed) for event in ended]


async def test_a_client_that_closes_ends_it_and_another_goes_on(emulator, journal):
    from eversince_async import ClientClosed

    eversince = Eversince(**emulator.connection)
    running = asyncio.ensure_future(_started(eversince, journal))
    await asyncio.sleep(10)
    await eversince.aclose()
    with pytest.raises(ClientClosed):
        await running

    async with Eversince(**emulator.connection) as other:
        await other.run(one_film, "A film", key="mug", journal=journal)
    assert 1 == emulator.world.counts["projects"]


async def _started(eversince: Eversince, journal: object) -> Production:
    return await eversince.run(one_film, "A film", key="mug", journal=journal)


async def test_arguments_it_does_not_take_are_refused_as_by_a_call(emulator, eversince, journal):
    with pytest.raises(TypeError, match="missing a required argument: 'brief'"):
        await eversince.run(one_film, key="mug", journal=journal)
    assert 0 == len(emulator.world.log)


async def test_what_is_no_pipeline_is_not_run(eversince):
    with pytest.raises(ConfigurationError, match="is no pipeline: put @pipeline above"):
        eversince.run(question.function, key="mug")


async def test_an_empty_key_is_none(eversince):
    with pytest.raises(ConfigurationError, match="needs a key"):
        eversince.run(question, key="")


async def test_a_render_without_a_video_is_tried_again_on_the_same_project(
    emulator, eversince, journal, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(type(emulator.world.life), "_complete_render", lambda *_: None)
        with pytest.raises(RenderProducedNothing):
            await eversince.run(one_film, "A film", key="mug", journal=journal)

    film = await eversince.run(one_film, "A film", key="mug", journal=journal, retry_failed=True)

    assert film.share_url is not None
    assert 2 == len(emulator.world.log.of("POST /projects/:id/render"))
    assert 1 == emulator.world.counts["projects"]


async def test_a_forced_render_without_a_new_video_is_tried_again(emulator, eversince, journal, monkeypatch):
    """No run takes the old video for the new one."""
    with monkeypatch.context() as patch:
        patch.setattr(type(emulator.world.life), "_complete_render", _only_once(emulator))
        with pytest.raises(RenderProducedNothing):
            await eversince.run(rendered_anew, key="mug", journal=journal)

    film = await eversince.run(rendered_anew, key="mug", journal=journal, retry_failed=True)

    assert film.assembled_url is not None
    assert 3 == len(emulator.world.log.of("POST /projects/:id/render"))


def _only_once(emulator: Emulator) -> object:
    whole, times = type(emulator.world.life)._complete_render, iter([True])

    def rendered(life: object, *args: object) -> object:
        return whole(life, *args) if next(times, False) else None

    return rendered


@pipeline
async def rendered_anew(run: Run) -> Production:
    film = await run.produce("A film", share=False)
    return await run.render(film, force=True)
