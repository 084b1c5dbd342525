"""Whether a failed write may have been carried out all the same."""

from collections.abc import Sequence

from eversince_async.errors import (
    ApiError,
    EversinceError,
    OutcomeUnknown,
    ServerError,
    TransportError,
    UnreadableAnswer,
)


class Ambiguous(OutcomeUnknown):
    """Looking does not tell, as there are several that may be it.

    Attributes:
        candidates: These.
    """

    def __init__(self, reason: str, *, endpoint: str, find_out: str, candidates: Sequence[str]) -> None:
        super().__init__(reason, endpoint=endpoint, find_out=find_out)
        self.candidates = tuple(candidates)


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
