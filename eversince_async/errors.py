"""The errors that this library raises.

```text
EversinceError
├─ ConfigurationError            key, URL, impossible limits, use across event loops
├─ InvalidRequest                refused here, before anything was sent (.fields); is a ValueError
├─ TransportError                no response; .outcome = "never_sent" | "unknown"
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
│  │  ├─ RateLimited             every key of the account must wait .retry_after
│  │  └─ ProjectLimitReached     wait for a slot, or for the daily reset (.daily)
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
├─ UnexpectedCancellation           the operation waited for was cancelled, and none of its waiters
├─ UploadRejected
├─ DownloadFailed
└─ WebhookError ── SignatureMismatch | TimestampOutsideTolerance | MalformedEvent
```

Each class stands for a different reaction of the caller. Errors keep facts as attributes, compose their
sentence in `__str__`, survive pickling, and never contain an API key or the query string of a URL. However
long the server's text is, an error carries at most `MAX_TEXT` characters of it.
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
    """The base class of every error that this library raises on purpose."""

    def __new__(cls, *_: object, **__: object) -> Self:
        """Keep `args` empty: a constructor's arguments may hold secrets.

        The facts hold none.
        """
        return super().__new__(cls)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by facts: the default replays positional arguments, but constructors take keywords."""
        return _rebuild, (type(self), self.__dict__.copy())


def copy_of(error: E) -> E:
    """Copy an error for another task.

    One object raised in many tasks would collect all their tracebacks. The copy has the same facts, cause and
    notes, and the traceback so far. An error that cannot be copied is returned as it is.
    """
    try:
        another = copy.copy(error)
    except Exception:  # noqa: BLE001 - an error of other code, whose constructor needs what it did not store
        return error
    if type(another) is not type(error) or str(another) != str(error):
        return error
    if (notes := getattr(error, "__notes__", None)) is not None:
        another.__notes__ = list(notes)
    another.__cause__, another.__context__ = error.__cause__, error.__context__
    another.__suppress_context__ = error.__suppress_context__
    return another.with_traceback(error.__traceback__)


class ConfigurationError(EversinceError, ValueError):
    """A configuration that the client cannot work with.

    There is no key, a URL is bad, limits are impossible, or the event loop is the wrong one.

    Attributes:
        problem: The problem, and its remedy.
    """

    def __init__(self, problem: str) -> None:
        self.problem = shorten(problem)

    def __str__(self) -> str:
        return self.problem


class InvalidRequest(EversinceError, ValueError):
    """A request refused here because every revision of the API refuses it.

    Nothing was sent.

    Attributes:
        fields: For each field its problem, and what would be right.
    """

    def __init__(self, fields: Mapping[str, str]) -> None:
        self.fields = {name: shorten(text) for name, text in fields.items()}

    def __str__(self) -> str:
        return "; ".join(f"{name}: {text}" for name, text in self.fields.items())


# -- No response, or an unreadable one --------------------------------------------------------------------

Outcome = Literal["never_sent", "unknown"]
"""The effect at the server: surely none (`never_sent`), or any (`unknown`)."""


class TransportError(EversinceError):
    """A request without a response.

    Attributes:
        endpoint: The called endpoint, e.g. `projects.create`.
        reason: The failure of the connection.
        outcome: `never_sent` if the request surely did not reach the server, else `unknown`.
        is_local: True if this machine lacks something for the request, such as room for more open files.
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
    """A connection that could not be made, or broke too early.

    It broke before the whole response had arrived.
    """


class RequestTimedOut(TransportError, TimeoutError):
    """A response that did not arrive in time."""


class OutcomeUnknown(EversinceError):
    """A write that may have happened; repeating could do it twice.

    The write was sent, but no definite response came back. The underlying failure is the `__cause__`.

    Attributes:
        endpoint: The called endpoint, e.g. `output.render`.
        reason: The reason why the outcome is not known.
        find_out: The way to see whether the write happened.
        request_id: The `X-Request-Id` of the response, if there was one.
    """

    def __init__(self, reason: str, *, endpoint: str, find_out: str, request_id: str | None = None) -> None:
        self.reason = shorten(reason)
        self.endpoint = endpoint
        self.find_out = find_out
        self.request_id = request_id

    def __str__(self) -> str:
        return f"{self.endpoint}: it may or may not have happened ({self.reason}); {self.find_out}"


class InvalidResponse(EversinceError):
    """A response that this library must read, but cannot.

    Attributes:
        path: The place in the body, e.g. `$.scenes[2].duration`; `$` is the whole body.
        problem: The expected value and the received one.
        endpoint: The called endpoint; None if the data did not come from a call.
        request_id: The response's `X-Request-Id`, to quote to support.
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
    """A response larger than the client's option `max_response_bytes`.

    Attributes:
        limit: The number of bytes that were read.
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


# -- Error responses of the server ------------------------------------------------------------------------


class ApiError(EversinceError):
    """An error response of the server.

    Attributes:
        message: The server's own words, or a piece of the body if it did not use the envelope.
        status: The HTTP status.
        code: The envelope's `code`; None if the response had no envelope, see `is_documented`.
        endpoint: The called endpoint, e.g. `projects.get`.
        request_id: The `X-Request-Id`, to log and to quote to support.
        rate_limit: The rate headers of this response.
        retry_after: Seconds that the server asked to wait; None if it did not say.
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
        """True if the API itself responded, in its documented envelope.

        Any other response, of any status, is a page of some gateway on the way: it says nothing about the
        request, and a write that it answers may have been carried out.
        """
        return self.code is not None

    def __str__(self) -> str:
        where = f"{self.endpoint}: " if self.endpoint else ""
        return f"{where}{self.status} {self.code or 'error'}: {self.message}{_quote(self.request_id)}"


class ValidationFailed(ApiError):
    """A request with an invalid parameter (400 `validation_error`)."""

    @property
    def fields(self) -> dict[str, str]:
        """The message by field, split as the API overview describes.

        Parts of the message that name no field are left out.
        """
        parts = (part.partition(": ") for part in self.message.split("; "))
        return {field: text for field, colon, text in parts if colon}


class Unauthorized(ApiError):
    """A request without a key, or without a valid one (401).

    Check EVERSINCE_API_KEY; keys begin with `es_live_`.
    """

    def __str__(self) -> str:
        return f"{super().__str__()}; check the API key (EVERSINCE_API_KEY, it begins with es_live_)"


class InsufficientCredits(ApiError):
    """Too few credits for the action (402).

    Attributes:
        balance: Credits left; None if they were not asked for.
        packages: The packages that can be bought, with purchase links; empty if they were not asked for.
    """

    balance: float | None = None
    packages: "Sequence[CreditPackage]" = ()


class Forbidden(ApiError):
    """A forbidden action, or one that needs a Pro plan (403)."""


class NotFound(ApiError):
    """A missing resource, or an operation that this server's revision lacks (404)."""


class StatusConflict(ApiError):
    """An action that the project's status does not allow now.

    The status is 409, or 400 as `WrongStatus`. Read the project again.
    """


class WrongStatus(StatusConflict, ValidationFailed):
    """A refusal because of the project's status that came as 400.

    The catalogue has it so for cancel and messages; the documents use 400 and 409 for the same thing. A 400
    that names no field, on a call whose outcome depends on the project's status, is this class, so that
    `except StatusConflict` catches both.
    """


class PayloadTooLarge(ApiError):
    """A body over 1 MB (413)."""


class TooManyRequests(ApiError):
    """A reached limit of the account (429)."""


_DAILY: Final = frozenset({"projects.create", "output.render"})
"""Endpoints with a daily limit."""


class RateLimited(TooManyRequests):
    """Too many requests this minute (429 `rate_limited`); the whole account must wait.

    The limit holds for every key of the account. The day's renders may answer with the same code (which one
    is not documented); see `is_daily_limit`.
    """

    @property
    def is_daily_limit(self) -> bool:
        """True if the response shows another limit than the minute's.

        It does so if it asks for a wait longer than two windows of a minute. If it asks for no wait, or the
        endpoint has a daily limit, it does so if its headers say that requests are left.
        """
        if self.retry_after is not None and self.retry_after > 2 * REQUEST_WINDOW:
            return True
        is_left = self.rate_limit is not None and (self.rate_limit.remaining or 0) > 0
        return is_left and (self.retry_after is None or self.endpoint in _DAILY)

    def __str__(self) -> str:
        wait = "" if self.retry_after is None else f"; the server asks to wait {self.retry_after:g} s"
        return super().__str__() + wait


class ProjectLimitReached(TooManyRequests):
    """Too many projects (429 `project_limit`).

    Five are active, or today's are used up. A short wait does not help: wait until a project settles, or for
    the daily reset.

    Attributes:
        daily: True if the daily limit was reached, False if the active-project limit was, None while
            unknown: the response does not tell, only a list of the account's projects does.
    """

    daily: bool | None = None


class ServerError(ApiError):
    """A failure of the server, or of a gateway before it (5xx)."""


class InternalError(ServerError):
    """A server error (500); a write may or may not have happened."""


class ServiceUnavailable(ServerError):
    """A temporarily unavailable server (503)."""


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
"""The documented codes ("Errors" in the overview).

A code counts only with its own status family.
"""

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
"""The class for an unknown code, or without the envelope."""


def error_class(status: int, code: str | None) -> type[ApiError]:
    """Return the class for a response, by its status and code.

    The status decides; a known code of the same family refines it. `rate_limited` may come with 503 (notes of
    May) and is then still a `ServiceUnavailable`: the caller's reaction follows from the status.
    """
    by_status = BY_STATUS.get(status, ServerError if status >= 500 else ApiError)
    by_code = BY_CODE.get(code or "", by_status)
    same_family = status == 429 and issubclass(by_code, TooManyRequests)
    return by_code if same_family else by_status


# -- The account's limits, by this client's count ---------------------------------------------------------


class GovernorError(EversinceError):
    """A limit of the account, by this client's count.

    Nothing was sent.
    """


class QuotaExhausted(GovernorError):
    """Today's projects or renders are used up.

    Attributes:
        quota: `projects` or `renders`.
        resets_at: The time at which the next one is expected to be free; None if not known.
    """

    def __init__(self, quota: str, *, resets_at: datetime | None = None) -> None:
        self.quota = quota
        self.resets_at = resets_at

    def __str__(self) -> str:
        when = "" if self.resets_at is None else f"; expect the next at {self.resets_at:%Y-%m-%d %H:%M} UTC"
        return f"today's {self.quota} are used up{when}"


class WouldWait(GovernorError):
    """A call that would have to wait, against the caller's wish.

    Attributes:
        reason: The reason for the wait.
        seconds: The length of the wait, in seconds; None if not known.
    """

    def __init__(self, reason: str, *, seconds: float | None = None) -> None:
        self.reason = shorten(reason)
        self.seconds = seconds

    def __str__(self) -> str:
        how_long = "" if self.seconds is None else f" for about {self.seconds:.1f} s"
        return f"would have to wait{how_long}: {self.reason}"


# -- The lifecycle of a project ---------------------------------------------------------------------------


class LifecycleError(EversinceError):
    """A project that did not come to the requested end.

    The project is never lost: the error holds its id.

    Attributes:
        project_id: The project's id.
        status: The project's status in its last observation; None if it was never observed.
        request_id: The `X-Request-Id` of the response that told, if any.
        reason: The event, in a sentence.
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
    """A failed project.

    Attributes:
        error_message: The server's `error_message`; None if it gave none.
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
    """A project that was cancelled, by this account or in the studio."""


class InvalidProjectState(LifecycleError):
    """An action that the project's present state does not allow."""


class RenderProducedNothing(LifecycleError):
    """A render that ended without a video."""


class WaitTimedOut(LifecycleError, TimeoutError):
    """The end of the time allowed for waiting.

    The project goes on by itself.

    Attributes:
        handle: The argument of `eversince.resume()` to wait on, JSON-serialisable.
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
    """A wait that ended because the client was closed.

    The project goes on by itself.

    Attributes:
        handle: The argument of another client's `eversince.resume()` to wait on, JSON-serialisable; None
            where it is enough to call again.
    """

    def __init__(
        self, reason: str, *, project_id: str | None, handle: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(reason, project_id=project_id)
        self.handle = handle

    def __str__(self) -> str:
        return super().__str__() if self.project_id is not None else self.reason


class QualityRefused(EversinceError):
    """A quality that the server refused this account within the last day.

    Nothing was sent, or paid. 4k needs a Pro subscription, and only a render tells whether an account has
    one. The quality is requested again after a day, by a batch with `retry_failed=True`, or when a finished
    project is rendered in it.

    Attributes:
        quality: The requested quality.
        refused_at: The time at which the server refused it.
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
    """A journal that cannot be used as asked.

    Its file is left as it was.

    Attributes:
        problem: The problem, and its remedy.
    """

    def __init__(self, problem: str) -> None:
        self.problem = shorten(problem)

    def __str__(self) -> str:
        return self.problem


class JournalLocked(JournalError):
    """A journal, or a job's lease, that another process holds."""


class SpecChanged(JournalError):
    """A known key with another brief, other options, or other code."""


class PipelineChanged(SpecChanged):
    """A pipeline that differs, under its old key, from an earlier run.

    Attributes:
        key: The pipeline's key.
        step: The step that differs.
    """

    def __init__(self, problem: str, *, key: str, step: str) -> None:
        super().__init__(problem)
        self.key = key
        self.step = step


class BelongsToAnother(JournalError):
    """A result, such as a project, that belongs to another job.

    Each project belongs to one job only.
    """


class OtherAccount(JournalError):
    """A journal of another server or account than the client's.

    Nothing was sent. Projects of one account are not known to another: rows under way would be lost, and
    another account would pay for the rows to come. `allow_other_account=True` makes the journal this
    account's.
    """


class InDoubt(JournalError):
    """An effect in doubt that requests cannot clear up.

    A person has to find out what happened, and records it with `eversince.decide`.

    Attributes:
        key: The key of the item or pipeline; None if there is none.
        effect: The effect's name in the journal, such as `share`.
        candidates: The possible results of the effect: the addresses of public pages, or ids of projects.
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
    """A pipeline that cannot go on.

    Attributes:
        problem: The problem, and its remedy.
        key: The pipeline's key.
        step: The name of the present step; None if the error concerns no step.
    """

    def __init__(self, problem: str, *, key: str, step: str | None = None) -> None:
        self.problem = shorten(problem)
        self.key = key
        self.step = step

    def __str__(self) -> str:
        at = "" if self.step is None else f", step {self.step!r}"
        return f"pipeline {self.key!r}{at}: {self.problem}"


class ApprovalPending(PipelineError):
    """A pipeline that needs an approval while no process waits for it.

    Call `approve`, and run the pipeline again.

    Attributes:
        question: The question to approve.
    """

    def __init__(self, question: str, *, key: str, step: str) -> None:
        super().__init__(f"waits for an answer: {question}", key=key, step=step)
        self.question = question


class SleepPending(PipelineError):
    """A pipeline that was told to stop while it sleeps.

    Run it again to go on.

    Attributes:
        until: The time at which the pipeline goes on.
    """

    def __init__(self, until: datetime, *, key: str, step: str) -> None:
        super().__init__(f"sleeps until {until.isoformat(timespec='seconds')}", key=key, step=step)
        self.until = until


class ApprovalExpired(PipelineError):
    """An approval that was not answered in time.

    Attributes:
        question: The question to approve.
    """

    def __init__(self, question: str, *, key: str, step: str) -> None:
        super().__init__(f"no answer came in time: {question}", key=key, step=step)
        self.question = question


class NotSerializable(PipelineError):
    """A result that the journal cannot store, or would return changed."""


class UnexpectedCancellation(EversinceError):
    """An awaited operation was cancelled although its waiter was not.

    A `CancelledError` would be taken for a cancellation of the task that gets it, and mostly for no error.

    Attributes:
        what: The operation that ended with `CancelledError`.
    """

    def __init__(self, what: str) -> None:
        self.what = what

    def __str__(self) -> str:
        return f"{self.what} ended with CancelledError, although it was not cancelled from here"


class RecordedFailure(EversinceError):
    """The failure of an earlier run, as the journal recorded it.

    Attributes:
        kind: The name of the error's class.
        problem: The error's text.
    """

    def __init__(self, kind: str, problem: str) -> None:
        self.kind = kind
        self.problem = shorten(problem)

    def __str__(self) -> str:
        return f"{self.kind}: {self.problem}"


# -- Files ------------------------------------------------------------------------------------------------


class UploadRejected(EversinceError):
    """A file that cannot be uploaded.

    It is too large, of a type the API does not take, or refused by the store.

    Attributes:
        name: The file's name.
        problem: The problem, and what would be right.
        status: The store's HTTP status; None if the file was refused here, before a byte was sent.
    """

    def __init__(self, name: str, problem: str, *, status: int | None = None) -> None:
        self.name = name
        self.problem = shorten(problem)
        self.status = status

    def __str__(self) -> str:
        return f"{self.name}: {self.problem}"


class DownloadFailed(EversinceError):
    """A file that could not be downloaded.

    The `.part` file keeps what has arrived.

    Attributes:
        path: The path that the file was to be written to.
        problem: The cause of the failure.
        status: The HTTP status of the refusal, if it was one.
        is_local: True if this machine's disk is full, or cannot be written to.
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
        problem: The problem of the delivery.
    """

    def __init__(self, problem: str) -> None:
        self.problem = shorten(problem)

    def __str__(self) -> str:
        return self.problem


class SignatureMismatch(WebhookError):
    """A signature that is missing, or does not match the secret."""


class TimestampOutsideTolerance(WebhookError):
    """A delivery that is too old, or from the future."""


class MalformedEvent(WebhookError):
    """A delivery that is signed, but is no event."""
