"""The records of a journal: jobs, and their effects on the server.

Times are aware datetimes. JSON here means the values that `json.loads` returns.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal, get_args

import attrs

from eversince_async.clock import Moment
from eversince_async.errors import JournalLocked
from eversince_async.models._unset import UNSET, Unset

Json = Any
"""A JSON value.

That is None, a bool, a number, a text, or lists and string-keyed mappings of these."""

EffectKind = Literal[
    "create", "message", "render", "share", "cancel", "upload", "download", "step", "approval"
]
"""A kind of effect.

An effect is one thing done to the server or, in a pipeline, by the user's own code or by a person."""

EffectState = Literal["intent", "done", "adopted", "refused", "in_doubt"]
"""The state of an effect.

`intent`: it may happen; `done`: the response was read; `adopted`: it was found on the server later;
`refused`: it definitely did not happen; `in_doubt`: looking does not tell, so a person has to decide."""

QuotaKind = Literal["create", "render"]
"""A kind of effect of which the account has a daily quota."""

KINDS: Final[tuple[EffectKind, ...]] = get_args(EffectKind)
STATES: Final[tuple[EffectState, ...]] = get_args(EffectState)

LEASE_SECONDS: Final = 120.0
"""Seconds that a lease lasts by default.

That is longer than a request may take and its traces may need to show."""


@attrs.frozen(kw_only=True)
class Job:
    """One piece of work under a name that its caller chose.

    Attributes:
        id: The job's name, unique in the journal.
        spec: The work that was requested, as JSON without secrets; see `journal.redaction`.
        spec_sha: The SHA-256 of `spec`, by which another spec under the same name is noticed.
        stage: The job's progress, in its orchestrator's words.
        attempt: The number of the attempt, from 1; a new attempt begins when a project failed and another
            project is to be made.
        project_id: The project, once known; one project belongs to one job.
        last_message_id: The newest message that has been dealt with.
        result: The job's result; None before the end.
        error: The latest error.
        owner: The incarnation that works on the job, or did when it died.
        lease_until: The time from which others may take the job over, by the wall clock; None without an
            owner.
        lease_boot: The boot of the clock by which the lease runs out; None if it was not recorded.
        lease_seconds: The end of the lease, in seconds since that boot.
        not_before: The time before which the job must not continue; None: it may continue at once.
        created_at: The time at which the job was created.
        updated_at: The time at which anything in this record last changed.
        created_change: The number of changes in the journal when the job was created, that one included.
        updated_change: The number of changes when the job last changed; it is greater than that of every
            earlier change.
    """

    id: str
    spec: Json
    spec_sha: str
    stage: str
    attempt: int = 1
    project_id: str | None = None
    last_message_id: str | None = None
    result: Json = None
    error: Json = None
    owner: str | None = None
    lease_until: datetime | None = None
    lease_boot: str | None = None
    lease_seconds: float | None = None
    not_before: datetime | None = None
    created_at: datetime
    updated_at: datetime
    created_change: int = 0
    updated_change: int = 0


@attrs.frozen(kw_only=True)
class JobChange:
    """The changes to make to a job.

    A field that is UNSET stays as it is.

    Attributes:
        stage: As in `Job`.
        attempt: As in `Job`.
        project_id: As in `Job`; None before another attempt.
        last_message_id: As in `Job`.
        result: As in `Job`.
        error: As in `Job`.
        not_before: As in `Job`.
        spec: As in `Job`; for a job whose request changes before anything has come of it.
        release: True to release the lease as well, as the work is over or waits for something.
    """

    stage: str | Unset = UNSET
    attempt: int | Unset = UNSET
    project_id: str | Unset | None = UNSET
    last_message_id: str | Unset | None = UNSET
    result: Json | Unset = UNSET
    error: Json | Unset = UNSET
    not_before: datetime | Unset | None = UNSET
    spec: Json | Unset = UNSET
    release: bool = False

    def values(self) -> Mapping[str, Any]:
        """Return the fields that are set, with their values."""
        fields = attrs.asdict(self, recurse=False, filter=lambda field, _: field.name != "release")
        return {name: value for name, value in fields.items() if value is not UNSET}


NO_CHANGE: Final = JobChange()


class ShareInProgress(JournalLocked):
    """A refusal to share while another share is open.

    The other share is under way or in doubt. Until its outcome is known, no other share may be made.

    Attributes:
        effect: The other share.
    """

    def __init__(self, effect: "Effect") -> None:
        super().__init__(
            f"the outcome of the share of {effect.job_id!r} must be known before another share is made"
        )
        self.effect = effect


@attrs.frozen(kw_only=True)
class Effect:
    """One effect of a job.

    Attributes:
        job_id: The job.
        seq: The effect's number within the job, from 1.
        name: The effect's name within the job, by which it is found again.
        kind: The kind of effect.
        state: The known state of the effect.
        incarnation: The run that wrote the last intent.
        tries: The number of intents so far.
        request: The request, complete enough to recognise its outcome on the server, without secrets.
        baseline: The state of the server before the request, to tell old from new.
        result: The result of the effect.
        claim: The thing that the effect has made on the server (project id, share URL, message id); no other
            effect has it.
        intent_at: The time at which the last intent was written, right before sending.
        done_at: The time at which the outcome became known; None while it is unknown.
        boot: The boot of the clock of the next two fields; None if it was not recorded.
        intent_seconds: The time at which the last intent was written, in seconds since that boot.
        done_seconds: The time at which the outcome became known, if by the same clock.
    """

    job_id: str
    seq: int
    name: str
    kind: EffectKind
    state: EffectState
    incarnation: str
    tries: int = 1
    request: Json = None
    baseline: Json = None
    result: Json = None
    claim: str | None = None
    intent_at: datetime
    done_at: datetime | None = None
    boot: str | None = None
    intent_seconds: float | None = None
    done_seconds: float | None = None

    @property
    def is_open(self) -> bool:
        """True if the outcome is unknown."""
        return self.state in OPEN

    @property
    def intent_moment(self) -> Moment | None:
        """The moment of the last intent, by the boot clock.

        That clock is never set. None if the moment was not recorded.
        """
        return self._moment(self.intent_seconds)

    @property
    def done_moment(self) -> Moment | None:
        """The moment at which the outcome became known, by the boot clock.

        None if the moment was not recorded.
        """
        return self._moment(self.done_seconds)

    def _moment(self, seconds: float | None) -> Moment | None:
        return None if self.boot is None or seconds is None else Moment(self.boot, seconds)


OPEN: Final[frozenset[EffectState]] = frozenset({"intent", "in_doubt"})
"""States in which the outcome is unknown."""

REPEATABLE: Final[frozenset[EffectState]] = frozenset({*OPEN, "refused"})
"""States after which an effect may be tried again."""
