"""The record of a failure.

A later run raises the same error from it, without asking the server.
"""

from collections.abc import Mapping
from contextlib import suppress
from enum import Enum
from typing import Final, Literal

from eversince_async import errors
from eversince_async._wire.endpoints import CREATE_PROJECT, GET_PROJECT, LIST_PROJECTS, LIST_SHARES, RENDER
from eversince_async.durable.doubt import outcome_is_unknown
from eversince_async.errors import (
    ApiError,
    ClientClosed,
    DownloadFailed,
    EversinceError,
    Forbidden,
    InDoubt,
    InsufficientCredits,
    ProjectCancelled,
    ProjectFailed,
    ProjectLimitReached,
    QualityRefused,
    QuotaExhausted,
    RateLimited,
    RecordedFailure,
    RenderProducedNothing,
    TransportError,
    Unauthorized,
    UnexpectedCancellation,
    WaitTimedOut,
)
from eversince_async.journal import Json
from eversince_async.journal.fields import Field
from eversince_async.transfers.download import is_retryable_status

NEEDS_NEW_ATTEMPT: Final = frozenset(
    {ProjectFailed.__name__, ProjectCancelled.__name__, RenderProducedNothing.__name__}
)
"""Errors after which the work has to be done anew.

Nothing can be had of the work that was done."""

OF_THE_ACCOUNT: Final = frozenset(
    {LIST_PROJECTS.name, GET_PROJECT.name, CREATE_PROJECT.name, LIST_SHARES.name}
)
"""Calls that an account may always make.

A 403 there is about the account, not about the request."""

OF_THE_QUALITY: Final = frozenset({RENDER.name})
"""Calls for which a 403 is about the quality.

4K needs a subscription, and the other qualities can be had without one."""

_RENAMED: Final = {
    "AnswerTimedOut": "RequestTimedOut",
    "EarlierFailure": "RecordedFailure",
    "NotAllowedNow": "InvalidProjectState",
    "NotStorable": "NotSerializable",
    "QuotaSpent": "QuotaExhausted",
    "UnreadableAnswer": "InvalidResponse",
}
"""Errors by the names under which older journals recorded them."""


def is_of_the_account(failure: BaseException) -> bool:
    """Return True if a refusal is about the account's key or rights.

    Such a refusal would meet every other request as well.
    """
    match failure:
        case Unauthorized():
            return True
        case Forbidden(is_documented=True, endpoint=endpoint):
            return endpoint in OF_THE_ACCOUNT
        case _:
            return False


def is_of_the_quality(failure: BaseException | None) -> bool:
    """Return True if a render was refused for its quality.

    A render that was held back for its quality counts as well.
    """
    match failure:
        case QualityRefused():
            return True
        case Forbidden(is_documented=True, endpoint=endpoint):
            return endpoint in OF_THE_QUALITY
        case _:
            return False


def kind_of(failure: BaseException) -> str:
    """Return the name of a failure's class.

    A gateway's page is only the general error, regardless of its status.
    """
    is_page = isinstance(failure, ApiError) and not failure.is_documented
    return ApiError.__name__ if is_page else type(failure).__name__


def is_retryable(failure: BaseException) -> bool:
    """Return True if the same work may well continue later.

    The cause of the failure passes by itself, or with money or another key.
    """
    match failure:
        case (
            ClientClosed() | InsufficientCredits() | QuotaExhausted() | Unauthorized() | ProjectLimitReached()
        ):
            return True
        case Forbidden(endpoint=endpoint) if endpoint in OF_THE_ACCOUNT | OF_THE_QUALITY:
            return True
        case TransportError() | RateLimited() | WaitTimedOut() | InDoubt():
            return True
        case DownloadFailed():
            return failure.status is None or is_retryable_status(failure.status)
        case UnexpectedCancellation() | QualityRefused():
            return True
        case EversinceError():
            return outcome_is_unknown(failure)
        case _:
            return False


def current_name(recorded: str) -> str:
    """Return the present name of an error's recorded class.

    An older journal may have recorded the class under another name.
    """
    return _RENAMED.get(recorded, recorded)


def final_status(failure: BaseException) -> Literal["failed", "cancelled"]:
    """Return the final status of a run that failed for good."""
    return "cancelled" if isinstance(failure, ProjectCancelled) else "failed"


def failure_to_json(failure: BaseException) -> dict[str, Json]:
    """Return a failure as the journal keeps it."""
    record: dict[str, Json] = {"type": kind_of(failure), "message": str(failure)}
    if isinstance(failure, EversinceError):
        record["facts"] = {name: value for name, value in vars(failure).items() if _is_json(value)}
    return record


def check(kept: Field) -> None:
    """Check that a field holds the record of a failure.

    Raises:
        UnreadableRow: The field holds another value.
    """
    kept["type"].text()
    kept["message"].text_or_none()
    if (facts := kept.get("facts")) is not None:
        facts.mapping()
        if kept["type"].value == RenderProducedNothing.__name__:
            facts["project_id"].text_or_none()


def failure_from_json(kept: Field) -> EversinceError:
    """Restore a failure from its record.

    Returns:
        The same error, if it was one of this package's; else a `RecordedFailure`.

    Raises:
        UnreadableRow: The field does not hold the record of a failure.
    """
    check(kept)
    name, message, facts = current_name(kept["type"].text()), str(kept["message"].value), kept.get("facts")
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, EversinceError) and facts is not None:
        failure = kind.__new__(kind)
        vars(failure).update(facts.mapping())
        with suppress(Exception):  # its message needs more than the record holds, or has changed since
            if str(failure) == message:
                return failure
    return RecordedFailure(name, message)


def _is_json(value: object) -> bool:
    match value:
        case Enum():
            return isinstance(value, str)
        case None | bool() | int() | float() | str():
            return True
        case Mapping():
            return all(isinstance(name, str) and _is_json(item) for name, item in value.items())
        case list():
            return all(map(_is_json, value))
        case _:
            return False
