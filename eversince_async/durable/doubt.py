"""Whether a failed write may have been carried out all the same.

Only the API's own envelope is a refusal. Everything else leaves a write in doubt: it is looked for before it
is sent again. Some pages of gateways would meet it each time: so once it has been looked for in vain, these
are told as they are, and the write is left to another day.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from eversince_async._wire.responses import DATES
from eversince_async.errors import (
    ApiError,
    EversinceError,
    InvalidResponse,
    OutcomeUnknown,
    RequestTimedOut,
    ServerError,
    TransportError,
)
from eversince_async.session.retry import will_last

SKEW: Final = timedelta(seconds=60)
"""How far the clock of whatever dates the server's records may be off that of its answers."""


def is_made_before(at: datetime | None, since: datetime) -> bool:
    """Whether a record is known to be older than that. One without a time, or with an absurd one, is not.

    Where a server has no time, it may say 1 January of the year 1, or of 1970.
    """
    return at is not None and _is_plausible(at) and at < since - SKEW


def is_made_after(at: datetime | None, until: datetime) -> bool:
    """Whether a record is known to be newer than that, likewise."""
    return at is not None and _is_plausible(at) and at > until + SKEW


def _is_plausible(at: datetime) -> bool:
    return DATES[0] <= at.timestamp() <= DATES[1]


class AmbiguousOutcome(OutcomeUnknown):
    """Looking does not tell, as there are several that may be it.

    Attributes:
        candidates: These.
    """

    def __init__(self, reason: str, *, endpoint: str, find_out: str, candidates: Sequence[str]) -> None:
        super().__init__(reason, endpoint=endpoint, find_out=find_out)
        self.candidates = tuple(candidates)


def lasting_page(failure: EversinceError) -> ApiError | None:
    """The page of a gateway behind a failure, if the same write would meet it again."""
    page = failure.__cause__ if isinstance(failure, OutcomeUnknown) else failure
    return page if isinstance(page, ApiError) and will_last(page) else None


OVERDUE: Final = frozenset({408, 504, 522, 524})
"""Statuses of gateways that have waited for the API in vain; what was asked may be under way there."""


def may_arrive_late(failure: EversinceError) -> bool:
    """Whether a write in doubt may well be on its way still, as somebody only grew tired of waiting."""
    match failure:
        case RequestTimedOut():
            return True
        case ApiError(is_documented=False):
            return failure.status in OVERDUE
        case _:
            return False


def outcome_is_unknown(failure: EversinceError) -> bool:
    """Whether the server may have done what it was asked for: only its own envelope is a refusal."""
    match failure:
        case TransportError():
            return failure.outcome == "unknown"
        case OutcomeUnknown() | ServerError() | InvalidResponse():
            return True
        case ApiError():
            return not failure.is_documented
        case _:
            return False
