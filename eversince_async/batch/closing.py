"""A batch whose client closes: what is at work then is handed out, unless a journal remembers it."""

from collections.abc import Callable, Iterator, Sequence

import attrs

from eversince_async.batch.crew import Crew
from eversince_async.orchestrator.handle import Handle
from eversince_async.orchestrator.underway import Left, Run, Underway


class BatchRun(Run):
    """Around a batch while it runs.

    Args:
        underway: What runs in its client.
        crew: Its items at work.
        drain: Has it begin nothing any more.
        is_remembered: Whether it has a journal, with which the same batch goes on.
    """

    __slots__ = ("_crew", "_drain", "_is_remembered", "_left")

    def __init__(
        self, underway: Underway, crew: Crew, drain: Callable[[], object], *, is_remembered: bool
    ) -> None:
        super().__init__(underway)
        self._crew = crew
        self._drain = drain
        self._is_remembered = is_remembered
        self._left: tuple[Left, ...] = ()

    def drain(self) -> None:
        """Begin nothing any more."""
        self._drain()

    def interrupt(self) -> None:
        """End it; what was at work is known only until then."""
        self._left = self._left or tuple(self._at_work())
        super().interrupt()

    def left(self) -> Sequence[Left]:
        """What was at work when it was ended; what a pipeline does is only its journal's to tell."""
        return self._left

    def _at_work(self) -> Iterator[Left]:
        for work in self._crew.works:
            steps, item = work.steps, work.item
            if steps is None or item.brief is None:
                continue
            brief = attrs.evolve(item.brief, idempotency_key=steps.key)
            handle = Handle(
                key=steps.key,
                project_id=steps.project_id,
                wishes=item.to_do,
                brief=None if steps.project_id is not None else brief,
            )
            yield Left(handle, is_handed_out=not self._is_remembered)
