"""The stages of a pipeline's job, in the words the journal keeps.

A batch uses the same words.
"""

from typing import Final

RUNNING: Final = "working"
"""The stage of a job that has not ended."""

WAITING: Final = "waiting"
"""The stage of a job that only waits.

The job has not ended, and nothing is to be done until a person answers or a time comes."""

FINISHED: Final = frozenset({"succeeded", "failed", "cancelled"})
"""The stages of a job that has ended."""
