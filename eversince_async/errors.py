"""Every error this library raises.

```text
EversinceError
├─ ConfigurationError            key, URL, impossible limits, use across event loops
├─ InvalidRequest                refused here, before anything was sent (.fields); is a ValueError
├─ TransportError                no answer; .outcome = "never_sent" | "unknown"
│  ├─ ConnectionFailed           └─ RequestTimedOut (is a TimeoutError)
├─ OutcomeUnknown                a write may have happened; says how to find out
├─ InvalidResponse              .path ("$.scenes[2].duration")
│  └─ ResponseTooLarge           .limit; set max_response_bytes= higher
├─ ApiError                      .code .status .message .request_id .rate_limit .endpoint .retry_after
│  ├─ ValidationFailed 400 (.fields)
│  ├─ Unauthorized 401
│  ├─ InsufficientCredits 402 (.balance, .packages)
│  ├─ Forbidden 403
│  ├─ NotFound 404
│  ├─ StatusConflict 409         └─ WrongStatus 400 (is a ValidationFailed too)
│  ├─ PayloadTooLarge 413
│  ├─ TooManyRequests 429
│  │  ├─ RateLimited             everybody waits .retry_after
│  │  └─ ProjectLimitReached     wait for a slot, or for tomorrow (.daily)
│  └─ ServerError 5xx ── InternalError 500 | ServiceUnavailable 503
├─ GovernorError ── QuotaExhausted (.quota, .resets_at) | WouldWait (.seconds)
├─ LifecycleError (.project_id .status .request_id)
│  ├─ ProjectFailed (.error_message)      ├─ ProjectCancelled
│  ├─ InvalidProjectState                       ├─ RenderProducedNothing
│  ├─ WaitTimedOut (.handle; is a TimeoutError)
│  └─ ClientClosed (.handle)
├─ QualityRefused                  remembered of a 403 on a render (.quality .refused_at .message)
├─ JournalError ── JournalLocked | InDoubt | BelongsToAnother | OtherAccount
│  └─ SpecChanged ── PipelineChanged (.key .step)
├─ PipelineError (.key .step)
│  ├─ ApprovalPending (.question)         ├─ ApprovalExpired (.question)
│  ├─ SleepPending (.until)               └─ NotSerializable
├─ RecordedFailure (.kind .problem)
├─ UnexpectedCancellation           something waited for was cancelled, and nobody who waits
├─ UploadRejected
├─ DownloadFailed
└─ WebhookError ── SignatureMismatch | TimestampOutsideTolerance | MalformedEvent
```

A different next move is a different class. Errors keep facts as attributes, compose their sentence in
`__str__`, survive pickling, and never contain an API key or the query string of a URL. However much the
server says, they carry at most `MAX_TEXT` characters of it.
"""

import copy
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeVar

from eversince_async._redaction import excerpt, shorten
from eversince_async.limits import REQUEST_WINDOW

if TYPE_CHECKING:
    from eversince_async.models.account import CreditPackage
    from eversince_async.models.receipt import RateLimit


E = TypeVar("E", bound=BaseException)


def _rebuild(cls: type["EversinceError"], facts: dict[str, Any]) -> "EversinceError":
    error = cls.__new__(cls)
    error.__dict__.update(facts)
    return error


class EversinceError(Exception):
    """Base of everything this library raises on purpose."""

    def __new__(cls, *_: object, **__: object) -> Self:
        """Keep nothing in `args`: what a constructor is given may hold secrets, the facts do not."""
        return super().__new__(cls)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by facts: constructors take keywords, which Exception's own way cannot replay."""
        return _rebuild, (type(self), self.__dict__.copy())


def copy_of(error: E) -> E:
    """Copy an error for another task: one object raised in many would collect all their tracebacks.

    The copy has the same facts, cause and notes, and the traceback so far. What cannot be copied is returned
    as it is.
    """
    try:
        another = copy.copy(error)
    except Exception:  # noqa: BLE001 - somebody else's error, whose constructor wants what it does not keep
        return error
    if type(another) is not type(error) or str(another) != str(error):
        return error
    if (notes := getattr(error, "__notes__", None)) is not None:
        another.__notes__ = list(notes)
    another.__cause__, another.__context__ = error.__cause__, error.__context__
    another.__suppress_context__ = error.__suppress_context__
    return another.with_traceback(error.__traceback__)


class ConfigurationError(EversinceError, ValueError):
    """The client cannot work as configured: no key, a bad URL, impossible limits, the wrong event loop.

    Attributes:
        problem: What is wrong and what to do about it.
    """

    def __init__(self, problem: str) -> None:
        self.problem = shorten(problem)

    def __str__(self) -> str:
        return self.problem


class InvalidRequest(EversinceError, ValueError):
    """Refused locally because every revision of the API refuses it; nothing was sent.

    Attributes:
        fields: For each field what is wrong with it and what would be right.
    """

    def __init__(self, fields: Mapping[str, str]) -> None:
        self.fields = {name: shorten(text) for name, text in fields.items()}

    def __str__(self) -> str:
        return "; ".join(f"{name}: {text}" for name, text in self.fields.items())


# -- No answer, or none that can be read ------------------------------------------------------------------

Outcome = Literal["never_sent", "unknown"]
"""What the server may have done: surely nothing, or perhaps everything."""


class TransportError(EversinceError):
    """No answer arrived.

    Attributes:
        endpoint: What was called, e.g. `projects.create`.
        reason: What went wrong underneath.
        outcome: `never_sent` when the request surely did not reach the server, else `unknown`.
        is_local: Whether this machine lacks something for it, such as room for more open files.
    """

    def __init__(
        self, reason: str, *, endpoint: str, outcome: Outcome = "unknown", is_local: bool = False
    ) -> None:
        self.reason = shorten(reason)
        self.endpoint = endpoint
        self.outcome: Outcome = outcome
        self.is_local = is_local

    def __str__(self) -> str:
        doubt = (
            "the request never left" if self.outcome == "never_sent" else "the server may have acted on it"
        )
        return f"{self.endpoint}: {self.reason} ({doubt})"


class ConnectionFailed(TransportError):
    """The connection could not be made, or broke before the whole answer had arrived."""


class RequestTimedOut(TransportError, TimeoutError):
    """The answer did not arrive in time."""


class OutcomeUnknown(EversinceError):
    """A write was sent, no definite answer came back, and repeating it could do it twice.

    The failure underneath is the `__cause__`.

    Attributes:
        endpoint: What was called, e.g. `output.render`.
        reason: Why the outcome is not known.
        find_out: How to see whether the write happened.
        request_id: The `X-Request-Id` of the answer, if there was one.
    """

    def __init__(self, reason: str, *, endpoint: str, find_out: str, request_id: str | None = None) -> None:
        self.reason = shorten(reason)
        self.endpoint = endpoint
        self.find_out = find_out
        self.request_id = request_id

    def __str__(self) -> str:
        return f"{self.endpoint}: it may or may not have happened ({self.reason}); {self.find_out}"


class InvalidResponse(EversinceError):
    """The server answered something this library cannot read where it must.

    Attributes:
        path: Where, e.g. `$.scenes[2].duration`; `$` is the whole body.
        problem: What was expected and what came.
        endpoint: What was called; None when the data did not come from a call.
        request_id: The answer's `X-Request-Id`, to quote to support.
    """

    def __init__(
        self, path: str, problem: str, *, endpoint: str | None = None, request_id: str | None = None
    ) -> None:
        self.path = shorten(path)
        self.problem = shorten(problem)
        self.endpoint = endpoint
        self.request_id = request_id

    def __str__(self) -> str:
        where = f"{self.endpoint}: " if self.endpoint else ""
        return f"{where}cannot read {self.path}: {self.problem}{_quote(self.request_id)}"


class ResponseTooLarge(InvalidResponse):
    """The answer is larger than the client reads; see its option `max_response_bytes`.

    Attributes:
        limit: Bytes that were read of it.
    """

    def __init__(self, limit: int, *, endpoint: str | None = None, request_id: str | None = None) -> None:
        super().__init__(
            "$",
            f"the answer has more than {limit:,} bytes; set max_response_bytes= of the client higher",
            endpoint=endpoint,
            request_id=request_id,
        )
        self.limit = limit

    def __str__(self) -> str:
        where = f"{self.endpoint}: " if self.endpoint else ""
        return f"{where}{self.problem}{_quote(self.request_id)}"


def _quote(request_id: str | None) -> str:
    return "" if request_id is None else f" [request {excerpt(request_id)}]"


# -- Refusals and failures answered by the server ---------------------------------------------------------


class ApiError(EversinceError):
    """The server answered with an error.

    Attributes:
        message: The server's own words, or a piece of the body when it did not use the envelope.
        status: The HTTP status.
        code: The envelope's `code`; None when the answer had no envelope, see `is_documented`.
        endpoint: What was called, e.g. `projects.get`.
        request_id: The `X-Request-Id`, to log and to quote to support.
        rate_limit: The rate headers of this answer.
        retry_after: Seconds the server asked to wait; None when it did not say.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str | None = None,
        endpoint: str = "",
        request_id: str | None = None,
        rate_limit: "RateLimit | None" = None,
        retry_after: float | None = None,
    ) -> None:
        self.message = shorten(message)
        self.status = status
        self.code = None if code is None else shorten(code, 100)
        self.endpoint = endpoint
        self.request_id = request_id
        self.rate_limit = rate_limit
        self.retry_after = retry_after

    @property
    def is_documented(self) -> bool:
        """Whether the API itself answered, in its documented envelope.

        Anything else, whatever its status, is a page of some gateway on the way: it is nobody's verdict, and
        a write that it answers may have been carried out.
        """
        return self.code is not None

    def __str__(self) -> str:
        where = f"{self.endpoint}: " if self.endpoint else ""
        return f"{where}{self.status} {self.code or 'error'}: {self.message}{_quote(self.request_id)}"


class ValidationFailed(ApiError):
    """A parameter is invalid (400 `validation_error`)."""

    @property
    def fields(self) -> dict[str, str]:
        """The message taken apart by field, as the overview says; parts that name no field are left out."""
        parts = (part.partition(": ") for part in self.message.split("; "))
        return {field: text for field, colon, text in parts if colon}


class Unauthorized(ApiError):
    """No key, or not a valid one (401). Check EVERSINCE_API_KEY; keys begin with `es_live_`."""

    def __str__(self) -> str:
        return f"{super().__str__()}; check the API key (EVERSINCE_API_KEY, it begins with es_live_)"


class InsufficientCredits(ApiError):
    """Too few credits for the action (402).

    Attributes:
        balance: Credits left; None when not asked for.
        packages: What can be bought, with purchase links; empty when not asked for.
    """

    balance: float | None = None
    packages: "Sequence[CreditPackage]" = ()


class Forbidden(ApiError):
    """Not permitted, or the feature needs a Pro plan (403)."""


class NotFound(ApiError):
    """No such resource, or an operation this server's revision does not have (404)."""


class StatusConflict(ApiError):
    """The project's status does not allow this now (409, or 400 as `WrongStatus`): read it again."""


class WrongStatus(StatusConflict, ValidationFailed):
    """A wrong-status refusal that came as 400, as the catalogue has it for cancel and messages.

    The documents use 400 and 409 for the same thing. A 400 that names no field, on a call whose outcome
    depends on the project's status, is this class, so that `except StatusConflict` catches both.
    """


class PayloadTooLarge(ApiError):
    """The body is over 1 MB (413)."""


class TooManyRequests(ApiError):
    """A limit of the account is reached (429)."""


_DAILY: Final = frozenset({"projects.create", "output.render"})
"""Endpoints with a limit of the day."""


class RateLimited(TooManyRequests):
    """Too many requests this minute (429 `rate_limited`); every key of the account must wait.

    The day's renders may answer with the same code (which one is not documented); see
    `is_daily_limit`.
    """

    @property
    def is_daily_limit(self) -> bool:
        """Whether the answer itself shows that another limit than the minute's was reached.

        It does when the wait it asks for is longer than two windows of a minute. Where it asks for none, or
        for what the day has only so many of, it does when its headers say that requests are left.
        """
        if self.retry_after is not None and self.retry_after > 2 * REQUEST_WINDOW:
            return True
        is_left = self.rate_limit is not None and (self.rate_limit.remaining or 0) > 0
        return is_left and (self.retry_after is None or self.endpoint in _DAILY)

    def __str__(self) -> str:
        wait = "" if self.retry_after is None else f"; the server asks to wait {self.retry_after:g} s"
        return super().__str__() + wait


class ProjectLimitReached(TooManyRequests):
    """Too many projects (429 `project_limit`): five are active, or today's are used up.

    A short wait does not cure this: wait until a project settles, or for tomorrow.

    Attributes:
        daily: True when the daily limit was reached, False when the active-project limit was, None while
            unknown: the answer does not tell, only a look at the account's projects does.
    """

    daily: bool | None = None


class ServerError(ApiError):
    """The server, or a gateway before it, failed (5xx)."""


class InternalError(ServerError):
    """Server error (500); a write may or may not have happened."""


class ServiceUnavailable(ServerError):
    """Temporarily unavailable (503)."""


BY_CODE: Final[Mapping[str, type[ApiError]]] = {
    "validation_error": ValidationFailed,
    "unauthorized": Unauthorized,
    "insufficient_credits": InsufficientCredits,
    "forbidden": Forbidden,
    "not_found": NotFound,
    "conflict": StatusConflict,
    "payload_too_large": PayloadTooLarge,
    "rate_limited": RateLimited,
    "project_limit": ProjectLimitReached,
    "internal_error": InternalError,
    "service_unavailable": ServiceUnavailable,
}
"""The documented codes, "Errors" in the overview. A code counts only with its own status family."""

BY_STATUS: Final[Mapping[int, type[ApiError]]] = {
    400: ValidationFailed,
    401: Unauthorized,
    402: InsufficientCredits,
    403: Forbidden,
    404: NotFound,
    409: StatusConflict,
    413: PayloadTooLarge,
    429: RateLimited,
    500: InternalError,
    503: ServiceUnavailable,
}
"""Where an unknown code, or an answer without the envelope, falls."""


def error_class(status: int, code: str | None) -> type[ApiError]:
    """The class for an answer: by status, refined by a known code of the same family.

    `rate_limited` may come with 503 (notes of May) and is then still a `ServiceUnavailable`: what to do
    next follows from the status.
    """
    by_status = BY_STATUS.get(status, ServerError if status >= 500 else ApiError)
    by_code = BY_CODE.get(code or "", by_status)
    same_family = status == 429 and issubclass(by_code, TooManyRequests)
    return by_code if same_family else by_status


# -- The account's limits, seen from here -----------------------------------------------------------------


class GovernorError(EversinceError):
    """The account's limits do not allow this now, by our own count; nothing was sent."""


class QuotaExhausted(GovernorError):
    """Today's projects or renders are used up.

    Attributes:
        quota: `projects` or `renders`.
        resets_at: When the next one is expected to be free; None when not known.
    """

    def __init__(self, quota: str, *, resets_at: datetime | None = None) -> None:
        self.quota = quota
        self.resets_at = resets_at

    def __str__(self) -> str:
        when = "" if self.resets_at is None else f"; expect the next at {self.resets_at:%Y-%m-%d %H:%M} UTC"
        return f"today's {self.quota} are used up{when}"


class WouldWait(GovernorError):
    """The caller asked not to wait, and this would have to.

    Attributes:
        reason: What it would wait for.
        seconds: How long, in seconds; None when not known.
    """

    def __init__(self, reason: str, *, seconds: float | None = None) -> None:
        self.reason = shorten(reason)
        self.seconds = seconds

    def __str__(self) -> str:
        how_long = "" if self.seconds is None else f" for about {self.seconds:.1f} s"
        return f"would have to wait{how_long}: {self.reason}"


# -- The life of a project --------------------------------------------------------------------------------


class LifecycleError(EversinceError):
    """A project did not come to the end that was asked for. It is never lost: its id is here.

    Attributes:
        project_id: The project.
        status: Its status when last seen; None when it was never seen.
        request_id: The `X-Request-Id` of the answer that told, if any.
        reason: What happened, in a sentence.
    """

    def __init__(
        self, reason: str, *, project_id: str | None, status: str | None = None, request_id: str | None = None
    ) -> None:
        self.reason = shorten(reason)
        self.project_id = project_id
        self.status = status
        self.request_id = request_id

    def __str__(self) -> str:
        which = "project (no id yet)" if self.project_id is None else f"project {excerpt(self.project_id)}"
        status = "" if self.status is None else f", last seen {excerpt(self.status)}"
        return f"{which}{status}: {self.reason}{_quote(self.request_id)}"


class ProjectFailed(LifecycleError):
    """The project failed.

    Attributes:
        error_message: The server's `error_message`; None when it gave none.
    """

    def __init__(
        self,
        error_message: str | None,
        *,
        project_id: str | None,
        status: str | None = "failed",
        request_id: str | None = None,
    ) -> None:
        super().__init__(
            f"it failed: {error_message or 'no reason given'}",
            project_id=project_id,
            status=status,
            request_id=request_id,
        )
        self.error_message = None if error_message is None else shorten(error_message)


class ProjectCancelled(LifecycleError):
    """The project was cancelled, by this account or in the studio."""


class InvalidProjectState(LifecycleError):
    """What was asked for cannot be done with the project as it stands."""


class RenderProducedNothing(LifecycleError):
    """A render ended without a video."""


class WaitTimedOut(LifecycleError, TimeoutError):
    """The time allowed for waiting is over; the project goes on by itself.

    Attributes:
        handle: What to give to `eversince.resume()` to wait on, JSON-serialisable.
    """

    def __init__(
        self,
        reason: str,
        *,
        project_id: str | None,
        status: str | None = None,
        request_id: str | None = None,
        handle: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(reason, project_id=project_id, status=status, request_id=request_id)
        self.handle = handle


class ClientClosed(LifecycleError):
    """The client was closed while this waited; the project goes on by itself.

    Attributes:
        handle: What to give to `eversince.resume()` of another client to wait on, JSON-serialisable; None
            where it is enough to ask again.
    """

    def __init__(
        self, reason: str, *, project_id: str | None, handle: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(reason, project_id=project_id)
        self.handle = handle

    def __str__(self) -> str:
        return super().__str__() if self.project_id is not None else self.reason


class QualityRefused(EversinceError):
    """The account was refused renders of this quality within the last day; nothing was sent, or paid.

    4k needs a Pro subscription, and only a render tells whether an account has one. It is asked for again
    after a day, by a batch with `retry_failed=True`, or when a finished project is rendered so.

    Attributes:
        quality: What was asked for.
        refused_at: When the server refused it.
        message: The server's words.
    """

    def __init__(self, quality: str, *, refused_at: datetime, message: str) -> None:
        self.quality = quality
        self.refused_at = refused_at
        self.message = shorten(message)

    def __str__(self) -> str:
        return (
            f"the account was refused renders in {self.quality} at {self.refused_at:%Y-%m-%d %H:%M} UTC "
            f"({self.message}); nothing was sent: render in 1080p, or have it asked for again"
        )


# -- The journal ------------------------------------------------------------------------------------------


class JournalError(EversinceError):
    """The journal cannot be used as asked; its file is left as it was.

    Attributes:
        problem: What is wrong and what to do about it.
    """

    def __init__(self, problem: str) -> None:
        self.problem = shorten(problem)

    def __str__(self) -> str:
        return self.problem


class JournalLocked(JournalError):
    """Another process holds the journal, or the lease of this piece of work."""


class SpecChanged(JournalError):
    """The same key was used before with another brief, other options, or other code."""


class PipelineChanged(SpecChanged):
    """A pipeline does something else, under its old key, than an earlier run of it has done.

    Attributes:
        key: The key.
        step: The step that is another one now.
    """

    def __init__(self, problem: str, *, key: str, step: str) -> None:
        super().__init__(problem)
        self.key = key
        self.step = step


class BelongsToAnother(JournalError):
    """What the server says that a piece of work has made is another's: each project is of one alone."""


class OtherAccount(JournalError):
    """The journal belongs to another server or account than the client's; nothing was asked for.

    Projects of one account are not known to another: rows under way would be lost, and those to come paid
    for by somebody else. `allow_other_account=True` makes the journal this account's.
    """


class InDoubt(JournalError):
    """Whether something happened cannot be told by looking; a person has to, and says so: `eversince.decide`.

    Attributes:
        key: Of which item, or pipeline; None where there is none.
        effect: What it is, by its name in the journal, such as `share`.
        candidates: What it may have made: the addresses of public pages, or ids of projects.
    """

    def __init__(
        self,
        problem: str,
        *,
        key: str | None = None,
        effect: str | None = None,
        candidates: Sequence[str] = (),
    ) -> None:
        super().__init__(problem)
        self.key = key
        self.effect = effect
        self.candidates = tuple(candidates)


# -- Pipelines --------------------------------------------------------------------------------------------


class PipelineError(EversinceError):
    """A pipeline cannot go on.

    Attributes:
        problem: What is wrong and what to do.
        key: The key it runs under.
        step: The name of the step it is at; None where it is about no step.
    """

    def __init__(self, problem: str, *, key: str, step: str | None = None) -> None:
        self.problem = shorten(problem)
        self.key = key
        self.step = step

    def __str__(self) -> str:
        at = "" if self.step is None else f", step {self.step!r}"
        return f"pipeline {self.key!r}{at}: {self.problem}"


class ApprovalPending(PipelineError):
    """It waits for an approval, and nobody waits for that here; `approve`, and run it again.

    Attributes:
        question: What it asks.
    """

    def __init__(self, question: str, *, key: str, step: str) -> None:
        super().__init__(f"waits for an answer: {question}", key=key, step=step)
        self.question = question


class SleepPending(PipelineError):
    """It sleeps, and who ran it was told to stop; run it again to go on.

    Attributes:
        until: When it goes on.
    """

    def __init__(self, until: datetime, *, key: str, step: str) -> None:
        super().__init__(f"sleeps until {until.isoformat(timespec='seconds')}", key=key, step=step)
        self.until = until


class ApprovalExpired(PipelineError):
    """Nobody has answered in time.

    Attributes:
        question: What it asked.
    """

    def __init__(self, question: str, *, key: str, step: str) -> None:
        super().__init__(f"nobody has answered in time: {question}", key=key, step=step)
        self.question = question


class NotSerializable(PipelineError):
    """A result cannot be kept in the journal, or would not come back as what it was."""


class UnexpectedCancellation(EversinceError):
    """Something that was waited for was cancelled, while nobody had cancelled who waited.

    A `CancelledError` would be taken for a cancellation of the task that gets it, and mostly for no error.

    Attributes:
        what: What ended with `CancelledError`.
    """

    def __init__(self, what: str) -> None:
        self.what = what

    def __str__(self) -> str:
        return f"{self.what} ended with CancelledError, although nobody had cancelled it from here"


class RecordedFailure(EversinceError):
    """What an earlier run has failed of, as the journal remembers it.

    Attributes:
        kind: The name of the error's class.
        problem: What it said.
    """

    def __init__(self, kind: str, problem: str) -> None:
        self.kind = kind
        self.problem = shorten(problem)

    def __str__(self) -> str:
        return f"{self.kind}: {self.problem}"


# -- Files ------------------------------------------------------------------------------------------------


class UploadRejected(EversinceError):
    """A file cannot be uploaded: too large, of a type the API does not take, or refused by the store.

    Attributes:
        name: The file's name.
        problem: What is wrong and what would be right.
        status: The store's HTTP status; None when refused here, before a byte was sent.
    """

    def __init__(self, name: str, problem: str, *, status: int | None = None) -> None:
        self.name = name
        self.problem = shorten(problem)
        self.status = status

    def __str__(self) -> str:
        return f"{self.name}: {self.problem}"


class DownloadFailed(EversinceError):
    """A file could not be downloaded; what has arrived is kept in the `.part` file.

    Attributes:
        path: Where the file was to be.
        problem: What went wrong.
        status: The HTTP status of the refusal, if it was one.
        is_local: Whether this machine's disk is full, or cannot be written to.
    """

    def __init__(self, path: str, problem: str, *, status: int | None = None, is_local: bool = False) -> None:
        self.path = path
        self.problem = shorten(problem)
        self.status = status
        self.is_local = is_local

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


# -- Webhooks ---------------------------------------------------------------------------------------------


class WebhookError(EversinceError):
    """A webhook delivery that must not be trusted, or cannot be read.

    Attributes:
        problem: What is wrong with it.
    """

    def __init__(self, problem: str) -> None:
        self.problem = shorten(problem)

    def __str__(self) -> str:
        return self.problem


class SignatureMismatch(WebhookError):
    """The signature is missing or not the one the secret gives."""


class TimestampOutsideTolerance(WebhookError):
    """The delivery is too old, or from the future."""


class MalformedEvent(WebhookError):
    """The delivery is signed but is no event."""
