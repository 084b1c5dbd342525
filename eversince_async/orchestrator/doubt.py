"""Whether a failed write may have been carried out all the same."""

from eversince_async.errors import (
    EversinceError,
    OutcomeUnknown,
    ServerError,
    TransportError,
    UnreadableAnswer,
)


def is_in_doubt(failure: EversinceError) -> bool:
    """Whether the server may have done what it was asked for."""
    match failure:
        case TransportError():
            return failure.outcome == "unknown"
        case OutcomeUnknown() | ServerError() | UnreadableAnswer():
            return True
        case _:
            return False
