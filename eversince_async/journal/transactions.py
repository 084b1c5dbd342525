"""The meaning of a journal's methods, as plain functions over rows.

Each function is one transaction. The functions check before they store, so that a function that raises has
changed nothing. Every function takes the `run` in whose name it acts: its incarnation and the time.
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
"""The largest difference of two clocks that were not set.

A larger difference means that one of them has been set."""

NO_LEASE: Final = {"owner": None, "lease_until": None, "lease_boot": None, "lease_seconds": None}
"""The fields of a job without a lease."""


@attrs.frozen
class Incarnation:
    """The run in whose name a method acts, and the time.

    Attributes:
        incarnation: The run's name.
        now: The time, by the wall clock.
        moment: The same time, by the boot clock, which is never set.
        is_dead: A function that returns True if another run is certainly over.
    """

    incarnation: str
    now: datetime
    moment: Moment
    is_dead: Callable[[str], bool]

    def lease(self, seconds: float) -> dict[str, Any]:
        """Return the fields of a lease of some seconds from now."""
        if not seconds > 0:
            raise JournalError(f"a lease is for a number of seconds above zero, not {seconds!r}")
        return {
            "lease_until": self.now + timedelta(seconds=seconds),
            "lease_boot": self.moment.boot,
            "lease_seconds": self.moment.seconds + seconds,
        }

    def is_free(self, job: Job) -> bool:
        """Return True if no process works on a job.

        Its lease has run out, or its owner has died.
        """
        if lease_left(job, self.now, self.moment) <= 0:
            return True
        return job.owner != self.incarnation and self.is_dead(str(job.owner))

    def happened_at(self, at: datetime, moment: Moment | None) -> datetime:
        """Return the time of an event by the present wall clock.

        Args:
            at: The time that the wall clock showed then.
            moment: The same time by the boot clock; None if it was not recorded.
        """
        passed = None if moment is None else clock.elapsed(moment, self.moment)
        if passed is None:
            return min(at, self.now)
        adjusted = self.now - timedelta(seconds=passed)
        return at if abs(adjusted - at) < STEADY else adjusted


# -- Jobs -----------------------------------------------------------------------------------------------


def put(
    rows: Tables, run: Incarnation, job_id: str, spec: Json, stage: str, not_before: datetime | None
) -> Job:
    """Return the job of that name, or create it."""
    if not job_id:
        raise JournalError("a job needs a name: job_id is empty")
    stored = redact_for_resend(spec)
    sha = digest(stored)
    job = rows.job(job_id)
    if job is None:
        number = rows.next_change()
        job = Job(
            id=job_id,
            spec=stored,
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
    if job.spec_sha != sha:
        raise SpecChanged(
            f"{job_id!r} stands in the journal since {job.created_at:%Y-%m-%d %H:%M} UTC for something "
            f"else: {describe_differences(job.spec, stored)}; use another key, or what it was first used for"
        )
    return job


def change(rows: Tables, run: Incarnation, job_id: str, changes: JobChange) -> Job:
    """Change a job whose lease this run holds."""
    job = _apply_change(rows, run, _owned_job(rows, run, job_id), changes)
    rows.save_job(job)
    return job


def _apply_change(rows: Tables, run: Incarnation, job: Job, changes: JobChange) -> Job:
    values = dict(changes.values())
    if "result" in values:  # it is handed out again from here
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
    """Lease a free job."""
    job = _existing_job(rows, job_id)
    if not run.is_free(job):
        raise JournalLocked(
            f"{_owner_name(job, run)} works on {job_id!r}, until {job.lease_until:%H:%M:%S} UTC at least"
        )
    return _with_lease(rows, run, job, seconds)


def take(rows: Tables, run: Incarnation, stages: Sequence[str], seconds: float, limit: int) -> list[Job]:
    """Lease jobs that are due and free.

    Jobs of stages that are named earlier come first.
    """
    found: list[Job] = []
    for stage in dict.fromkeys(stages):
        found += rows.free_jobs(stage, limit - len(found), now=run.now, is_free=run.is_free)
    return [_with_lease(rows, run, job, seconds) for job in found]


def renew(rows: Tables, run: Incarnation, job_ids: Iterable[str], seconds: float) -> frozenset[str]:
    """Prolong leases; return the jobs whose leases this run still holds."""
    ours: set[str] = set()
    for job_id in job_ids:
        job = rows.job(job_id)
        if job is not None and job.owner == run.incarnation:
            rows.save_job(_extend(run, job, seconds))
            ours.add(job_id)
    return frozenset(ours)


def release(rows: Tables, run: Incarnation, job_id: str, lease_until: datetime | None = None) -> None:
    """Release a lease that this run holds.

    With `lease_until`, only a lease that ends at that time is released.
    """
    job = rows.job(job_id)
    if job is None or job.owner != run.incarnation or lease_until not in {None, job.lease_until}:
        return
    rows.save_job(_with_update(rows, run, job, NO_LEASE))


def _with_lease(rows: Tables, run: Incarnation, job: Job, seconds: float) -> Job:
    new_job = _with_update(rows, run, job, {"owner": run.incarnation, **run.lease(seconds)})
    rows.save_job(new_job)
    return new_job


def _extend(run: Incarnation, job: Job, seconds: float) -> Job:
    lease = run.lease(seconds)
    return job if lease_left(job, run.now, run.moment) >= seconds else attrs.evolve(job, **lease)


def _existing_job(rows: Tables, job_id: str) -> Job:
    job = rows.job(job_id)
    if job is None:
        raise JournalError(f"there is no {job_id!r} in the journal")
    return job


def _owned_job(rows: Tables, run: Incarnation, job_id: str) -> Job:
    """Return a job that this run may write to.

    It may do so even when its lease has run out, as long as no other run has taken the job over.
    """
    job = _existing_job(rows, job_id)
    if job.owner != run.incarnation:
        raise JournalLocked(
            f"{_owner_name(job, run)} works on {job_id!r}; its lease is not, or no longer, ours"
        )
    return job


def _owner_name(job: Job, run: Incarnation) -> str:
    if job.owner is None:
        return "no process"
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
    """Record the intent to do something, with its baseline."""
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
    """Record the intent to try once more.

    The last try came to nothing.
    """
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
    """Refuse a share while another share is open.

    The server's list of shares names no project: if two shares are in doubt, their entries there cannot be
    told apart.
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
    """Record an effect's outcome, together with the change of its job."""
    job = _owned_job(rows, run, effect.job_id)
    outcome = _finish(rows, run, _current_effect(rows, effect), state, result, claim)
    new_job = job if changes is NO_CHANGE else _apply_change(rows, run, job, changes)
    rows.save_effect(outcome)
    rows.save_job(new_job)
    return outcome


def _finish(
    rows: Tables, run: Incarnation, current: Effect, state: EffectState, result: Json, claim: str | None
) -> Effect:
    if not current.is_open:
        raise JournalError(f"{_describe(current)} is {current.state} already; it cannot become {state}")
    key = current.claim
    if claim is not None:
        key = _resolve_claim(rows, current, claim)
        if key is None:
            raise BelongsToAnother(
                f"{_describe(current)} cannot have {claim_key(claim)}: "
                f"{_describe_claimant(rows, claim, current)}"
            )
    return attrs.evolve(
        current,
        state=state,
        result=_stored_result(current, result),
        claim=key if state != "refused" else None,
        **({"done_at": None, "done_seconds": None} if state == "in_doubt" else _outcome_fields(run, current)),
    )


def _outcome_fields(run: Incarnation, effect: Effect) -> dict[str, Any]:
    seconds = run.moment.seconds if effect.boot == run.moment.boot else None
    return {"done_at": run.now, "done_seconds": seconds}


def claim(rows: Tables, run: Incarnation, effect: Effect, what: str) -> bool:
    """Claim something on the server for an effect.

    Returns:
        True if the effect holds the claim now, or held it already.
    """
    _owned_job(rows, run, effect.job_id)
    current = _current_effect(rows, effect)
    key = _resolve_claim(rows, current, what)
    if key is not None and current.claim is None:
        if not current.is_open:
            raise JournalError(f"{_describe(current)} is {current.state} already; it can claim nothing more")
        rows.save_effect(attrs.evolve(current, claim=key))
    return key is not None


def answer(rows: Tables, run: Incarnation, job_id: str, name: str, value: Json) -> Effect:
    """Answer an approval, regardless of the run that works on its job.

    The job is due at once.
    """
    job = _existing_job(rows, job_id)
    question = rows.effect(job_id, name)
    if question is None or question.kind != "approval":
        open_approvals = [
            effect.name for effect in rows.effects(job_id) if effect.kind == "approval" and effect.is_open
        ]
        hint = f"; it waits for {', '.join(map(repr, open_approvals))}" if open_approvals else ""
        raise JournalError(f"{job_id!r} does not ask for approval of {name!r}{hint}")
    if not question.is_open:
        raise JournalError(
            f"{_describe(question)} {'expired' if question.state == 'refused' else 'was answered'} "
            f"at {question.done_at:%Y-%m-%d %H:%M} UTC already"
        )
    outcome = attrs.evolve(
        question, state="done", result=_stored_result(question, value), **_outcome_fields(run, question)
    )
    rows.save_effect(outcome)
    rows.save_job(_with_update(rows, run, job, {"not_before": None}))
    return outcome


def decide(rows: Tables, run: Incarnation, job_id: str, name: str, result: Json, claim: str | None) -> Effect:
    """Record a person's findings about an effect in doubt."""
    job = _existing_job(rows, job_id)
    doubtful = rows.effect(job_id, name)
    if doubtful is None or doubtful.state != "in_doubt":
        others = [each.name for each in rows.effects(job_id) if each.state == "in_doubt"]
        hint = f"; in doubt is {', '.join(map(repr, others))}" if others else ", and nothing else is"
        raise JournalError(f"{name!r} of {job_id!r} is not in doubt{hint}")
    if not run.is_free(job):
        raise JournalLocked(f"{_owner_name(job, run)} works on {job_id!r}; wait until it has finished")
    outcome = _finish(rows, run, doubtful, "refused" if claim is None else "adopted", result, claim)
    rows.save_effect(outcome)
    rows.save_job(_with_update(rows, run, job, {"not_before": None}))
    return outcome


def _stored_result(effect: Effect, result: Json) -> Json:
    """Return the result in the form in which it is stored.

    A result that may be handed out again keeps everything in it that is not secret.
    """
    return (
        redact_for_resend(result) if effect.kind in {"share", "step", "approval"} else redact_observed(result)
    )


def _current_effect(rows: Tables, effect: Effect) -> Effect:
    """Return the effect's present record.

    Raises:
        JournalError: Another try has begun since the caller read the effect.
    """
    current = rows.effect(effect.job_id, effect.name)
    if current is None or current.tries != effect.tries or current.incarnation != effect.incarnation:
        raise JournalError(f"{_describe(effect)} has been tried again since; load it again")
    return current


def _resolve_claim(rows: Tables, effect: Effect, what: str) -> str | None:
    """Return the claim in the form in which it is stored.

    Returns:
        None if another effect holds it, or this effect holds another claim.
    """
    key = claim_key(what)
    if effect.claim not in {None, key}:
        return None
    holder = rows.claimant(key)
    return key if holder in {None, (effect.job_id, effect.name)} else None


def _describe_claimant(rows: Tables, what: str, effect: Effect) -> str:
    holder = rows.claimant(claim_key(what))
    if holder is None:
        return f"it has {effect.claim}"
    advice = "; give each its own idempotency_key" if effect.kind == "create" else ""
    return f"that belongs to {holder[1]!r} of {holder[0]!r}{advice}"


def _describe(effect: Effect) -> str:
    return f"{effect.name!r} of {effect.job_id!r}"


def change_note(rows: Tables, name: str, change: Callable[[Json], Json]) -> Json:
    """Replace a note by a function of it."""
    stored = redact_observed(change(rows.note_named(name)))
    rows.note(name, stored)
    return stored
