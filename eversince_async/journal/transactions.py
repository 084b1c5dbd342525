"""What a journal's verbs mean: plain functions over rows, each of which is one transaction.

They check before they store, so that one that raises has changed nothing. Every function takes the `run`
in whose name it acts: its incarnation and the time.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import attrs

from eversince_async import clock
from eversince_async.clock import Moment
from eversince_async.errors import BelongsToAnother, JournalError, JournalLocked, SpecChanged
from eversince_async.journal.differences import describe_differences
from eversince_async.journal.leases import lease_left
from eversince_async.journal.records import (
    KINDS,
    NO_CHANGE,
    REPEATABLE,
    Effect,
    EffectKind,
    EffectState,
    Job,
    JobChange,
    Json,
    ShareInProgress,
)
from eversince_async.journal.redaction import claim_key, digest, redact_for_resend, redact_observed
from eversince_async.journal.tables import Tables
from eversince_async.models._unset import UNSET, Unset

STEADY: Final = timedelta(seconds=1)
"""By how much two clocks may differ before one of them has been set."""

NO_LEASE: Final = {"owner": None, "lease_until": None, "lease_boot": None, "lease_seconds": None}
"""What changes about a job that is let go."""


@attrs.frozen
class Incarnation:
    """In whose name a verb acts, and when.

    Attributes:
        incarnation: The run.
        now: The time, by the wall clock.
        moment: The same, by a clock that nobody sets.
        is_dead: Whether another run is over for certain.
    """

    incarnation: str
    now: datetime
    moment: Moment
    is_dead: Callable[[str], bool]

    def lease(self, seconds: float) -> dict[str, Any]:
        """A lease for so many seconds from now."""
        if not seconds > 0:
            raise JournalError(f"a lease is for a number of seconds above zero, not {seconds!r}")
        return {
            "lease_until": self.now + timedelta(seconds=seconds),
            "lease_boot": self.moment.boot,
            "lease_seconds": self.moment.seconds + seconds,
        }

    def is_free(self, job: Job) -> bool:
        """Whether nobody works on a job: its lease has run out, or its owner has died."""
        if lease_left(job, self.now, self.moment) <= 0:
            return True
        return job.owner != self.incarnation and self.is_dead(str(job.owner))

    def happened_at(self, at: datetime, moment: Moment | None) -> datetime:
        """When something happened, by the present wall clock, if it showed `at` then."""
        passed = None if moment is None else clock.elapsed(moment, self.moment)
        if passed is None:
            return min(at, self.now)
        describe_differences = self.now - timedelta(seconds=passed)
        return at if abs(describe_differences - at) < STEADY else describe_differences


# -- Jobs -----------------------------------------------------------------------------------------------


def put(
    rows: Tables, run: Incarnation, job_id: str, spec: Json, stage: str, not_before: datetime | None
) -> Job:
    """The job of that name: the one that is there, or a new one."""
    if not job_id:
        raise JournalError("a job needs a name: job_id is empty")
    kept = redact_for_resend(spec)
    sha = digest(kept)
    known = rows.job(job_id)
    if known is None:
        number = rows.next_change()
        job = Job(
            id=job_id,
            spec=kept,
            spec_sha=sha,
            stage=stage,
            not_before=not_before,
            created_at=run.now,
            updated_at=run.now,
            created_change=number,
            updated_change=number,
        )
        rows.add_job(job)
        return job
    if known.spec_sha != sha:
        raise SpecChanged(
            f"{job_id!r} stands in the journal since {known.created_at:%Y-%m-%d %H:%M} UTC for something "
            f"else: {describe_differences(known.spec, kept)}; use another key, or what it was first used for"
        )
    return known


def change(rows: Tables, run: Incarnation, job_id: str, changes: JobChange) -> Job:
    """Change a job we have the lease of."""
    changed = _apply_change(rows, run, _owned_job(rows, run, job_id), changes)
    rows.save_job(changed)
    return changed


def _apply_change(rows: Tables, run: Incarnation, job: Job, changes: JobChange) -> Job:
    values = dict(changes.values())
    if "result" in values:  # whoever asks for it again gets it from here
        values["result"] = redact_for_resend(values["result"])
    if "error" in values:
        values["error"] = redact_observed(values["error"])
    if "spec" in values:
        values["spec"] = redact_for_resend(values["spec"])
        values["spec_sha"] = digest(values["spec"])
    project_id = values.get("project_id")
    if project_id is not None:
        holder = rows.find_job_by_project(project_id)
        if holder not in {None, job.id}:
            raise BelongsToAnother(f"project {project_id} belongs to {holder!r}, not to {job.id!r}")
    if changes.release:
        values.update(NO_LEASE)
    return _with_update(rows, run, job, values)


def _with_update(rows: Tables, run: Incarnation, job: Job, values: Mapping[str, Any]) -> Job:
    return attrs.evolve(job, updated_at=run.now, updated_change=rows.next_change(), **values)


# -- Leases ---------------------------------------------------------------------------------------------


def acquire(rows: Tables, run: Incarnation, job_id: str, seconds: float) -> Job:
    """Lease a job that nobody works on."""
    job = _existing_job(rows, job_id)
    if not run.is_free(job):
        raise JournalLocked(
            f"{_owner_name(job, run)} works on {job_id!r}, until {job.lease_until:%H:%M:%S} UTC at least"
        )
    return _with_lease(rows, run, job, seconds)


def take(rows: Tables, run: Incarnation, stages: Sequence[str], seconds: float, limit: int) -> list[Job]:
    """Lease jobs that are due and that nobody works on; those of earlier named stages first."""
    found: list[Job] = []
    for stage in dict.fromkeys(stages):
        found += rows.free_jobs(stage, limit - len(found), now=run.now, is_free=run.is_free)
    return [_with_lease(rows, run, job, seconds) for job in found]


def renew(rows: Tables, run: Incarnation, job_ids: Iterable[str], seconds: float) -> frozenset[str]:
    """Prolong leases; return which of them are still ours."""
    ours: set[str] = set()
    for job_id in job_ids:
        job = rows.job(job_id)
        if job is not None and job.owner == run.incarnation:
            rows.save_job(_extend(run, job, seconds))
            ours.add(job_id)
    return frozenset(ours)


def release(rows: Tables, run: Incarnation, job_id: str, lease_until: datetime | None = None) -> None:
    """Let go of a lease, if it is ours; with `lease_until`, only if it is that very one."""
    job = rows.job(job_id)
    if job is None or job.owner != run.incarnation or lease_until not in {None, job.lease_until}:
        return
    rows.save_job(_with_update(rows, run, job, NO_LEASE))


def _with_lease(rows: Tables, run: Incarnation, job: Job, seconds: float) -> Job:
    leased = _with_update(rows, run, job, {"owner": run.incarnation, **run.lease(seconds)})
    rows.save_job(leased)
    return leased


def _extend(run: Incarnation, job: Job, seconds: float) -> Job:
    lease = run.lease(seconds)
    return job if lease_left(job, run.now, run.moment) >= seconds else attrs.evolve(job, **lease)


def _existing_job(rows: Tables, job_id: str) -> Job:
    job = rows.job(job_id)
    if job is None:
        raise JournalError(f"there is no {job_id!r} in the journal")
    return job


def _owned_job(rows: Tables, run: Incarnation, job_id: str) -> Job:
    """A job that we may write to: even when its lease has run out, as long as nobody took it over."""
    job = _existing_job(rows, job_id)
    if job.owner != run.incarnation:
        raise JournalLocked(
            f"{_owner_name(job, run)} works on {job_id!r}; its lease is not, or no longer, ours"
        )
    return job


def _owner_name(job: Job, run: Incarnation) -> str:
    if job.owner is None:
        return "nobody"
    return "this process" if job.owner == run.incarnation else f"another process ({job.owner})"


# -- Effects --------------------------------------------------------------------------------------------


def intent(
    rows: Tables,
    run: Incarnation,
    job_id: str,
    kind: EffectKind,
    name: str,
    request: Json,
    baseline: Json,
    lease: float,
) -> Effect:
    """Write down that we are about to do something, and from where."""
    if kind not in KINDS:
        raise JournalError(f"an effect is one of {', '.join(KINDS)}, not {kind!r}")
    job = _extend(run, _owned_job(rows, run, job_id), lease)
    if rows.effect(job_id, name) is not None:
        raise JournalError(f"{job_id!r} has an effect named {name!r} already; try that one again")
    _check_share_order(rows, kind, job_id, name)
    effect = Effect(
        job_id=job_id,
        seq=rows.last_seq(job_id) + 1,
        name=name,
        kind=kind,
        state="intent",
        incarnation=run.incarnation,
        request=redact_for_resend(request),
        baseline=redact_observed(baseline),
        intent_at=run.now,
        boot=run.moment.boot,
        intent_seconds=run.moment.seconds,
    )
    rows.add_effect(effect)
    rows.save_job(job)
    return effect


def intent_again(
    rows: Tables,
    run: Incarnation,
    effect: Effect,
    request: Json | Unset,
    baseline: Json | Unset,
    lease: float,
) -> Effect:
    """Write down that we are about to try once more; the last try came to nothing."""
    job = _extend(run, _owned_job(rows, run, effect.job_id), lease)
    current = _current_effect(rows, effect)
    if current.state not in REPEATABLE:
        raise JournalError(f"{_describe(current)} is {current.state}; it must not be done again")
    _check_share_order(rows, current.kind, current.job_id, current.name)
    values: dict[str, Any] = {}
    if request is not UNSET:
        values["request"] = redact_for_resend(request)
    if baseline is not UNSET:
        values["baseline"] = redact_observed(baseline)
    again = attrs.evolve(
        current,
        state="intent",
        incarnation=run.incarnation,
        tries=current.tries + 1,
        intent_at=run.now,
        done_at=None,
        boot=run.moment.boot,
        intent_seconds=run.moment.seconds,
        done_seconds=None,
        result=None,
        claim=None,
        **values,
    )
    rows.save_effect(again)
    rows.save_job(job)
    return again


def _check_share_order(rows: Tables, kind: EffectKind, job_id: str, name: str) -> None:
    """Refuse a share while another one is open.

    The server's list of shares names no project: of two that are in doubt nobody could tell which is whose.
    """
    other = rows.open_share() if kind == "share" else None
    if other is not None and (other.job_id, other.name) != (job_id, name):
        raise ShareInProgress(other)


def finish_effect(
    rows: Tables,
    run: Incarnation,
    effect: Effect,
    state: EffectState,
    result: Json,
    claim: str | None,
    changes: JobChange,
) -> Effect:
    """Write down what became of an effect, and with it where its job stands now."""
    job = _owned_job(rows, run, effect.job_id)
    ended = _finish(rows, run, _current_effect(rows, effect), state, result, claim)
    changed = job if changes is NO_CHANGE else _apply_change(rows, run, job, changes)
    rows.save_effect(ended)
    rows.save_job(changed)
    return ended


def _finish(
    rows: Tables, run: Incarnation, current: Effect, state: EffectState, result: Json, claim: str | None
) -> Effect:
    if not current.is_open:
        raise JournalError(f"{_describe(current)} is {current.state} already; it cannot become {state}")
    claimed = current.claim
    if claim is not None:
        claimed = _resolve_claim(rows, current, claim)
        if claimed is None:
            raise BelongsToAnother(
                f"{_describe(current)} cannot have {claim_key(claim)}: "
                f"{_describe_claimant(rows, claim, current)}"
            )
    return attrs.evolve(
        current,
        state=state,
        result=_stored_result(current, result),
        claim=claimed if state != "refused" else None,
        **({"done_at": None, "done_seconds": None} if state == "in_doubt" else _outcome_fields(run, current)),
    )


def _outcome_fields(run: Incarnation, effect: Effect) -> dict[str, Any]:
    seconds = run.moment.seconds if effect.boot == run.moment.boot else None
    return {"done_at": run.now, "done_seconds": seconds}


def claim(rows: Tables, run: Incarnation, effect: Effect, what: str) -> bool:
    """Whether an effect now has, or had already, what it found on the server."""
    _owned_job(rows, run, effect.job_id)
    current = _current_effect(rows, effect)
    claimed = _resolve_claim(rows, current, what)
    if claimed is not None and current.claim is None:
        if not current.is_open:
            raise JournalError(f"{_describe(current)} is {current.state} already; it can claim nothing more")
        rows.save_effect(attrs.evolve(current, claim=claimed))
    return claimed is not None


def answer(rows: Tables, run: Incarnation, job_id: str, name: str, value: Json) -> Effect:
    """Answer an approval, whoever works on its job; its job is due at once."""
    job = _existing_job(rows, job_id)
    question = rows.effect(job_id, name)
    if question is None or question.kind != "approval":
        asked = [
            effect.name for effect in rows.effects(job_id) if effect.kind == "approval" and effect.is_open
        ]
        hint = f"; it waits for {', '.join(map(repr, asked))}" if asked else ""
        raise JournalError(f"{job_id!r} does not ask for approval of {name!r}{hint}")
    if not question.is_open:
        raise JournalError(
            f"{_describe(question)} {'expired' if question.state == 'refused' else 'was answered'} "
            f"at {question.done_at:%Y-%m-%d %H:%M} UTC already"
        )
    answered = attrs.evolve(
        question, state="done", result=_stored_result(question, value), **_outcome_fields(run, question)
    )
    rows.save_effect(answered)
    rows.save_job(_with_update(rows, run, job, {"not_before": None}))
    return answered


def decide(rows: Tables, run: Incarnation, job_id: str, name: str, result: Json, claim: str | None) -> Effect:
    """Write down what a person has found out about an effect in doubt."""
    job = _existing_job(rows, job_id)
    doubtful = rows.effect(job_id, name)
    if doubtful is None or doubtful.state != "in_doubt":
        others = [each.name for each in rows.effects(job_id) if each.state == "in_doubt"]
        hint = f"; in doubt is {', '.join(map(repr, others))}" if others else ", and nothing else is"
        raise JournalError(f"{name!r} of {job_id!r} is not in doubt{hint}")
    if not run.is_free(job):
        raise JournalLocked(f"{_owner_name(job, run)} works on {job_id!r}; wait until it has come to its end")
    decided = _finish(rows, run, doubtful, "refused" if claim is None else "adopted", result, claim)
    rows.save_effect(decided)
    rows.save_job(_with_update(rows, run, job, {"not_before": None}))
    return decided


def _stored_result(effect: Effect, result: Json) -> Json:
    """What is stored of a result: what is given to somebody again keeps what is no secret in it."""
    return (
        redact_for_resend(result) if effect.kind in {"share", "step", "approval"} else redact_observed(result)
    )


def _current_effect(rows: Tables, effect: Effect) -> Effect:
    """The effect as it stands, if nobody has tried it again since the caller saw it."""
    current = rows.effect(effect.job_id, effect.name)
    if current is None or current.tries != effect.tries or current.incarnation != effect.incarnation:
        raise JournalError(f"{_describe(effect)} has been taken up elsewhere since; load it again")
    return current


def _resolve_claim(rows: Tables, effect: Effect, what: str) -> str | None:
    """The claim as it is stored; None if another effect has it, or this one has another."""
    wanted = claim_key(what)
    if effect.claim not in {None, wanted}:
        return None
    holder = rows.claimant(wanted)
    return wanted if holder in {None, (effect.job_id, effect.name)} else None


def _describe_claimant(rows: Tables, what: str, effect: Effect) -> str:
    holder = rows.claimant(claim_key(what))
    if holder is None:
        return f"it has {effect.claim}"
    advice = "; give each its own idempotency_key" if effect.kind == "create" else ""
    return f"that belongs to {holder[1]!r} of {holder[0]!r}{advice}"


def _describe(effect: Effect) -> str:
    return f"{effect.name!r} of {effect.job_id!r}"


def change_note(rows: Tables, name: str, change: Callable[[Json], Json]) -> Json:
    """Note what becomes of what was noted before."""
    kept = redact_observed(change(rows.note_named(name)))
    rows.note(name, kept)
    return kept
