"""Doubt: a failed write may have been carried out all the same.

Only the API's own error envelope is a refusal. Every other failure leaves a write in doubt: its effect is
looked for before it is sent again. Some gateway pages would come again at each try: once the effect has been
looked for in vain, such a page is raised as it is, and the write is left for later.
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
"""The largest error of the clock that dates the server's records.

The error is counted against the clock of the server's responses."""


def is_made_before(at: datetime | None, since: datetime) -> bool:
    """Return True if a record is certainly older than a time.

    A record without a time, or with an absurd one, is not. A server that has no time may say 1 January of the
    year 1, or of 1970.
    """
    return at is not None and _is_plausible(at) and at < since - SKEW


def is_made_after(at: datetime | None, until: datetime) -> bool:
    """Return True if a record is certainly newer than a time.

    A record without a time, or with an absurd one, is not.
    """
    return at is not None and _is_plausible(at) and at > until + SKEW


def _is_plausible(at: datetime) -> bool:
    return DATES[0] <= at.timestamp() <= DATES[1]


class AmbiguousOutcome(OutcomeUnknown):
    """An outcome that looking cannot tell, as there are several candidates.

    Attributes:
        candidates: The things on the server that may be the effect's.
    """

    def __init__(self, reason: str, *, endpoint: str, find_out: str, candidates: Sequence[str]) -> None:
        super().__init__(reason, endpoint=endpoint, find_out=find_out)
        self.candidates = tuple(candidates)


def lasting_page(failure: EversinceError) -> ApiError | None:
    """Return the gateway's page behind a failure, if it would last.

    A page lasts if the same write would meet it again.
    """
    page = failure.__cause__ if isinstance(failure, OutcomeUnknown) else failure
    return page if isinstance(page, ApiError) and will_last(page) else None


OVERDUE: Final = frozenset({408, 504, 522, 524})
"""Statuses of gateways that have waited for the API in vain.

The request may be under way there."""


def may_arrive_late(failure: EversinceError) -> bool:
    """Return True if a write in doubt may still arrive.

    A client or a gateway has stopped waiting, so the request may still be on its way.
    """
    match failure:
        case RequestTimedOut():
            return True
        case ApiError(is_documented=False):
            return failure.status in OVERDUE
        case _:
            return False


def outcome_is_unknown(failure: EversinceError) -> bool:
    """Return True if the server may have carried out a failed request.

    Only the API's own error envelope is a refusal.
    """
    match failure:
        case TransportError():
            return failure.outcome == "unknown"
        case OutcomeUnknown() | ServerError() | InvalidResponse():
            return True
        case ApiError():
            return not failure.is_documented
        case _:
            return False
