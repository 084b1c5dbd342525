"""The events of a pipeline, besides those of its productions."""

import attrs

from eversince_async.journal import Json
from eversince_async.orchestrator.events import Event


@attrs.frozen(kw_only=True)
class StepStarted(Event):
    """The start of a step.

    Attributes:
        step: The step's name, with its branches: `tiktok/produce`.
        operation: The kind of step: `produce`, `variation`, `step`, …
    """

    step: str
    operation: str


@attrs.frozen(kw_only=True)
class StepCompleted(Event):
    """The completion of a step.

    Attributes:
        step: The step's name, with its branches.
        operation: The kind of step.
        replayed: True if an earlier run executed the step, and this run did nothing.
    """

    step: str
    operation: str
    replayed: bool


@attrs.frozen(kw_only=True)
class ApprovalRequested(Event):
    """A question that the pipeline waits for: `eversince.approve(key, answer, name=step)`.

    Attributes:
        step: The question's name, with its branches.
        question: The text of the question.
        show: The material to judge, as plain values; see `Run.approval`.
    """

    step: str
    question: str
    show: Json
