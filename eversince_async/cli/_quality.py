"""The quality that was typed, looked at before anything is paid."""

from eversince_async.errors import InvalidRequest
from eversince_async.orchestrator.options import QUALITIES, Quality, Unchecked


def parse_quality(given: str, *, unchecked: bool) -> Quality:
    """What was typed as a quality.

    Args:
        given: The word.
        unchecked: Whether one that we do not know is sent as it is.

    Raises:
        InvalidRequest: We do not know it.
    """
    if given not in QUALITIES and not unchecked:
        problem = f"must be 1080p or 4k, not {given!r}; --unchecked sends a word newer than this version"
        raise InvalidRequest({"--quality": problem})
    return Unchecked(given)
