"""How far a pipeline's job has come, in the words the journal keeps. A batch uses the same."""

from typing import Final

RUNNING: Final = "working"
"""Not at its end."""

WAITING: Final = "waiting"
"""Not at its end, and nothing is to be done until somebody answers or a time comes."""

FINISHED: Final = frozenset({"succeeded", "failed", "cancelled"})
"""At its end."""
