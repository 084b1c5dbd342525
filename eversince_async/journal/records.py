"""What a journal remembers: jobs, and the effects that each of them has had on the server.

Instants are aware datetimes. What is called JSON here is what `json.loads` gives.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal, get_args

import attrs

from eversince_async.clock import Moment
from eversince_async.errors import JournalLocked
from eversince_async.models._unset import UNSET, Unset

Json = Any
"""None, a bool, a number, a text, or lists and string-keyed mappings of these."""

EffectKind = Literal[
    "create", "message", "render", "share", "cancel", "upload", "download", "step", "approval"
]
"""One thing done to the server or, in a pipeline, by the user's own code or by a person."""

EffectState = Literal["intent", "done", "adopted", "refused", "in_doubt"]
"""`intent`: perhaps it happens; `done`: the answer was read; `adopted`: found on the server later;
`refused`: it definitely did not happen; `in_doubt`: looking does not tell, a person has to."""

QuotaKind = Literal["create", "render"]
"""Effects of which the account has only so many a day."""

KINDS: Final[tuple[EffectKind, ...]] = get_args(EffectKind)
STATES: Final[tuple[EffectState, ...]] = get_args(EffectState)

LEASE_SECONDS: Final = 120.0
"""Seconds a lease lives by default: longer than a request may take and its traces may need to show."""


@attrs.frozen(kw_only=True)
class Job:
    """One piece of work under a name that its caller chose.

    Attributes:
        id: Its name, unique in the journal.
        spec: What was asked for, as JSON without secrets; see `journal.stored`.
        spec_sha: SHA-256 of that, by which another spec under the same name is noticed.
        stage: How far it has come, in its orchestrator's words.
        attempt: Counts from 1; a new one when a project failed and another is to be made.
        project_id: The project, once known; one project belongs to one job.
        last_message_id: The newest message that has been dealt with.
        result: What came of it; None before the end.
        error: What went wrong last.
        owner: The incarnation that works on it, or did when it died.
        lease_until: When others may take it over, by the wall clock; None without an owner.
        lease_boot: The boot of the clock by which its lease runs out; None where that was not kept.
        lease_seconds: When it runs out, in seconds since then.
        not_before: When it is to be gone on with; None: at once.
        created_at: When it was first put.
        updated_at: When anything here last changed.
        created_change: How many changes the journal had seen when it was put, with that one.
        updated_change: How many when it last changed: greater than that of whatever was before.
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
    """What to change about a job; whatever stays UNSET is left alone.

    Attributes:
        stage: As in `Job`.
        attempt: As in `Job`.
        project_id: As in `Job`; None before another attempt.
        last_message_id: As in `Job`.
        result: As in `Job`.
        error: As in `Job`.
        not_before: As in `Job`.
        spec: As in `Job`, where something else is asked for that nothing has come of yet.
        release: Whether to let go of the lease with it: the work is over, or waits for something.
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
        """What is set, by field."""
        given = attrs.asdict(self, recurse=False, filter=lambda field, _: field.name != "release")
        return {name: value for name, value in given.items() if value is not UNSET}


NO_CHANGE: Final = JobChange()


class ShareInProgress(JournalLocked):
    """Another share is under way, or in doubt: until that is known, no other may be made.

    Attributes:
        effect: The other one.
    """

    def __init__(self, effect: "Effect") -> None:
        super().__init__(f"the share of {effect.job_id!r} has to be known before another one is made")
        self.effect = effect


@attrs.frozen(kw_only=True)
class Effect:
    """One effect of a job.

    Attributes:
        job_id: The job.
        seq: Its number within the job, from 1.
        name: Its name within the job, by which it is found again.
        kind: What it is.
        state: What is known of it.
        incarnation: The run that wrote the last intent.
        tries: How many intents there were.
        request: What was to be done, complete enough to recognise it on the server, without secrets.
        baseline: What the server showed before, to tell old from new.
        result: What came of it.
        claim: What it has made on the server (project id, share URL, message id); nothing else has it.
        intent_at: When the last intent was written, right before sending.
        done_at: When its outcome was known; None while it is not.
        boot: The boot of the clock that the next two are by; None where that was not kept.
        intent_seconds: When the last intent was written, in seconds since then.
        done_seconds: When its outcome was known, if by the same clock.
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
        """Whether its outcome is not known."""
        return self.state in OPEN

    @property
    def intent_moment(self) -> Moment | None:
        """When the last intent was written, by a clock that nobody sets; None where that was not kept."""
        return self._moment(self.intent_seconds)

    @property
    def done_moment(self) -> Moment | None:
        """When its outcome was known, likewise."""
        return self._moment(self.done_seconds)

    def _moment(self, seconds: float | None) -> Moment | None:
        return None if self.boot is None or seconds is None else Moment(self.boot, seconds)


OPEN: Final[frozenset[EffectState]] = frozenset({"intent", "in_doubt"})
"""States in which the outcome is not known."""

REPEATABLE: Final[frozenset[EffectState]] = frozenset({*OPEN, "refused"})
"""States after which an effect may be tried again."""
