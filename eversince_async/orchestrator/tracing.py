"""What may surround calls, stages and workflows: where telemetry is plugged in.

`eversince_async.telemetry.OpenTelemetry` is one; any other object with these methods will do.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final, Protocol, TypeVar

import attrs

from eversince_async.governor import GovernorProtocol
from eversince_async.orchestrator.events import Event, Stage
from eversince_async.orchestrator.workflow import Workflow
from eversince_async.session.hooks import notify
from eversince_async.session.tracing import CallTracer

T = TypeVar("T")

logger: Final = logging.getLogger("eversince_async")


@attrs.frozen(kw_only=True)
class WorkflowStarted:
    """A workflow begins.

    Attributes:
        name: What it does: `production`, `wait`, `render`, `share`, `variation`, `batch`, `item` of a batch.
        key: What the governor knows it by; of an item, its key.
        project_id: Its project; None when it is still to be created.
    """

    name: str
    key: str
    project_id: str | None


@attrs.frozen(kw_only=True)
class StageInfo:
    """A stage begins.

    Attributes:
        stage: Which.
        key: What the governor knows its production by.
        project_id: Its project; None before it is created.
    """

    stage: Stage
    key: str
    project_id: str | None


class Tracer(CallTracer, Protocol):
    """Stands around what one client does.

    What these context managers hold is entered as something begins and left as it ends, in the same task,
    with its error if it has one. They must not raise, and must let errors and cancellations pass.
    """

    def stage(self, stage: StageInfo, /) -> AbstractContextManager[object]:
        """Entered as a stage begins."""
        ...

    def workflow(self, workflow: WorkflowStarted, /) -> AbstractContextManager[Callable[[Event], object]]:
        """Entered as a workflow begins; what it gives is called with the workflow's events."""
        ...


class Telemetry(Protocol):
    """What a client is given as `telemetry=`."""

    def tracer_for(self, *, base_url: str, governor: GovernorProtocol) -> Tracer:
        """The tracer of one client; called once, as it is made, and perhaps outside of any event loop."""
        ...


class HasProject(Protocol):
    """Who has stages."""

    @property
    def key(self) -> str:
        """What the governor knows it by."""
        ...

    @property
    def project_id(self) -> str | None:
        """Its project, once known."""
        ...


@contextmanager
def trace_stage(stage: Stage, whose: HasProject, tracer: Tracer | None) -> Iterator[None]:
    """Around a stage: trace it, and log how it ended."""
    began = asyncio.get_running_loop().time()
    begun = StageInfo(stage=stage, key=whose.key, project_id=whose.project_id)
    try:
        with nullcontext() if tracer is None else tracer.stage(begun):
            yield
    except BaseException as failure:
        _log_stage(stage, whose, began, failure)
        raise
    _log_stage(stage, whose, began, None)


def _log_stage(stage: Stage, whose: HasProject, began: float, failure: BaseException | None) -> None:
    """Say how a stage ended, in words and in fields that keep their names: see `session.observers`."""
    if not logger.isEnabledFor(logging.INFO) or isinstance(failure, GeneratorExit):
        return
    seconds = asyncio.get_running_loop().time() - began
    error = None if failure is None else type(failure).__name__
    logger.info(
        "%s: %s %s after %.1f s",
        whose.project_id or whose.key,
        stage,
        "done" if error is None else f"ended by {error}",
        seconds,
        extra={
            "stage": stage,
            "key": whose.key,
            "project_id": whose.project_id,
            "seconds": seconds,
            "error": error,
        },
    )


def with_tracer(
    tracer: Tracer | None, begun: WorkflowStarted, run: Callable[[Workflow[T]], Coroutine[Any, Any, T]]
) -> Callable[[Workflow[T]], Coroutine[Any, Any, T]]:
    """The same run, with a tracer around it."""
    if tracer is None:
        return run

    async def run_traced(workflow: Workflow[T]) -> T:
        with tracer.workflow(begun) as listener:
            workflow.add_listener(listener)
            return await run(workflow)

    return run_traced


@contextmanager
def trace_workflow(tracer: Tracer | None, begun: WorkflowStarted) -> Iterator[Callable[[Event], object]]:
    """Around what is a workflow in all but form: trace it; gives what takes its events."""
    if tracer is None:
        yield lambda _: None
        return
    with tracer.workflow(begun) as listener:
        yield lambda event: notify(listener, event)
