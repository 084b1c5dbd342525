"""What films have cost: those that were made alone, by the change of the balance meanwhile.

Nothing else tells it: the API prices operations, and not briefs.
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
"""Costs of each kind of film that are remembered; older ones say less, as prices change."""

KINDS: Final = 50
"""Kinds that are remembered."""

ASSEMBLED: Final = "assembled"
"""What a project gives that says nothing else of its output."""


def kind_of_film(brief: Brief, render: str | None) -> str:
    """What films have in common whose costs tell of each other, in a word for the journal.

    That is what they give, the models they name, and the quality of a render that may have a price: one in
    1080p has none.

    Args:
        brief: What to make.
        render: Its quality; None: it is not rendered.
    """
    given = (brief.expected_output, brief.video_model, brief.image_model)
    output, *models = ["" if each is UNSET or each is None else str(each) for each in given]
    quality = "" if render is None or render == USUAL else str(render)
    return "/".join((output or ASSEMBLED, quality, *models))


class Costs:
    """Remember what films of each kind have cost, in credits."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[float]] = {}

    def add(self, kind: str, cost: float) -> None:
        """Note what a film has cost that was made alone."""
        if kind not in self._seen and len(self._seen) >= KINDS:
            del self._seen[next(iter(self._seen))]
        self._seen.setdefault(kind, deque(maxlen=KEPT)).append(round(cost, 6))

    def of(self, kind: str) -> Sequence[float]:
        """What films of a kind have cost, oldest first."""
        return tuple(self._seen.get(kind, ()))

    def to_json(self) -> dict[str, Json]:
        """What a journal keeps."""
        return {kind: list(costs) for kind, costs in self._seen.items()}

    def learn(self, kept: Json) -> None:
        """Add what a journal kept of kinds that nothing is known of here; what cannot be read is left out."""
        if not isinstance(kept, Mapping):
            return
        for kind, costs in kept.items():
            if kind in self._seen or not isinstance(costs, list):
                continue
            for cost in costs[-KEPT:]:
                if _is_cost(cost):
                    self.add(str(kind), cost)


def _is_cost(given: object) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool) and 0 < given < math.inf
