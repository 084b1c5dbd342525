"""Options that many commands take."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from eversince_async.errors import InvalidRequest, JournalError
from eversince_async.journal.opening import DEFAULT_FILE
from eversince_async.orchestrator.options import QUALITIES, Quality, Unchecked

AsJson = Annotated[bool, Parameter(name="--json", negative=())]
"""Print the result as JSON."""

Debug = Annotated[bool, Parameter(name="--debug", negative=())]
"""Show tracebacks and what is sent. `_dispatch` reads this option."""

Yes = Annotated[bool, Parameter(name=["--yes", "-y"], negative=())]
"""Do not ask before credits are spent."""

NoInput = Annotated[bool, Parameter(name="--no-input", negative=())]
"""Never ask; end instead of asking a question."""


def default_journal(given: Path | None) -> Path:
    """Return the given journal file, or the default one of pipelines.

    Raises:
        JournalError: The file does not exist; opening it would create an empty journal.
    """
    path = given or Path(os.environ.get("EVERSINCE_JOURNAL") or DEFAULT_FILE)
    if not path.is_file():
        raise JournalError(f"{path}: there is no such journal; name it with --journal")
    return path


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
