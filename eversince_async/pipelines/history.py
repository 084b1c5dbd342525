"""What earlier runs of a pipeline have done, against which this one is held."""

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
    """The steps of a pipeline that the journal knows.

    Args:
        key: The key it runs under.
        attempt: Of the job: steps that failed in an earlier one are tried again.
    """

    def __init__(self, key: str, attempt: int) -> None:
        self._key = key
        self._attempt = attempt
        self._steps: dict[str, Effect] = {}
        self._places: dict[tuple[str, int], Effect] = {}
        self._matched = set[str]()

    def load(self, effects: Iterable[Effect]) -> None:
        """Take up what the journal knows.

        Raises:
            UnreadableRow: A row of it holds something else than a step.
        """
        for effect in effects:
            if ":" not in effect.name:
                check_step(effect)
                self.record(effect)

    def record(self, step: Effect) -> None:
        """Take up what was just written down."""
        self._steps[step.name] = step
        self._places[_branch(step.name), step.request["at"]] = step

    def match(self, call: StepCall) -> Effect | None:
        """What is known of a step; None for a new one.

        Raises:
            PipelineChanged: Another step was there, or this one did something else.
        """
        there, step = self._places.get((call.branch, call.at)), self._steps.get(call.name)
        if there is not None and there.name != call.name:
            raise self._changed_error(
                call.name, f"{_ordinal(call)} was {there.name!r}, and is {call.name!r} now"
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
        """Steps that were moved into a branch, or out of one, are not to be taken for new ones."""
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
        """Now that the function has come to its end.

        Raises:
            PipelineChanged: An earlier run has begun a step that this one did not come by.
        """
        for name, step in self._steps.items():
            if name not in self._matched:
                raise self._changed_error(
                    name, f"{step.request['verb']!r} was begun, and is not asked for now"
                )

    def should_retry(self, step: Effect) -> bool:
        """Whether a step that failed is tried again: an attempt ago, and nothing has got over it since."""
        if step.request["attempt"] >= self._attempt:
            return False
        return not any(step.name in other.request.get("past", ()) for other in self._steps.values())

    def _changed_error(self, step: str, difference: str) -> PipelineChanged:
        return PipelineChanged(
            f"pipeline {self._key!r} is another than it was at step {step!r}: {difference}; {CHANGED_HINT}",
            key=self._key,
            step=step,
        )


def check_step(step: Effect) -> None:
    """Make sure that a step has all that every step has.

    Raises:
        UnreadableRow: It has not.
    """
    request = Field.of(step, "request")
    request["verb"].text()
    request["arguments"].mapping()
    request["at"].count()
    request["attempt"].count(least=1)
    request["tries"].count(least=1)
    for name in ("past", "branches"):
        if (found := request.get(name)) is not None:
            found.texts()
    if step.state == "refused":
        failures.check(Field.of(step, "result"))


def _branch(name: str) -> str:
    return name[: name.rfind("/") + 1]


def _ordinal(call: StepCall) -> str:
    branch = f" of branch {call.branch[:-1]!r}" if call.branch else ""
    return f"step {call.at + 1}{branch}"
