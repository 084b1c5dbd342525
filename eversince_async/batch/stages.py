"""The stages of a batch's jobs in the journal."""

from typing import Final

WORKING: Final = "working"
"""Not at its end."""

ENDS: Final = frozenset({"succeeded", "failed", "cancelled"})
"""At its end."""
