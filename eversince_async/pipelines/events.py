"""What a pipeline tells while it runs, besides what its productions tell."""

import attrs

from eversince_async.journal import Json
from eversince_async.orchestrator.events import Event


@attrs.frozen(kw_only=True)
class StepStarted(Event):
    """A step begins.

    Attributes:
        step: Its name, with its branches: `tiktok/produce`.
        operation: What it does: `produce`, `variation`, `step`, …
    """

    step: str
    operation: str


@attrs.frozen(kw_only=True)
class StepCompleted(Event):
    """A step is over.

    Attributes:
        step: Its name, with its branches.
        operation: What it does.
        replayed: Whether an earlier run had done it; nothing was done now.
    """

    step: str
    operation: str
    replayed: bool


@attrs.frozen(kw_only=True)
class ApprovalRequested(Event):
    """The pipeline waits for an answer: `eversince.approve(key, answer, name=step)`.

    Attributes:
        step: Its name, with its branches.
        question: What it asks.
        show: What there is to look at, as plain values; see `Run.approval`.
    """

    step: str
    question: str
    show: Json
