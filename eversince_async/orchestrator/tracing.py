"""Tracers around calls, stages and workflows, into which telemetry is plugged.

`eversince_async.telemetry.OpenTelemetry` is one tracer; any other object with these methods works, too.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final, Protocol, TypeVar

import attrs

from eversince_async.governor import GovernorProtocol
from eversince_async.orchestrator.events import Event, Stage
from eversince_async.orchestrator.registry import HasProject
from eversince_async.orchestrator.workflow import Workflow
from eversince_async.session.hooks import notify
from eversince_async.session.tracing import CallTracer

T = TypeVar("T")

logger: Final = logging.getLogger("eversince_async")


@attrs.frozen(kw_only=True)
class WorkflowStarted:
    """The start of a workflow.

    Attributes:
        name: The kind of workflow: `production`, `wait`, `render`, `share`, `variation`, `batch`, `item` of a
            batch.
        key: The workflow's name in the governor; for an item, its key.
        project_id: The project's id; None if the project is still to be created.
    """

    name: str
    key: str
    project_id: str | None


@attrs.frozen(kw_only=True)
class StageInfo:
    """The start of a stage.

    Attributes:
        stage: The stage.
        key: The production's name in the governor.
        project_id: The project's id; None before the project is created.
    """

    stage: Stage
    key: str
    project_id: str | None


class Tracer(CallTracer, Protocol):
    """A tracer around the work of one client.

    The context managers are entered when the work begins and left when it ends, in the same task, with its
    error if it has one. They must not raise, and must let errors and cancellations pass.
    """

    def stage(self, stage: StageInfo, /) -> AbstractContextManager[object]:
        """Return a context manager to enter when a stage begins."""
        ...

    def workflow(self, workflow: WorkflowStarted, /) -> AbstractContextManager[Callable[[Event], object]]:
        """Return a context manager to enter when a workflow begins.

        Entering it returns a callback, which gets the workflow's events.
        """
        ...


class Telemetry(Protocol):
    """The type of a client's argument `telemetry=`."""

    def tracer_for(self, *, base_url: str, governor: GovernorProtocol) -> Tracer:
        """Return the tracer of one client.

        Called once, when the client is made, and perhaps outside of any event loop.
        """
        ...


@contextmanager
def trace_stage(stage: Stage, whose: HasProject, tracer: Tracer | None) -> Iterator[None]:
    """Trace a stage, and log how it ended."""
    began = asyncio.get_running_loop().time()
    info = StageInfo(stage=stage, key=whose.key, project_id=whose.project_id)
    try:
        with nullcontext() if tracer is None else tracer.stage(info):
            yield
    except BaseException as failure:
        _log_stage(stage, whose, began, failure)
        raise
    _log_stage(stage, whose, began, None)


def _log_stage(stage: Stage, whose: HasProject, began: float, failure: BaseException | None) -> None:
    """Log the end of a stage, with stable field names.

    The fields keep their names and meanings: see `session.hooks`.
    """
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
    """Return the run function with a tracer around it."""
    if tracer is None:
        return run

    async def run_traced(workflow: Workflow[T]) -> T:
        with tracer.workflow(begun) as listener:
            workflow.add_listener(listener)
            return await run(workflow)

    return run_traced


@contextmanager
def trace_workflow(tracer: Tracer | None, begun: WorkflowStarted) -> Iterator[Callable[[Event], object]]:
    """Trace an operation that is no `Workflow` but acts as one.

    Yields:
        A callback for the operation's events.
    """
    if tracer is None:
        yield lambda _: None
        return
    with tracer.workflow(begun) as listener:
        yield lambda event: notify(listener, event)
