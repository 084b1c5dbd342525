"""What is waited for in a conversation, when the client closes meanwhile."""

from collections.abc import Sequence

from eversince_async.errors import ClientClosed
from eversince_async.orchestrator.handle import Handle
from eversince_async.orchestrator.order import Wishes
from eversince_async.orchestrator.steps import Steps
from eversince_async.orchestrator.underway import CLOSED, Left, Run, Underway


class TalkingRun(Run):
    """Around each wait in a conversation; `converse_with` goes on by the project's id.

    Args:
        underway: What runs in the client.
        steps: The steps of the conversation's project.
    """

    __slots__ = ("_steps",)

    def __init__(self, underway: Underway, steps: Steps) -> None:
        super().__init__(underway)
        self._steps = steps

    def left(self) -> Sequence[Left]:
        """The project, if there is one: it can be cancelled, but nothing says how it should end."""
        steps = self._steps
        if steps.project_id is None:
            return ()
        handle = Handle(key=steps.key, project_id=steps.project_id, wishes=Wishes())
        return (Left(handle, is_handed_out=False),)

    def told(self) -> ClientClosed:
        """With the project, if there is one."""
        return ClientClosed(CLOSED, project_id=self._steps.project_id)
