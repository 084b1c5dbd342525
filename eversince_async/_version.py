"""The version of this package."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Final

UNKNOWN: Final = "unknown"
"""What stands for the version where the package was frozen, vendored or zipped without its metadata."""


@cache
def own_version() -> str:
    """The installed version; `UNKNOWN` without metadata. Reads and parses a file, once."""
    try:
        # Broken metadata gives None, or has no such field.
        return version("eversince-async") or UNKNOWN
    except (PackageNotFoundError, KeyError):
        return UNKNOWN
