"""Whether a failed write may have been carried out all the same.

Only the API's own envelope is a refusal. Everything else leaves a write in doubt: it is looked for before it
is sent again. Some pages of gateways would meet it each time: so once it has been looked for in vain, these
are told as they are, and the write is left to another day.
"""

from collections.abc import Sequence
from typing import Final

from eversince_async.errors import (
    AnswerTimedOut,
    ApiError,
    EversinceError,
    OutcomeUnknown,
    ServerError,
    TransportError,
    UnreadableAnswer,
)
from eversince_async.session.retry import will_last


class Ambiguous(OutcomeUnknown):
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
        case AnswerTimedOut():
            return True
        case ApiError(is_documented=False):
            return failure.status in OVERDUE
        case _:
            return False


def is_in_doubt(failure: EversinceError) -> bool:
    """Whether the server may have done what it was asked for: only its own envelope is a refusal."""
    match failure:
        case TransportError():
            return failure.outcome == "unknown"
        case OutcomeUnknown() | ServerError() | UnreadableAnswer():
            return True
        case ApiError():
            return not failure.is_documented
        case _:
            return False
