"""Tests that a journal remembers the same as a simple model.

Two processes act on one file, in any order.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from eversince_async.clock import wall_seconds
from eversince_async.errors import JournalError, SpecChanged
from eversince_async.journal import Effect, JobChange, SqliteJournal
from eversince_async.testing import VirtualTimeLoop

pytestmark = pytest.mark.slow

JOBS = ["mug", "cup"]
STAGES = ["new", "begun", "over"]
CLAIMS = ["p1", "p2"]
OPEN = {"intent", "in_doubt"}


@attrs.define
class KnownEffect:
    state: str
    tries: int
    by: str
    claim: str | None = None
    result: Any = None


@attrs.define
class KnownJob:
    spec: Any
    stage: str
    owner: str | None = None
    until: float = 0.0
    project: str | None = None
    effects: dict[str, KnownEffect] = attrs.field(factory=dict)


class TwoProcesses(RuleBasedStateMachine):
    """Two journals on one file; each may be reopened at any moment."""

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner(loop_factory=VirtualTimeLoop)
        self.folder = Path(tempfile.mkdtemp())
        self.journals = [SqliteJournal(self.folder / "journal.db") for _ in range(2)]
        self.known: dict[str, KnownJob] = {}
        for journal in self.journals:
            self.run(journal.open())
        for job in JOBS:
            self.put(0, job, 0, "new")

    def run(self, verb: Any) -> Any:
        async def to_end() -> Any:
            return await verb

        return self.runner.run(to_end())

    def attempt(self, verb: Any, *, succeeds: bool, error: type[JournalError] = JournalError) -> Any:
        """Make a call of which the model knows whether it can succeed."""
        try:
            result = self.run(verb)
        except error:
            assert not succeeds
            return None
        assert succeeds
        return result

    def now(self) -> float:
        async def asked() -> float:
            return wall_seconds()

        return self.runner.run(asked())

    def actor(self, job_id: str, *, stranger: bool) -> int:
        """Return the journal that holds a job's lease, or the other one.

        If neither journal holds the lease, the first journal leases the job.
        """
        incarnations = [journal.incarnation for journal in self.journals]
        if self.known[job_id].owner not in incarnations:
            self.acquire(0, job_id, 60)
        owner = int(self.known[job_id].owner == incarnations[1])
        return 1 - owner if stranger else owner

    def owned(self, who: int, job_id: str) -> KnownJob | None:
        job = self.known.get(job_id)
        return job if job is not None and job.owner == self.journals[who].incarnation else None

    def claimed_by_another(self, claim: str | None, effect: KnownEffect) -> bool:
        others = (each for job in self.known.values() for each in job.effects.values() if each is not effect)
        return claim is not None and any(each.claim == claim for each in others)

    def seen(self, job_id: str, name: str) -> Effect | None:
        effect: Effect | None = self.run(self.journals[0].effect(job_id, name))
        return effect

    # -- What may happen --------------------------------------------------------------------------------

    who = st.integers(0, 1)
    job = st.sampled_from(JOBS)
    name = st.sampled_from(["create", "render"])
    stranger = st.sampled_from([False] * 7 + [True])

    @rule(who=who, job=job, spec=st.integers(0, 1), stage=st.sampled_from(STAGES))
    def put(self, who: int, job: str, spec: int, stage: str) -> None:
        known = self.known.get(job)
        is_same = known is None or known.spec == spec
        put = self.attempt(
            self.journals[who].put(job, spec, stage=stage), succeeds=is_same, error=SpecChanged
        )
        if known is None:
            known = self.known[job] = KnownJob(spec, stage)
        assert put is None or put.stage == known.stage

    @rule(who=who, job=job, seconds=st.sampled_from([1, 20, 50, 100]))
    def acquire(self, who: int, job: str, seconds: int) -> None:
        known, now = self.known.get(job), self.now()
        free = known is not None and (known.owner is None or known.until <= now)
        self.attempt(self.journals[who].acquire(job, seconds), succeeds=free)
        if known is not None and free:
            known.owner, known.until = self.journals[who].incarnation, now + seconds

    @rule(who=who, stage=st.sampled_from(STAGES), limit=st.integers(0, 2))
    def take(self, who: int, stage: str, limit: int) -> None:
        now = self.now()
        free = {
            name
            for name, job in self.known.items()
            if job.stage == stage and (job.owner is None or job.until <= now)
        }
        taken = {job.id for job in self.run(self.journals[who].take(stage, seconds=50, limit=limit))}
        assert taken <= free
        assert len(taken) == min(limit, len(free))
        for name in taken:
            self.known[name].owner, self.known[name].until = self.journals[who].incarnation, now + 50

    @rule(who=who, seconds=st.sampled_from([1, 20, 50, 100]))
    def renew(self, who: int, seconds: int) -> None:
        now = self.now()
        ours = {name for name in JOBS if self.owned(who, name)}
        assert ours == self.run(self.journals[who].renew(JOBS, seconds))
        for name in ours:
            self.known[name].until = max(self.known[name].until, now + seconds)

    @rule(who=who, job=job)
    def release(self, who: int, job: str) -> None:
        self.run(self.journals[who].release(job))
        if known := self.owned(who, job):
            known.owner = None

    @rule(job=job, stage=st.sampled_from(STAGES), project=st.sampled_from([None, *CLAIMS]), stranger=stranger)
    def change(self, *, job: str, stage: str, project: str | None, stranger: bool) -> None:
        who = self.actor(job, stranger=stranger)
        known = self.owned(who, job)
        elsewhere = any(other.project == project for other in self.known.values() if other is not known)
        succeeds = known is not None and (project is None or not elsewhere)
        change = JobChange(stage=stage, project_id=project)
        self.attempt(self.journals[who].change(job, change), succeeds=succeeds)
        if known is not None and succeeds:
            known.stage, known.project = stage, project

    @rule(job=job, name=name, stranger=stranger)
    def intent(self, *, job: str, name: Any, stranger: bool) -> None:
        who = self.actor(job, stranger=stranger)
        known, now = self.owned(who, job), self.now()
        succeeds = known is not None and name not in known.effects
        self.attempt(self.journals[who].intent(job, name, {}, lease=20), succeeds=succeeds)
        if known is not None and succeeds:
            known.effects[name] = KnownEffect("intent", 1, self.journals[who].incarnation)
            known.until = max(known.until, now + 20)

    @rule(job=job, name=name, stranger=stranger)
    def intent_again(self, *, job: str, name: str, stranger: bool) -> None:
        who = self.actor(job, stranger=stranger)
        effect = self.seen(job, name)
        if effect is None:
            return
        known, now = self.owned(who, job), self.now()
        succeeds = known is not None and known.effects[name].state in {*OPEN, "refused"}
        self.attempt(self.journals[who].intent_again(effect, lease=20), succeeds=succeeds)
        if known is not None and succeeds:
            tries = known.effects[name].tries + 1
            known.effects[name] = KnownEffect("intent", tries, self.journals[who].incarnation)
            known.until = max(known.until, now + 20)

    @rule(
        job=job,
        name=name,
        stranger=stranger,
        state=st.sampled_from(["done", "adopted", "refused", "in_doubt"]),
        claim=st.sampled_from([None, *CLAIMS]),
        stage=st.sampled_from(STAGES),
        result=st.integers(),
        release=st.booleans(),
    )
    def settle(
        self,
        *,
        job: str,
        name: Any,
        stranger: bool,
        state: str,
        claim: str | None,
        stage: str,
        result: int,
        release: bool,
    ) -> None:
        if name not in self.known[job].effects:
            self.intent(job=job, name=name, stranger=False)
        who = self.actor(job, stranger=stranger)
        effect = self.seen(job, name)
        if effect is None:
            return
        claim = claim if state in {"done", "adopted"} else None
        claims = {} if claim is None else {"claim": claim}
        known = self.owned(who, job)
        mine = self.known[job].effects[name]
        fits = claim is None or mine.claim in {None, claim}
        succeeds = (
            known is not None and mine.state in OPEN and fits and not self.claimed_by_another(claim, mine)
        )
        verb = getattr(self.journals[who], state)
        self.attempt(
            verb(effect, result, job=JobChange(stage=stage, release=release), **claims), succeeds=succeeds
        )
        if known is not None and succeeds:
            mine.state, mine.result, mine.claim = state, result, claim or mine.claim
            if state == "refused":
                mine.claim = None
            known.stage = stage
            known.owner = None if release else known.owner

    @rule(seconds=st.sampled_from([1, 20, 50, 100]))
    def pass_time(self, seconds: int) -> None:
        self.run(asyncio.sleep(seconds))

    @rule(who=who)
    def reopen(self, who: int) -> None:
        self.run(self.journals[who].aclose())
        self.run(self.journals[who].open())

    @rule()
    def reopen_both(self) -> None:
        for journal in self.journals:
            self.run(journal.aclose())
        assert [path.name for path in self.folder.iterdir()] == ["journal.db"]
        for journal in self.journals:
            self.run(journal.open())

    # -- What must hold ---------------------------------------------------------------------------------

    @precondition(lambda self: hasattr(self, "known"))
    @invariant()
    def remembers(self) -> None:
        for journal in self.journals:
            assert self.known == {
                name: attrs.evolve(job, until=self.known[name].until)
                for name, job in self.run(remembered(journal)).items()
            }

    def teardown(self) -> None:
        if hasattr(self, "journals"):
            for journal in self.journals:
                self.run(journal.aclose())
            self.runner.close()
            shutil.rmtree(self.folder)


async def remembered(journal: SqliteJournal) -> dict[str, KnownJob]:
    """Return the content of a journal, in the model's terms."""
    found = {}
    async for job in journal.jobs():
        effects = {
            effect.name: KnownEffect(
                effect.state, effect.tries, effect.incarnation, effect.claim, effect.result
            )
            for effect in await journal.effects(job.id)
        }
        found[job.id] = KnownJob(job.spec, job.stage, job.owner, 0.0, job.project_id, effects)
    return found


TwoProcesses.TestCase.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)
TestTwoProcesses = TwoProcesses.TestCase
