"""The conformance suite that every journal must pass.

Subclass `JournalConformance`, and give it a backend.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Protocol

import pytest

from eversince_async.clock import now
from eversince_async.errors import ConfigurationError, JournalError, JournalLocked, SpecChanged
from eversince_async.journal import Effect, Job, JobChange, Journal, ShareInProgress

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SPEC = {"brief": "A film about a mug", "share": True}


class Backend(Protocol):
    def journal(self) -> Journal:
        """Return another journal over the same storage, not yet open."""


@pytest.fixture
async def journal(backend: Backend) -> AsyncIterator[Journal]:
    async with backend.journal() as journal:
        yield journal


@pytest.fixture
async def other(backend: Backend) -> AsyncIterator[Journal]:
    """Open a journal as another process would."""
    async with backend.journal() as journal:
        yield journal


async def leased(journal: Journal, job_id: str = "mug", stage: str = "new") -> Job:
    await journal.put(job_id, SPEC, stage=stage)
    return await journal.acquire(job_id)


async def intended(journal: Journal, job_id: str = "mug", name: str = "render") -> Effect:
    await leased(journal, job_id)
    return await journal.intent(job_id, "render", {"quality": "1080p"}, name=name)


class JournalConformance:
    # -- Opening ----------------------------------------------------------------------------------------

    async def test_what_was_written_is_there_after_reopening(self, backend):
        async with backend.journal() as journal:
            effect = await journal.done(await intended(journal), {"status": "rendering"}, claim="p1")
            job = await journal.load("mug")

        async with backend.journal() as journal:
            assert job == await journal.load("mug")
            assert [effect] == await journal.effects("mug")

    async def test_every_opening_is_another_incarnation(self, backend):
        journal = backend.journal()
        async with journal:
            first = journal.incarnation
        async with journal:
            assert first != journal.incarnation

    async def test_a_closed_journal_says_how_to_open_it(self, backend):
        with pytest.raises(ConfigurationError, match="async with"):
            await backend.journal().load("mug")

    async def test_opening_twice_is_refused_and_closing_twice_is_not(self, journal):
        with pytest.raises(ConfigurationError, match="open already"):
            await journal.open()
        await journal.aclose()
        await journal.aclose()

    # -- Jobs -------------------------------------------------------------------------------------------

    async def test_a_new_job_is_as_it_was_put(self, journal):
        later = now() + timedelta(hours=1)

        job = await journal.put("mug", SPEC, stage="waiting", not_before=later)

        assert ("mug", SPEC, "waiting", 1, later) == (
            job.id,
            job.spec,
            job.stage,
            job.attempt,
            job.not_before,
        )
        assert (None, None, None) == (job.owner, job.project_id, job.result)
        assert job == await journal.load("mug")

    async def test_times_are_those_of_the_loop(self, journal):
        await asyncio.sleep(3600)
        before = now()

        job = await journal.put("mug", SPEC)

        assert timedelta(seconds=1) > job.created_at - before >= timedelta(0)
        assert UTC is job.created_at.tzinfo

    async def test_putting_a_job_again_gives_the_one_that_is_there(self, journal):
        await leased(journal)
        await journal.change("mug", JobChange(stage="rendering"))

        again = await journal.put("mug", dict(reversed(SPEC.items())), stage="new")

        assert "rendering" == again.stage

    async def test_another_spec_under_the_same_name_is_refused_saying_what_changed(self, journal):
        await journal.put("mug", SPEC)

        with pytest.raises(SpecChanged) as caught:
            await journal.put("mug", {**SPEC, "share": False})

        assert "'mug'" in str(caught.value)
        assert "share: true, now false" in str(caught.value)
        assert "brief" not in str(caught.value)

    async def test_a_job_needs_a_name(self, journal):
        with pytest.raises(JournalError, match="name"):
            await journal.put("", SPEC)

    async def test_a_spec_must_be_json(self, journal):
        with pytest.raises(JournalError, match="JSON"):
            await journal.put("mug", {"brief": object()})
        assert None is await journal.load("mug")

    @pytest.mark.parametrize(
        "text", ["ünï", "line\nbreak", "nul\0", "half \ud800", "'; DROP TABLE job", "🎬"]
    )
    async def test_any_text_survives(self, journal, text):
        await journal.put("mug", {"brief": text})

        assert {"brief": text} == (await journal.load("mug")).spec

    async def test_there_is_no_job_nobody_put(self, journal):
        assert None is await journal.load("mug")
        for verb in (journal.acquire("mug"), journal.change("mug", JobChange(stage="x"))):
            with pytest.raises(JournalError, match="no 'mug'"):
                await verb

    async def test_a_change_leaves_alone_what_it_does_not_name(self, journal):
        await leased(journal)
        await journal.change("mug", JobChange(stage="running", project_id="p1", error={"message": "no"}))

        job = await journal.change("mug", JobChange(attempt=2, error=None))

        assert ("running", "p1", 2, None) == (job.stage, job.project_id, job.attempt, job.error)
        assert job == await journal.load("mug")

    async def test_a_project_belongs_to_one_job(self, journal):
        await leased(journal, "mug")
        await leased(journal, "cup")
        await journal.change("mug", JobChange(project_id="p1"))

        with pytest.raises(JournalError, match="'mug'"):
            await journal.change("cup", JobChange(project_id="p1"))
        await journal.change("mug", JobChange(project_id=None))

        assert "p1" == (await journal.change("cup", JobChange(project_id="p1"))).project_id

    async def test_jobs_come_in_the_order_in_which_they_were_put(self, journal):
        names = [f"film {n * 7 % 450}" for n in range(450)]
        await asyncio.gather(*(journal.put(name, SPEC, stage=f"s{n % 3}") for n, name in enumerate(names)))

        assert names == [job.id async for job in journal.jobs()]
        assert names[1::3] == [job.id async for job in journal.jobs("s1")]
        assert [n for i, n in enumerate(names) if i % 3] == [job.id async for job in journal.jobs("s1", "s2")]
        assert {"s0": 150, "s1": 150, "s2": 150} == dict(await journal.counts())

    async def test_due_jobs_are_those_whose_time_has_come(self, journal):
        await journal.put("now", SPEC)
        await journal.put("soon", SPEC, not_before=now() + timedelta(hours=1))

        assert ["now"] == [job.id async for job in journal.jobs(due=True)]
        await asyncio.sleep(3601)
        assert ["now", "soon"] == [job.id async for job in journal.jobs(due=True)]

    async def test_jobs_may_change_while_they_are_read(self, journal):
        await asyncio.gather(*(journal.put(f"film {n}", SPEC) for n in range(300)))
        seen = []
        async for job in journal.jobs("new"):
            seen.append(job.id)
            await journal.acquire(job.id)
            await journal.change(job.id, JobChange(stage="done"))

        assert [f"film {n}" for n in range(300)] == seen

    # -- Leases -----------------------------------------------------------------------------------------

    async def test_a_leased_job_is_nobody_elses(self, journal, other):
        await leased(journal)

        for somebody in (other, journal):
            with pytest.raises(JournalLocked, match="works on 'mug'"):
                await somebody.acquire("mug")
        assert [] == await other.take("new")

    async def test_a_lease_that_has_run_out_can_be_taken_over(self, journal, other):
        await journal.put("mug", SPEC)
        await journal.acquire("mug", 60)
        await asyncio.sleep(61)

        assert other.incarnation == (await other.acquire("mug")).owner
        with pytest.raises(JournalLocked):
            await journal.change("mug", JobChange(stage="x"))

    async def test_a_renewed_lease_lives_on(self, journal, other):
        await leased(journal, "mug")
        await leased(other, "cup")
        await asyncio.sleep(100)

        assert {"mug"} == await journal.renew(["mug", "cup", "unknown"], 120)
        await asyncio.sleep(60)

        with pytest.raises(JournalLocked):
            await other.acquire("mug")

    async def test_renewing_never_shortens(self, journal):
        job = await leased(journal)
        await journal.renew(["mug"], 1)

        assert job.lease_until == (await journal.load("mug")).lease_until

    async def test_a_lease_that_ran_out_is_still_ours_until_somebody_takes_it(self, journal, other):
        await journal.put("mug", SPEC)
        await journal.acquire("mug", 60)
        await asyncio.sleep(61)

        assert {"mug"} == await journal.renew(["mug"])
        with pytest.raises(JournalLocked):
            await other.acquire("mug")

    async def test_a_released_job_is_free_at_once(self, journal, other):
        await leased(journal)
        await journal.release("mug")

        assert ["mug"] == [job.id for job in await other.take("new")]

    async def test_nobody_releases_the_lease_of_others(self, journal, other):
        await leased(journal)
        await other.release("mug")

        assert journal.incarnation == (await journal.load("mug")).owner

    async def test_a_change_can_release(self, journal, other):
        await leased(journal)
        await journal.change("mug", JobChange(stage="done", release=True))

        assert "done" == (await other.acquire("mug")).stage

    async def test_taking_prefers_the_stages_named_first(self, journal):
        for number in range(3):
            await journal.put(f"new {number}", SPEC)
            await journal.put(f"begun {number}", SPEC, stage="begun")
        await journal.put("later", SPEC, stage="begun", not_before=now() + timedelta(hours=1))

        taken = await journal.take("begun", "new", limit=4)

        assert ["begun 0", "begun 1", "begun 2", "new 0"] == [job.id for job in taken]
        assert {journal.incarnation} == {job.owner for job in taken}
        assert ["new 1", "new 2"] == [job.id for job in await journal.take("begun", "new", limit=9)]

    async def test_two_who_take_share_the_jobs(self, journal, other):
        names = {f"film {n}" for n in range(40)}
        await asyncio.gather(*(journal.put(name, SPEC) for name in names))

        shares = await asyncio.gather(*(each.take("new", limit=3) for each in [journal, other] * 10))

        assert sorted(names) == sorted(job.id for share in shares for job in share)

    @pytest.mark.parametrize("seconds", [0, -1, float("nan")])
    async def test_a_lease_needs_a_length(self, journal, seconds):
        await journal.put("mug", SPEC)

        with pytest.raises(JournalError, match="above zero"):
            await journal.acquire("mug", seconds)
        assert None is (await journal.load("mug")).owner

    # -- Effects ----------------------------------------------------------------------------------------

    async def test_an_intent_says_who_meant_what_and_from_where(self, journal):
        await leased(journal)

        effect = await journal.intent("mug", "message", {"text": "shorter"}, baseline={"cursor": "m1"})

        assert (1, "message", "message", "intent", 1) == (
            effect.seq,
            effect.name,
            effect.kind,
            effect.state,
            effect.tries,
        )
        assert ({"text": "shorter"}, {"cursor": "m1"}) == (effect.request, effect.baseline)
        assert journal.incarnation == effect.incarnation
        assert effect.is_open
        assert effect == await journal.effect("mug", "message")

    async def test_an_intent_needs_the_lease(self, journal, other):
        await leased(journal)

        with pytest.raises(JournalLocked, match="another process"):
            await other.intent("mug", "render", {})
        assert [] == await journal.effects("mug")

    async def test_an_intent_keeps_the_lease_for_as_long_as_the_request_may_take(self, journal):
        await journal.put("mug", SPEC)
        await journal.acquire("mug", 10)
        effect = await journal.intent("mug", "render", {}, lease=120)

        job = await journal.load("mug")

        assert timedelta(seconds=120) == job.lease_until - effect.intent_at

    async def test_an_effect_has_a_name_of_its_own(self, journal):
        await intended(journal)

        with pytest.raises(JournalError, match="'render' already"):
            await journal.intent("mug", "render", {})
        second = await journal.intent("mug", "render", {}, name="render 2")

        assert 2 == second.seq

    async def test_an_effect_is_of_a_known_kind(self, journal):
        await leased(journal)

        with pytest.raises(JournalError, match="create, message"):
            await journal.intent("mug", "dance", {})

    async def test_done_moves_the_job_on_with_it(self, journal):
        effect = await intended(journal)

        ended = await journal.done(effect, {"status": "rendering"}, job=JobChange(stage="rendering"))

        assert ("done", {"status": "rendering"}, False) == (ended.state, ended.result, ended.is_open)
        assert "rendering" == (await journal.load("mug")).stage

    async def test_done_that_cannot_be_written_moves_nothing(self, journal):
        await leased(journal, "cup")
        await journal.change("cup", JobChange(project_id="p1"))
        effect = await intended(journal)

        with pytest.raises(JournalError, match="belongs to 'cup'"):
            await journal.done(effect, claim="c", job=JobChange(stage="done", project_id="p1"))

        assert effect == await journal.effect("mug", "render")
        assert "new" == (await journal.load("mug")).stage

    @pytest.mark.parametrize("verb", ["done", "adopted"])
    async def test_what_has_happened_stays_so(self, journal, verb):
        effect = await getattr(journal, verb)(await intended(journal))

        for again in (journal.done, journal.adopted, journal.refused, journal.in_doubt, journal.intent_again):
            with pytest.raises(JournalError, match=verb):
                await again(effect)

    async def test_what_was_refused_can_be_tried_again(self, journal):
        refused = await journal.refused(await intended(journal), {"code": "conflict"})
        await asyncio.sleep(60)

        again = await journal.intent_again(refused, baseline={"assembled_url": None})

        assert ("refused", {"code": "conflict"}) == (refused.state, refused.result)
        assert ("intent", 2, 1, None) == (again.state, again.tries, again.seq, again.result)
        assert ({"quality": "1080p"}, {"assembled_url": None}) == (again.request, again.baseline)
        assert timedelta(seconds=60) <= again.intent_at - refused.intent_at

    async def test_a_doubt_can_be_resolved_either_way(self, journal):
        doubt = await journal.in_doubt(await intended(journal))
        other = await journal.in_doubt(await journal.intent("mug", "share", {}))

        assert (None, True) == (doubt.done_at, doubt.is_open)
        assert "adopted" == (await journal.adopted(doubt)).state
        assert "refused" == (await journal.refused(other)).state

    async def test_who_lost_the_lease_cannot_say_what_became_of_it(self, journal, other):
        effect = await intended(journal)
        await asyncio.sleep(200)
        await other.acquire("mug")

        with pytest.raises(JournalLocked, match="no longer, ours"):
            await journal.done(effect)
        assert "adopted" == (await other.adopted(effect)).state

    async def test_who_has_seen_an_older_try_cannot_say_what_became_of_the_newer(self, journal):
        first = await intended(journal)
        await journal.intent_again(first)

        with pytest.raises(JournalError, match="load it again"):
            await journal.done(first)

    # -- Claims -----------------------------------------------------------------------------------------

    async def test_what_one_effect_has_no_other_gets(self, journal):
        mug, cup = await intended(journal, "mug"), await intended(journal, "cup")

        assert await journal.claim(mug, "https://eversince.ai/s/1")
        assert await journal.claim(mug, "https://eversince.ai/s/1")
        assert not await journal.claim(cup, "https://eversince.ai/s/1")
        with pytest.raises(JournalError, match="belongs to 'render' of 'mug'"):
            await journal.adopted(cup, claim="https://eversince.ai/s/1")
        assert cup == await journal.effect("cup", "render")

    async def test_an_effect_has_one_claim(self, journal):
        effect = await intended(journal)
        await journal.claim(effect, "m1")

        assert not await journal.claim(effect, "m2")
        assert "m1" == (await journal.adopted(effect)).claim

    async def test_a_claim_is_free_again_when_nothing_came_of_it(self, journal):
        mug, cup = await intended(journal, "mug"), await intended(journal, "cup")
        await journal.claim(mug, "m1")
        await journal.refused(mug)

        assert await journal.claim(cup, "m1")

    async def test_addresses_that_differ_in_their_query_only_are_two_claims(self, journal):
        mug, cup = await intended(journal, "mug"), await intended(journal, "cup")

        assert await journal.claim(mug, "https://eversince.ai/s?v=1")
        assert await journal.claim(cup, "https://eversince.ai/s?v=2")

    async def test_one_share_at_a_time_is_under_way(self, journal, other):
        """The rule holds over all processes.

        Two shares in doubt could not be told apart.
        """
        await leased(journal, "mug")
        await leased(other, "cup")
        first = await journal.intent("mug", "share", {"title": "Mug"})

        with pytest.raises(ShareInProgress) as caught:
            await other.intent("cup", "share", {"title": "Cup"})
        assert first == caught.value.effect
        assert await other.effect("cup", "share") is None

        again = await journal.intent_again(first)  # the same one may be tried again
        await journal.refused(again)
        second = await other.intent("cup", "share", {"title": "Cup"})
        with pytest.raises(ShareInProgress):
            await journal.intent_again(again)
        await other.in_doubt(second)  # a person has to find out, and no other share waits for that
        await journal.intent_again(again)

    # -- Doubts -----------------------------------------------------------------------------------------

    async def test_creates_are_open_until_their_outcome_is_known(self, journal):
        await leased(journal, "mug")
        await leased(journal, "cup")
        mug = await journal.intent("mug", "create", {"brief": "A mug"})
        await asyncio.sleep(1)
        cup = await journal.intent("cup", "create", {"brief": "A cup"})
        await journal.intent("cup", "render", {})

        mug = await journal.in_doubt(mug)

        assert [mug, cup] == await journal.open_creates()
        await journal.done(cup, claim="p1")
        assert [mug] == await journal.open_creates()

    async def test_a_person_decides_what_is_in_doubt(self, journal, other):
        share = await journal.in_doubt(await intended(journal), {"perhaps": ["s1", "s2"]})
        await journal.change("mug", JobChange(not_before=now() + timedelta(days=1), release=True))

        decided = await other.decide("mug", "render", {"url": "s1"}, claim="s1")

        assert ("adopted", {"url": "s1"}, "s1") == (decided.state, decided.result, decided.claim)
        assert decided == await journal.effect("mug", share.name)
        assert ("mug", "render") == await journal.claimant("s1")
        assert (await journal.load("mug")).not_before is None  # the job may continue at once

    async def test_a_person_decides_that_it_did_not_happen(self, journal, other):
        await journal.in_doubt(await intended(journal))
        await journal.release("mug")

        assert "refused" == (await other.decide("mug", "render")).state

    async def test_only_what_is_in_doubt_and_rests_can_be_decided(self, journal, other):
        with pytest.raises(JournalError, match="there is no 'mug'"):
            await other.decide("mug", "render")
        effect = await intended(journal)
        with pytest.raises(JournalError, match="not in doubt, and nothing else is"):
            await other.decide("mug", "render")
        await journal.in_doubt(effect)
        with pytest.raises(JournalError, match="in doubt is 'render'"):
            await other.decide("mug", "share")
        with pytest.raises(JournalLocked):
            await other.decide("mug", "render")
        assert "in_doubt" == (await journal.effect("mug", "render")).state

    async def test_a_decision_claims_nothing_of_another(self, journal, other):
        await journal.done(await intended(journal, "cup"), claim="s1")
        await journal.in_doubt(await intended(journal))
        await journal.release("mug")

        with pytest.raises(JournalError, match="belongs to 'render' of 'cup'"):
            await other.decide("mug", "render", claim="s1")

    # -- Approvals --------------------------------------------------------------------------------------

    async def test_anybody_answers_an_approval(self, journal, other):
        await leased(journal)
        await journal.intent("mug", "approval", {"question": "ship it?"}, name="ship it?")
        await journal.change("mug", JobChange(stage="waiting", not_before=now() + timedelta(days=9)))

        answered = await other.answer("mug", "ship it?", value=True)

        assert ("done", True) == (answered.state, answered.result)
        assert answered == await journal.effect("mug", "ship it?")
        assert ["mug"] == [job.id async for job in journal.jobs("waiting", due=True)]

    async def test_an_approval_is_answered_once(self, journal):
        await leased(journal)
        await journal.intent("mug", "approval", {}, name="ship it?")
        await journal.answer("mug", "ship it?", value=True)

        with pytest.raises(JournalError, match="answered at"):
            await journal.answer("mug", "ship it?", value=False)

    async def test_an_answer_to_nothing_says_what_is_asked(self, journal):
        await intended(journal)
        await journal.intent("mug", "approval", {}, name="ship it?")

        for wrong in ("render", "sell it?"):
            with pytest.raises(JournalError, match="waits for 'ship it\\?'"):
                await journal.answer("mug", wrong, value=True)

    # -- Quotas -----------------------------------------------------------------------------------------

    async def test_what_was_spent_counts_from_when_it_happened_at_the_latest(self, journal):
        await leased(journal)
        done = await journal.intent("mug", "render", {}, name="done")
        refused = await journal.intent("mug", "render", {}, name="refused")
        await journal.refused(refused)
        await journal.intent("mug", "create", {})
        await asyncio.sleep(10)
        done = await journal.done(done)
        perhaps = await journal.intent("mug", "render", {}, name="perhaps")
        await asyncio.sleep(10)

        long_ago = now() - timedelta(days=1)
        assert sorted([done.done_at, perhaps.intent_at]) == await journal.spent("render", long_ago)
        assert [] == await journal.spent("render", now())
        assert 1 == len(await journal.spent("create", long_ago))

    # -- Notes ------------------------------------------------------------------------------------------

    async def test_a_note_outlives_the_run_that_made_it(self, backend):
        async with backend.journal() as journal:
            await journal.note("account", {"id": 1})
            await journal.note("account", {"id": 2})
        async with backend.journal() as journal:
            assert {"id": 2} == await journal.noted("account")
            assert await journal.noted("nothing") is None

    async def test_a_note_is_changed_by_one_at_a_time(self, backend):
        """Each change sees the result of the change before."""
        async with backend.journal() as journal:

            async def add(number: int) -> object:
                return await journal.change_note("seen", lambda seen: [*(seen or []), number])

            made = await asyncio.gather(*map(add, range(20)))
            assert set(range(20)) == set(await journal.noted("seen"))
            assert list(range(1, 21)) == sorted(map(len, made))

    async def test_a_job_may_ask_for_something_else_while_it_is_ours(self, journal):
        await leased(journal)
        other = {**SPEC, "share": False}
        await journal.change("mug", JobChange(spec=other))

        assert other == (await journal.put("mug", other)).spec
        with pytest.raises(SpecChanged):
            await journal.put("mug", SPEC)
