"""Effects in doubt: nothing is guessed, a person decides, the batch resumes."""

from __future__ import annotations

import asyncio

import pytest

from eversince_async import Eversince, InDoubt, JournalError
from eversince_async.batch.credit_reserve import CreditReserve
from eversince_async.emulator import Emulator, Scenario
from eversince_async.emulator.faults import Reset, Unavailable
from eversince_async.journal import SqliteJournal

QUICK = Scenario(queued=2, running=5, images=5, videos=5, rendering=10, cycles=1, scenes=(1, 1))
FAILING = Scenario(queued=1, running=1, images=1, videos=1, cycles=1, failure=1.0)


@pytest.fixture
async def emulator():
    async with Emulator(scenario=QUICK.when("fails", failure=1.0)) as emulator:
        yield emulator


async def shared_by_two(emulator, eversince, journal):
    """A share without a response, just after another user shared another video."""
    async with Eversince(**emulator.connection) as somebody:
        await somebody.produce("Something else")
    emulator.faults.once("POST", "/projects/*/share", Reset(after_commit=True))
    report = await eversince.batch([{"key": "mug", "brief": "A mug"}], journal=journal)
    return report.outcomes[0]


async def test_a_share_that_may_be_one_of_two_is_for_a_person(emulator, eversince, tmp_path):
    outcome = await shared_by_two(emulator, eversince, tmp_path / "a.db")

    assert "paused" == outcome.status
    assert isinstance(outcome.error, InDoubt)
    assert ("mug", "share") == (outcome.error.key, outcome.error.effect)
    assert 2 == len(outcome.error.candidates)
    assert all(url in str(outcome.error) for url in outcome.error.candidates)
    async with SqliteJournal(tmp_path / "a.db") as journal:
        assert "in_doubt" == (await journal.effect("mug", "share")).state


async def test_the_batch_goes_on_with_what_a_person_has_found(emulator, eversince, tmp_path):
    error = (await shared_by_two(emulator, eversince, tmp_path / "a.db")).error

    await eversince.decide("mug", error.candidates[1], journal=tmp_path / "a.db")
    report = await eversince.batch([{"key": "mug", "brief": "A mug"}], journal=tmp_path / "a.db")

    assert {"succeeded": 1} == report.counts
    assert error.candidates[1] == report.outcomes[0].share_url
    assert 2 == emulator.world.counts["shares"]


async def test_the_batch_does_again_what_a_person_has_not_found(emulator, eversince, tmp_path):
    error = (await shared_by_two(emulator, eversince, tmp_path / "a.db")).error

    await eversince.decide("mug", None, effect="share", journal=tmp_path / "a.db")
    report = await eversince.batch([{"key": "mug", "brief": "A mug"}], journal=tmp_path / "a.db")

    assert report.outcomes[0].share_url not in error.candidates
    assert 3 == emulator.world.counts["shares"]


async def test_undecided_it_is_looked_at_again_and_nothing_is_repeated(emulator, eversince, tmp_path):
    await shared_by_two(emulator, eversince, tmp_path / "a.db")

    report = await eversince.batch([{"key": "mug", "brief": "A mug"}], journal=tmp_path / "a.db")

    assert isinstance(report.outcomes[0].error, InDoubt)
    assert 2 == emulator.world.counts["shares"]


async def test_one_in_doubt_holds_up_no_other(emulator, eversince, tmp_path):
    await shared_by_two(emulator, eversince, tmp_path / "a.db")

    report = await eversince.batch([{"key": "cup", "brief": "A cup"}], journal=tmp_path / "a.db")

    assert {"succeeded": 1} == report.counts


async def test_nothing_is_decided_that_is_not_in_doubt(eversince, tmp_path):
    await eversince.batch([{"key": "mug", "brief": "A mug"}], journal=tmp_path / "a.db")

    with pytest.raises(JournalError, match="not in doubt"):
        await eversince.decide("mug", None, journal=tmp_path / "a.db")


async def test_no_share_is_made_while_an_older_one_of_the_journal_is_in_doubt(emulator, eversince, tmp_path):
    """The first item gives up; the next resolves the doubt before sharing."""
    emulator.faults.once("POST", "/projects/*/share", Reset(after_commit=True))
    emulator.faults.once("GET", "/account/shares", Unavailable(), times=4)
    making = asyncio.ensure_future(
        eversince.batch([{"key": "mug", "brief": "A mug"}], journal=tmp_path / "a.db")
    )
    while not emulator.world.counts["shares"]:
        await asyncio.sleep(0.1)
    emulator.faults.error_503 = 1.0
    assert {"paused": 1} == (await making).counts
    emulator.faults.error_503 = 0.0

    report = await eversince.batch([{"key": "cup", "brief": "A cup"}], journal=tmp_path / "a.db")

    assert {"succeeded": 1} == report.counts
    async with SqliteJournal(tmp_path / "a.db") as journal:
        known = [(await journal.effect(key, "share")).result["share_url"] for key in ("mug", "cup")]
        assert "adopted" == (await journal.effect("mug", "share")).state
    assert 2 == len(set(known)) == emulator.world.counts["shares"]


# -- Projects that failed before their create was answered ----------------------------------------------


@pytest.mark.parametrize("with_journal", [True, False])
async def test_a_create_whose_project_failed_before_the_resend_is_not_made_again(with_journal, tmp_path):
    async with Emulator(scenario=FAILING) as emulator, Eversince(**emulator.connection) as eversince:
        emulator.faults.once("POST", "/projects", Reset(after_commit=True))

        report = await eversince.batch(["fails"], journal=tmp_path / "a.db" if with_journal else None)

    assert {"failed": 1} == report.counts
    assert 1 == emulator.world.counts["projects"]
    assert report.outcomes[0].project_id is not None


async def test_two_creates_of_one_brief_take_a_failed_project_each(tmp_path):
    async with Emulator(scenario=FAILING) as emulator, Eversince(**emulator.connection) as eversince:
        for _ in range(2):
            emulator.faults.once("POST", "/projects", Reset(after_commit=True))

        report = await eversince.batch(["fails", "fails"], journal=tmp_path / "a.db")

    assert {"failed": 2} == report.counts
    assert 2 == emulator.world.counts["projects"]
    assert 2 == len({outcome.project_id for outcome in report.outcomes})


async def test_one_failed_project_that_may_be_of_either_create_is_for_a_person(tmp_path, monkeypatch):
    """One create arrived and failed, and the other's fate is unknown.

    Their briefs are the same.
    """
    monkeypatch.setattr(
        CreditReserve, "_must_wait", lambda *_: False
    )  # both are sent at once, as later ones are
    async with Emulator(scenario=FAILING) as emulator, Eversince(**emulator.connection) as eversince:
        emulator.faults.once("POST", "/projects", Reset(after_commit=True))
        emulator.faults.once("POST", "/projects", Reset())

        report = await eversince.batch(["fails", "fails"], journal=tmp_path / "a.db")

        assert {"paused": 2} == report.counts
        assert 1 == emulator.world.counts["projects"]
        (made,) = report.outcomes[0].error.candidates
        await eversince.decide("1", made, journal=tmp_path / "a.db")
        await eversince.decide("2", None, journal=tmp_path / "a.db")
        report = await eversince.batch(["fails", "fails"], journal=tmp_path / "a.db")

    assert {"failed": 2} == report.counts
    assert 2 == emulator.world.counts["projects"]


async def test_other_creates_of_a_like_brief_take_nothing_from_one_another(tmp_path):
    """Lists show 200 characters of a brief, so two may look alike."""
    alike = "fails " * 50
    async with Emulator(scenario=FAILING) as emulator, Eversince(**emulator.connection) as eversince:
        for _ in range(2):
            emulator.faults.once("POST", "/projects", Reset(after_commit=True))

        report = await eversince.batch([f"{alike} mug", f"{alike} cup"], journal=tmp_path / "a.db")

    assert {"paused": 2} == report.counts
    assert all(isinstance(outcome.error, InDoubt) for outcome in report.outcomes)
    assert 2 == emulator.world.counts["projects"]
