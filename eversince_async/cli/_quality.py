"""The check of a typed quality, before anything is paid for."""

from eversince_async.errors import InvalidRequest
from eversince_async.orchestrator.options import QUALITIES, Quality, Unchecked


def parse_quality(given: str, *, unchecked: bool) -> Quality:
    """Return a typed word as a quality.

    Args:
        given: The word.
        unchecked: True to accept a word that this version does not know.

    Raises:
        InvalidRequest: This version does not know the word.
    """
    if given not in QUALITIES and not unchecked:
        problem = f"must be 1080p or 4k, not {given!r}; --unchecked sends a word newer than this version"
        raise InvalidRequest({"--quality": problem})
    return Unchecked(given)
