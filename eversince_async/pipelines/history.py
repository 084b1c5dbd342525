"""The recorded steps of earlier runs, with which this run is compared."""

from collections.abc import Iterable
from typing import Final

from eversince_async.durable import failures
from eversince_async.errors import PipelineChanged
from eversince_async.journal import Effect
from eversince_async.journal.differences import describe_differences
from eversince_async.journal.fields import Field
from eversince_async.pipelines.branches import StepCall

CHANGED_HINT: Final = "finish it with the code it was begun with, or run this under another key"


class StepHistory:
    """The steps of a pipeline that the journal holds.

    Args:
        key: The key under which the pipeline runs.
        attempt: The job's attempt. Steps that failed in an earlier attempt are tried again.
    """

    def __init__(self, key: str, attempt: int) -> None:
        self._key = key
        self._attempt = attempt
        self._steps: dict[str, Effect] = {}
        self._places: dict[tuple[str, int], Effect] = {}
        self._matched = set[str]()

    def load(self, effects: Iterable[Effect]) -> None:
        """Add the steps that the journal holds.

        Raises:
            UnreadableRow: A row does not hold a step.
        """
        for effect in effects:
            if ":" not in effect.name:
                check_step(effect)
                self.record(effect)

    def record(self, step: Effect) -> None:
        """Add or replace a step that was just written."""
        self._steps[step.name] = step
        self._places[_branch(step.name), step.request["at"]] = step

    def match(self, call: StepCall) -> Effect | None:
        """Return the recorded step of a call; None if it is new.

        Raises:
            PipelineChanged: An earlier run had another step in this place, or this step did something else.
        """
        previous, step = self._places.get((call.branch, call.at)), self._steps.get(call.name)
        if previous is not None and previous.name != call.name:
            raise self._changed_error(
                call.name, f"{_ordinal(call)} was {previous.name!r}, and is {call.name!r} now"
            )
        self._matched.add(call.name)
        if step is None:
            self._check_branches(call)
            return None
        if step.request["at"] != call.at:
            was = step.request["at"] + 1
            raise self._changed_error(
                call.name, f"it was step {was} of its branch, and is step {call.at + 1} now"
            )
        if step.request["verb"] != call.operation:
            raise self._changed_error(
                call.name, f"it was {step.request['verb']!r}, and is {call.operation!r} now"
            )
        if step.request["arguments"] != call.arguments:
            raise self._changed_error(
                call.name, describe_differences(step.request["arguments"], call.arguments)
            )
        return step

    def _check_branches(self, call: StepCall) -> None:
        """Refuse a step that was moved into or out of a branch.

        Without this check, it would pass for a new step.
        """
        for opening in call.ancestors:
            for (branch, at), step in self._places.items():
                opened = step.request.get("branches", ())
                if branch == opening.branch and at >= opening.at and opening.name not in opened:
                    raise self._changed_error(
                        call.name, f"branch {opening.name!r} was not there before {step.name!r}, and is now"
                    )
        for name in self._steps:
            branch, _, _ = name.removeprefix(call.branch).rpartition("/")
            child = branch.partition("/")[0]
            if child and name.startswith(call.branch) and child not in call.branches:
                raise self._changed_error(call.name, f"branch {child!r} was there before it, and is not now")

    def check_complete(self) -> None:
        """Check at the function's end that no recorded step is missing.

        Raises:
            PipelineChanged: An earlier run began a step that this run did not call.
        """
        for name, step in self._steps.items():
            if name not in self._matched:
                raise self._changed_error(name, f"{step.request['verb']!r} was begun, and is not called now")

    def should_retry(self, step: Effect) -> bool:
        """Return True if a failed step is to be tried again.

        That is so if the step failed in an earlier attempt, and no other step records that the function
        continued after this failure.
        """
        if step.request["attempt"] >= self._attempt:
            return False
        return not any(step.name in other.request.get("past", ()) for other in self._steps.values())

    def _changed_error(self, step: str, difference: str) -> PipelineChanged:
        return PipelineChanged(
            f"pipeline {self._key!r} has changed at step {step!r}: {difference}; {CHANGED_HINT}",
            key=self._key,
            step=step,
        )


def check_step(step: Effect) -> None:
    """Check that a step has all fields that every step has.

    Raises:
        UnreadableRow: A field is missing or malformed.
    """
    request = Field.of(step, "request")
    request["verb"].text()
    request["arguments"].mapping()
    request["at"].count()
    request["attempt"].count(least=1)
    request["tries"].count(least=1)
    for name in ("past", "branches"):
        if (names := request.get(name)) is not None:
            names.texts()
    if step.state == "refused":
        failures.check(Field.of(step, "result"))


def _branch(name: str) -> str:
    return name[: name.rfind("/") + 1]


def _ordinal(call: StepCall) -> str:
    branch = f" of branch {call.branch[:-1]!r}" if call.branch else ""
    return f"step {call.at + 1}{branch}"
