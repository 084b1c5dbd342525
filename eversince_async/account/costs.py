"""The costs of videos that were made alone.

The cost is the change of the balance meanwhile. There is no other source: the API prices operations, not
briefs.
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

from eversince_async.account.entitlements import USUAL
from eversince_async.journal import Json
from eversince_async.models._base import UNSET
from eversince_async.models.projects import Brief

KEPT: Final = 20
"""The number of costs that are remembered of each kind of video.

Older costs say less, as prices change."""

KINDS: Final = 50
"""The number of kinds that are remembered."""

ASSEMBLED: Final = "assembled"
"""The output of a project whose brief names none."""


def kind_of_film(brief: Brief, render: str | None) -> str:
    """Return the kind of a video, as a word for the journal.

    Costs of videos of one kind tell of each other. The kind consists of the output, the models that the brief
    names, and the quality of a render that may have a price: one in 1080p has none.

    Args:
        brief: The brief.
        render: The quality of the render; None if the video is not rendered.
    """
    names = (brief.expected_output, brief.video_model, brief.image_model)
    output, *models = ["" if each is UNSET or each is None else str(each) for each in names]
    quality = "" if render is None or render == USUAL else str(render)
    return "/".join((output or ASSEMBLED, quality, *models))


class Costs:
    """The costs of videos of each kind, in credits."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[float]] = {}

    def add(self, kind: str, cost: float) -> None:
        """Record the cost of a video that was made alone."""
        if kind not in self._seen and len(self._seen) >= KINDS:
            del self._seen[next(iter(self._seen))]
        self._seen.setdefault(kind, deque(maxlen=KEPT)).append(round(cost, 6))

    def of(self, kind: str) -> Sequence[float]:
        """Return the costs of a kind of video, oldest first."""
        return tuple(self._seen.get(kind, ()))

    def to_json(self) -> dict[str, Json]:
        """Return the costs in the form that a journal keeps."""
        return {kind: list(costs) for kind, costs in self._seen.items()}

    def learn(self, kept: Json) -> None:
        """Add the costs that a journal kept.

        Only kinds of which nothing is known here are added. An entry that cannot be read is left out.
        """
        if not isinstance(kept, Mapping):
            return
        for kind, costs in kept.items():
            if kind in self._seen or not isinstance(costs, list):
                continue
            for cost in costs[-KEPT:]:
                if _is_cost(cost):
                    self.add(str(kind), cost)


def _is_cost(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf
