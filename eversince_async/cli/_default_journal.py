"""Which journal is meant."""

import os
from pathlib import Path

from eversince_async.errors import JournalError
from eversince_async.journal.opening import DEFAULT_FILE


def default_journal(given: Path | None) -> Path:
    """The file that was named, or the one that pipelines use by default.

    Raises:
        JournalError: It is not there; opening it would make an empty one.
    """
    path = given or Path(os.environ.get("EVERSINCE_JOURNAL") or DEFAULT_FILE)
    if not path.is_file():
        raise JournalError(f"{path}: there is no such journal; name it with --journal")
    return path
