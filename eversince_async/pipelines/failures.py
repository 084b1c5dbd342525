"""What is remembered of a failure, so that another run fails of the same without asking the server."""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, Literal

from eversince_async import errors
from eversince_async.errors import (
    ClientClosed,
    DownloadFailed,
    EarlierFailure,
    EversinceError,
    InDoubt,
    InsufficientCredits,
    ProjectCancelled,
    ProjectFailed,
    ProjectLimitReached,
    QuotaSpent,
    RateLimited,
    RenderProducedNothing,
    TransportError,
    Unauthorized,
    WaitTimedOut,
)
from eversince_async.journal import Json
from eversince_async.orchestrator.doubt import is_in_doubt
from eversince_async.orchestrator.download import passes

NEEDS_ANOTHER_TRY: Final = frozenset(
    {ProjectFailed.__name__, ProjectCancelled.__name__, RenderProducedNothing.__name__}
)
"""Errors after which nothing is to be had of what was done, so that it has to be done anew."""


def may_pass(failure: BaseException) -> bool:
    """Whether the same may well go on later: what failed passes by itself, or with money or another key."""
    match failure:
        case ClientClosed() | InsufficientCredits() | QuotaSpent() | Unauthorized() | ProjectLimitReached():
            return True
        case TransportError() | RateLimited() | WaitTimedOut() | InDoubt():
            return True
        case DownloadFailed():
            return failure.status is None or passes(failure.status)
        case EversinceError():
            return is_in_doubt(failure)
        case _:
            return False


def end_of(failure: BaseException) -> Literal["failed", "cancelled"]:
    """What a failure that does not pass makes of a run."""
    return "cancelled" if isinstance(failure, ProjectCancelled) else "failed"


def told(failure: BaseException) -> dict[str, Json]:
    """What the journal keeps of a failure."""
    kept: dict[str, Json] = {"type": type(failure).__name__, "message": str(failure)}
    if isinstance(failure, EversinceError):
        kept["facts"] = {name: value for name, value in vars(failure).items() if _is_plain(value)}
    return kept


def restored(kept: Mapping[str, Any]) -> EversinceError:
    """A failure as it was, if it was one of ours; else what is remembered of it."""
    kind = getattr(errors, kept["type"], None)
    if isinstance(kind, type) and issubclass(kind, EversinceError) and "facts" in kept:
        failure = kind.__new__(kind)
        vars(failure).update(kept["facts"])
        try:
            if str(failure) == kept["message"]:
                return failure
        except AttributeError:  # it says something that could not be kept
            pass
    return EarlierFailure(kept["type"], kept["message"])


def _is_plain(value: object) -> bool:
    match value:
        case Enum():
            return isinstance(value, str)
        case None | bool() | int() | float() | str():
            return True
        case Mapping():
            return all(isinstance(name, str) and _is_plain(item) for name, item in value.items())
        case list():
            return all(map(_is_plain, value))
        case _:
            return False
