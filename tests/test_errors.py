"""The tree of errors: its shape, its sentences, and that it travels."""

import copy
import inspect
import pickle
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from eversince_async import RateLimit, errors
from eversince_async.errors import EversinceError
from eversince_async.models.account import CreditPackage

TREE = """
EversinceError
  ConfigurationError
  InvalidRequest
  TransportError
    ConnectionFailed
    RequestTimedOut
  OutcomeUnknown
  InvalidResponse
    ResponseTooLarge
  ApiError
    ValidationFailed
    Unauthorized
    InsufficientCredits
    Forbidden
    NotFound
    StatusConflict
      WrongStatus
    PayloadTooLarge
    TooManyRequests
      RateLimited
      ProjectLimitReached
    ServerError
      InternalError
      ServiceUnavailable
  GovernorError
    QuotaExhausted
    WouldWait
  QualityRefused
  LifecycleError
    ProjectFailed
    ProjectCancelled
    InvalidProjectState
    RenderProducedNothing
    WaitTimedOut
    ClientClosed
  JournalError
    JournalLocked
    SpecChanged
      PipelineChanged
    InDoubt
    BelongsToAnother
    OtherAccount
  PipelineError
    ApprovalPending
    SleepPending
    ApprovalExpired
    NotSerializable
  RecordedFailure
  UnexpectedCancellation
  UploadRejected
  DownloadFailed
  WebhookError
    SignatureMismatch
    TimestampOutsideTolerance
    MalformedEvent
"""

API = {
    "message": "Project not found",
    "code": "not_found",
    "endpoint": "projects.get",
    "request_id": "req_1",
    "rate_limit": RateLimit(limit=30, remaining=0),
    "retry_after": 7.0,
}
LIFE = {"project_id": "proj_1", "status": "running", "request_id": "req_1"}


def api(name: str, status: int) -> EversinceError:
    error: EversinceError = getattr(errors, name)(status=status, **API)
    return error


def balanced() -> EversinceError:
    error = errors.InsufficientCredits(status=402, **API)  # type: ignore[arg-type]  # a dict of several types
    error.balance, error.packages = 7.5, (CreditPackage(id="small", price="$15"),)
    return error


def daily() -> EversinceError:
    error = errors.ProjectLimitReached(status=429, **API)  # type: ignore[arg-type]  # likewise
    error.daily = True
    return error


SAMPLES: dict[str, EversinceError] = {
    "EversinceError": EversinceError(),
    "ConfigurationError": errors.ConfigurationError("no API key"),
    "InvalidRequest": errors.InvalidRequest({"brief": "is empty", "title": "is too long"}),
    "TransportError": errors.TransportError("it broke", endpoint="projects.get"),
    "ConnectionFailed": errors.ConnectionFailed("refused", endpoint="projects.get", outcome="never_sent"),
    "RequestTimedOut": errors.RequestTimedOut("no answer within 60 s", endpoint="projects.get"),
    "OutcomeUnknown": errors.OutcomeUnknown(
        "it broke", endpoint="output.render", find_out="read the project", request_id="req_1"
    ),
    "ResponseTooLarge": errors.ResponseTooLarge(5000, endpoint="projects.get", request_id="req_1"),
    "InvalidResponse": errors.InvalidResponse(
        "$.scenes[2].duration", "expected a number", endpoint="content.timeline", request_id="req_1"
    ),
    **{
        name: api(name, status)
        for name, status in {
            "ApiError": 418,
            "ValidationFailed": 400,
            "Unauthorized": 401,
            "Forbidden": 403,
            "NotFound": 404,
            "StatusConflict": 409,
            "WrongStatus": 400,
            "PayloadTooLarge": 413,
            "TooManyRequests": 429,
            "RateLimited": 429,
            "ServerError": 502,
            "InternalError": 500,
            "ServiceUnavailable": 503,
        }.items()
    },
    "InsufficientCredits": balanced(),
    "ProjectLimitReached": daily(),
    "GovernorError": errors.GovernorError(),
    "QualityRefused": errors.QualityRefused(
        "4k", refused_at=datetime(2026, 3, 15, 12, tzinfo=UTC), message="4K needs Pro"
    ),
    "QuotaExhausted": errors.QuotaExhausted("renders", resets_at=datetime(2026, 3, 15, 12, tzinfo=UTC)),
    "WouldWait": errors.WouldWait("28 requests are ahead", seconds=12.5),
    "LifecycleError": errors.LifecycleError("it went wrong", **LIFE),
    "ProjectFailed": errors.ProjectFailed("the provider refused", **LIFE),
    "ProjectCancelled": errors.ProjectCancelled("it was cancelled", **LIFE),
    "InvalidProjectState": errors.InvalidProjectState("there is no video", **LIFE),
    "RenderProducedNothing": errors.RenderProducedNothing("the render ended without a video", **LIFE),
    "WaitTimedOut": errors.WaitTimedOut(
        "the agent's run took longer than 60 s", handle={"project_id": "proj_1"}, **LIFE
    ),
    "ClientClosed": errors.ClientClosed(
        "the client was closed meanwhile", project_id="proj_1", handle={"project_id": "proj_1"}
    ),
    "JournalError": errors.JournalError("the file is no journal"),
    "JournalLocked": errors.JournalLocked("process 7 holds it"),
    "SpecChanged": errors.SpecChanged("mug-1 was used with another brief"),
    "BelongsToAnother": errors.BelongsToAnother("'create' of 'b' cannot have proj_1"),
    "OtherAccount": errors.OtherAccount("campaign.db: belongs to another account"),
    "InDoubt": errors.InDoubt("whether the render was started"),
    "PipelineChanged": errors.PipelineChanged("step 2 is another", key="mug-1", step="produce"),
    "PipelineError": errors.PipelineError("it has no more steps", key="mug-1"),
    "ApprovalPending": errors.ApprovalPending("ship it?", key="mug-1", step="approval"),
    "SleepPending": errors.SleepPending(datetime(2026, 3, 15, 12, tzinfo=UTC), key="mug-1", step="sleep"),
    "ApprovalExpired": errors.ApprovalExpired("ship it?", key="mug-1", step="approval"),
    "NotSerializable": errors.NotSerializable("a socket cannot be stored", key="mug-1", step="post"),
    "RecordedFailure": errors.RecordedFailure("KeyError", "'mug'"),
    "UnexpectedCancellation": errors.UnexpectedCancellation("the source of items"),
    "UploadRejected": errors.UploadRejected("mug.png", "is too large", status=403),
    "DownloadFailed": errors.DownloadFailed("mug.mp4", "the disk is full", status=None),
    "WebhookError": errors.WebhookError("no"),
    "SignatureMismatch": errors.SignatureMismatch("the signature is missing"),
    "TimestampOutsideTolerance": errors.TimestampOutsideTolerance("it is 400 s old"),
    "MalformedEvent": errors.MalformedEvent("it has no event"),
}
"""One of each."""

each = pytest.mark.parametrize("error", SAMPLES.values(), ids=SAMPLES)


def parents() -> dict[str, str]:
    """The tree above, as the parent of each name."""
    found: dict[str, str] = {}
    branch: list[str] = []
    for line in TREE.strip().splitlines():
        name = line.strip()
        depth = (len(line) - len(name)) // 2
        branch[depth:] = [name]
        if depth:
            found[name] = branch[depth - 1]
    return found


def classes() -> Iterator[type[EversinceError]]:
    for value in vars(errors).values():
        if inspect.isclass(value) and issubclass(value, EversinceError):
            yield value


# -- The tree ---------------------------------------------------------------------------------------------


def test_tree_is_as_written_above() -> None:
    assert parents() == {
        cls.__name__: cls.__bases__[0].__name__ for cls in classes() if cls is not EversinceError
    }


def test_drawing_in_the_docstring_has_all_of_them_and_no_other() -> None:
    drawing = (errors.__doc__ or "").split("```")[1]

    builtin = {"TimeoutError", "ValueError"}

    assert {"EversinceError", *parents()} == set(re.findall(r"\b[A-Z][a-z]\w+", drawing)) - builtin


def test_drawing_puts_each_below_its_parent() -> None:
    """As far as lines tell: the first name of each line hangs below the nearest one to its left."""
    drawing = (errors.__doc__ or "").split("```")[1].splitlines()
    branch: list[tuple[int, str]] = []
    for line in drawing:
        drawn = re.match(r"^([│ ]*[├└]─ )(\w+)", line)
        if drawn is None:
            continue
        column = len(drawn[1])
        branch = [(at, name) for at, name in branch if at < column]
        assert parents()[drawn[2]] == (branch[-1][1] if branch else "EversinceError")
        branch.append((column, drawn[2]))


def test_each_has_a_sample_here() -> None:
    assert {"EversinceError", *parents()} == set(SAMPLES)


@pytest.mark.parametrize(
    ("name", "also"),
    [
        ("ConfigurationError", ValueError),
        ("InvalidRequest", ValueError),
        ("RequestTimedOut", TimeoutError),
        ("WaitTimedOut", TimeoutError),
        ("WrongStatus", errors.StatusConflict),
        ("WrongStatus", errors.ValidationFailed),
    ],
)
def test_some_are_caught_as_something_else_too(name: str, also: type[Exception]) -> None:
    assert isinstance(SAMPLES[name], also)


def test_only_timeouts_are_timeouts() -> None:
    """TimeoutError is an OSError; whoever catches those must not get more than timeouts."""
    assert {"RequestTimedOut", "WaitTimedOut"} == {
        name for name, error in SAMPLES.items() if isinstance(error, OSError)
    }


# -- They travel ------------------------------------------------------------------------------------------


def same(one: EversinceError, other: EversinceError) -> bool:
    return type(one) is type(other) and str(one) == str(other) and vars(one) == vars(other)


@each
def test_pickles(error: EversinceError) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert same(error, pickle.loads(pickle.dumps(error, protocol)))


@each
def test_copies(error: EversinceError) -> None:
    assert same(error, copy.copy(error))
    assert same(error, copy.deepcopy(error))


def test_notes_travel_along() -> None:
    error = errors.ConfigurationError("no API key")
    error.add_note("said the client")

    assert ["said the client"] == pickle.loads(pickle.dumps(error)).__notes__


@each
def test_can_be_raised_and_caught(error: EversinceError) -> None:
    with pytest.raises(type(error)) as raised:
        raise error

    assert raised.value is error


# -- They speak -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("ConfigurationError", "no API key"),
        ("InvalidRequest", "brief: is empty; title: is too long"),
        ("TransportError", "projects.get: it broke (the server may have acted on it)"),
        ("ConnectionFailed", "projects.get: refused (the request never left)"),
        ("OutcomeUnknown", "output.render: it may or may not have happened (it broke); read the project"),
        (
            "InvalidResponse",
            "content.timeline: cannot read $.scenes[2].duration: expected a number [request req_1]",
        ),
        ("NotFound", "projects.get: 404 not_found: Project not found [request req_1]"),
        (
            "RateLimited",
            "projects.get: 429 not_found: Project not found [request req_1]; the server asks to wait 7 s",
        ),
        (
            "QualityRefused",
            (
                "the account was refused renders in 4k at 2026-03-15 12:00 UTC (4K needs Pro); nothing was "
                "sent: render in 1080p, or have it asked for again"
            ),
        ),
        ("QuotaExhausted", "today's renders are used up; expect the next at 2026-03-15 12:00 UTC"),
        ("WouldWait", "would have to wait for about 12.5 s: 28 requests are ahead"),
        (
            "ProjectFailed",
            "project proj_1, last seen running: it failed: the provider refused [request req_1]",
        ),
        ("PipelineError", "pipeline 'mug-1': it has no more steps"),
        ("ApprovalPending", "pipeline 'mug-1', step 'approval': waits for an answer: ship it?"),
        ("RecordedFailure", "KeyError: 'mug'"),
        ("UploadRejected", "mug.png: is too large"),
        ("DownloadFailed", "mug.mp4: the disk is full"),
    ],
)
def test_sentence(name: str, sentence: str) -> None:
    assert sentence == str(SAMPLES[name])


@each
def test_repr_is_its_name_and_its_sentence(error: EversinceError) -> None:
    assert f"{type(error).__name__}({str(error)!r})" == repr(error)


@each
def test_says_something(error: EversinceError) -> None:
    if type(error) not in {EversinceError, errors.GovernorError}:  # these are never raised themselves
        assert str(error)


def test_unknown_facts_leave_no_holes() -> None:
    assert "500 error: oops" == str(errors.InternalError("oops", status=500))
    assert "today's projects are used up" == str(errors.QuotaExhausted("projects"))
    assert "would have to wait: no slot" == str(errors.WouldWait("no slot"))
    assert "project (no id yet): gone" == str(errors.LifecycleError("gone", project_id=None))


def test_failed_project_may_give_no_reason() -> None:
    error = errors.ProjectFailed(None, project_id="proj_1")

    assert error.error_message is None
    assert "no reason given" in str(error)


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        ("brief: brief is required", {"brief": "brief is required"}),
        ("a: one; b: two: three", {"a": "one", "b": "two: three"}),
        ("nothing in particular", {}),
        ("", {}),
        ("references[2].url: must be a URL; odd", {"references[2].url": "must be a URL"}),
    ],
)
def test_fields_of_a_validation_error(message: str, fields: dict[str, str]) -> None:
    assert fields == errors.ValidationFailed(message, status=400).fields


# -- They keep secrets ------------------------------------------------------------------------------------

SECRET = "es_live_very-secret"
SIGNED = "https://r2.example/film.mp4?X-Amz-Signature=very-secret"


@pytest.mark.parametrize(
    "error",
    [
        errors.ConfigurationError(f"bad key {SECRET} for {SIGNED}"),
        errors.InvalidRequest({"url": f"{SIGNED} with {SECRET}"}),
        errors.TransportError(f"GET {SIGNED} with {SECRET}", endpoint="download"),
        errors.OutcomeUnknown(f"{SIGNED} {SECRET}", endpoint="output.render", find_out="look"),
        errors.InvalidResponse("$.url", f"{SIGNED} {SECRET}"),
        errors.NotFound(f"{SIGNED} {SECRET}", status=404),
        errors.ProjectFailed(f"{SIGNED} {SECRET}", project_id="proj_1"),
        errors.LifecycleError(f"{SIGNED} {SECRET}", project_id="proj_1"),
        errors.JournalError(f"{SIGNED} {SECRET}"),
        errors.UploadRejected("mug.png", f"{SIGNED} {SECRET}"),
        errors.DownloadFailed("mug.mp4", f"{SIGNED} {SECRET}"),
        errors.WebhookError(f"{SIGNED} {SECRET}"),
        errors.WouldWait(f"{SIGNED} {SECRET}"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_secret_in_any_form(error: EversinceError) -> None:
    """Neither in what it says, nor in its repr, its arguments, its facts, or its pickle."""
    forms = [
        str(error),
        repr(error),
        repr(error.args),
        repr(vars(error)),
        pickle.dumps(error).decode("latin-1"),
    ]

    assert [] == [form for form in forms if "very-secret" in form]


# -- One for each who waits -------------------------------------------------------------------------------


@each
def test_a_copy_is_another_object_with_the_same_facts(error: EversinceError) -> None:
    another = errors.copy_of(error)

    assert another is not error
    assert (type(another), vars(another), str(another)) == (type(error), vars(error), str(error))


def test_copies_share_neither_notes_nor_tracebacks() -> None:
    error = errors.InvalidProjectState("there is no video", project_id="proj_1")
    error.add_note("first")
    first, second = errors.copy_of(error), errors.copy_of(error)
    first.add_note("another")
    with pytest.raises(EversinceError):
        raise first

    assert ["first"] == second.__notes__ == error.__notes__
    assert second.__traceback__ is None


def test_a_copy_keeps_cause_and_context() -> None:
    cause, error = ZeroDivisionError(), errors.InvalidProjectState("no", project_id="proj_1")
    error.__cause__ = cause

    assert cause is errors.copy_of(error).__cause__


class Demanding(Exception):
    """One whose constructor wants what it does not keep."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} {two}")


class Changing(Exception):
    """One that would say something else."""

    def __init__(self, text: str) -> None:
        super().__init__(f"<{text}>")


@pytest.mark.parametrize("error", [Demanding(1, 2), Changing("x")])
def test_what_cannot_be_copied_is_itself(error: Exception) -> None:
    assert error is errors.copy_of(error)


def test_an_error_of_somebody_else_is_copied_if_it_can_be() -> None:
    error = KeyError("mug")
    another = errors.copy_of(error)

    assert another is not error
    assert error.args == another.args
