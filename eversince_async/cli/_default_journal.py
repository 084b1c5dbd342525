"""The choice of the journal's file."""

import os
from pathlib import Path

from eversince_async.errors import JournalError
from eversince_async.journal.opening import DEFAULT_FILE


def default_journal(given: Path | None) -> Path:
    """Return the given journal file, or the default one of pipelines.

    Raises:
        JournalError: The file does not exist; opening it would create an empty journal.
    """
    path = given or Path(os.environ.get("EVERSINCE_JOURNAL") or DEFAULT_FILE)
    if not path.is_file():
        raise JournalError(f"{path}: there is no such journal; name it with --journal")
    return path
