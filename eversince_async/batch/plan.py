"""The plan of a batch: its work and approximate cost, for approval."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import attrs

from eversince_async.errors import EversinceError
from eversince_async.report.formatting import plural

PlannedState = Literal["new", "begun", "finished", "failed", "held", "wrong"]
"""The state of an item in a plan.

`new`: the item is made and paid for. `begun`: the item is resumed, and some of it is paid for. `finished`:
nothing more is done for the item. `failed`: an earlier run ended with a failure, and the item is not retried.
`held`: the server refused such renders to the account today, so the item waits. `wrong`: the item is refused,
and nothing is made.
"""

CostSource = Literal["balance", "timelines", "both"]
"""The source of a cost.

`balance`: the change of the account's balance while a video of the kind was made alone. `timelines`: the
operations in the timelines of finished videos, as the server prices them, without discarded material and
without what the agent itself takes. `both`: some items by one source, some by the other.
"""


@attrs.frozen(kw_only=True)
class Cost:
    """An approximate cost in credits.

    Attributes:
        least: The cost by the cheapest videos seen.
        most: The cost by the most expensive videos seen; another video may still cost more.
        source: The source of the figures.
        films: The number of videos that the figures come from.
    """

    least: float
    most: float
    source: CostSource
    films: int

    def __str__(self) -> str:
        least, most = _amount(self.least), _amount(self.most)
        return f"about {least} credits" if least == most else f"about {least} to {most} credits"

    @property
    def basis(self) -> str:
        """The source of the figures, in words."""
        videos = plural(self.films, "video")
        balance = "by the balance, which includes any use of the account by others meanwhile"
        timelines = "by the prices of finished timelines; discarded material comes on top"
        match self.source:
            case "balance":
                return f"from {videos} made alone, {balance}"
            case "timelines":
                return f"from {videos}, {timelines}"
            case _:
                return f"from {videos}: some made alone, {balance}; others {timelines}"


@attrs.frozen(kw_only=True)
class Days:
    """The number of days over which the daily quotas spread the work.

    Today counts.

    Attributes:
        least: The days by the limits that the client knows, and by today's known use.
        most: The same, or more if an account without a subscription has fewer renders a day, as on servers of
            May 2026.
        cap: The daily quota that is too small; None if one day is enough.
    """

    least: int
    most: int
    cap: Literal["projects", "renders"] | None = None

    def __str__(self) -> str:
        days = plural(self.least, "day") if self.least == self.most else f"{self.least} to {self.most} days"
        return days if self.cap is None else f"{days}, because of the daily quota of {self.cap}"


@attrs.frozen(kw_only=True)
class PlannedItem:
    """The plan for one item.

    Attributes:
        key: The item's name in the journal.
        index: The item's number among all items, from 0.
        state: The item's state.
        render: The quality that the item asks for; None for no render.
        share: True if the item asks for a public page.
        download: The file or the folder that the item asks for; None for none.
        costs: True if the item may still cost credits.
        cost: The approximate cost; None if unknown. For an item that has started, from nothing to the full
            cost.
        problem: The reason why the item is `held` or `wrong`.
    """

    key: str
    index: int
    state: PlannedState
    render: str | None = None
    share: bool = False
    download: str | None = None
    costs: bool = False
    cost: Cost | None = None
    problem: EversinceError | None = None


@attrs.frozen(kw_only=True)
class Plan:
    """The work of a batch and its approximate cost, in advance.

    As a string, a plan is a few lines for people.

    Attributes:
        items: The plan for each item, in the order of the items.
        cost: The approximate cost of all items whose cost is known; None if none is known, or if nothing
            costs.
        unknown: The number of items that cost an unknown number of credits.
        balance: The credits left now; None if the server does not state them.
        has_subscription: True if the account has a subscription; None if the server does not say.
        days: The days that the daily quotas make the batch take.
        made_at: The time at which the plan was made.
    """

    items: Sequence[PlannedItem] = attrs.field(repr=False)
    cost: Cost | None
    unknown: int
    balance: float | None
    has_subscription: bool | None
    days: Days
    made_at: datetime

    @property
    def counts(self) -> Mapping[PlannedState, int]:
        """The number of items in each state, without states that have none."""
        return Counter(item.state for item in self.items)

    @property
    def new(self) -> int:
        """The number of items to be paid for from the beginning."""
        return self.counts.get("new", 0)

    def __str__(self) -> str:
        return "\n".join(f"{name + ':':<14}{words}" for name, words in self.lines())

    def lines(self) -> Sequence[tuple[str, str]]:
        """Return the plan for people, without the items: names and texts."""
        states = [f"{count:,} {state}" for state, count in self.counts.items()]
        return (
            ("videos", ", ".join(states) or "none"),
            ("cost", self._cost()),
            ("balance", "unknown" if self.balance is None else f"{_amount(self.balance)} credits"),
            ("subscription", {True: "yes", False: "no", None: "unknown"}[self.has_subscription]),
            ("time", str(self.days) if self.days.most else "nothing to do"),
        )

    def _cost(self) -> str:
        if self.cost is None:
            why = "no video of this kind was made alone before, and no finished video can be priced"
            return f"unknown: {why}" if self.unknown else "nothing"
        short = ""
        if self.balance is not None and self.balance < self.cost.most:
            short = "; the balance may not cover all items, and the rest would not start"
        rest = f"; the cost of {self.unknown:,} more is unknown" if self.unknown else ""
        return f"{self.cost}, {self.cost.basis}{rest}{short}"

    def to_json(self) -> dict[str, Any]:
        """Return the plan as plain values for `json.dumps`."""
        return {
            "counts": dict(self.counts),
            "cost": None if self.cost is None else attrs.asdict(self.cost),
            "unknown": self.unknown,
            "balance": self.balance,
            "has_subscription": self.has_subscription,
            "days": attrs.asdict(self.days),
            "made_at": self.made_at.isoformat(),
            "items": [_item(item) for item in self.items],
        }


def _item(item: PlannedItem) -> dict[str, Any]:
    fields = attrs.asdict(item)
    return {**fields, "problem": None if item.problem is None else str(item.problem)}


def _amount(number: float) -> str:
    return f"{number:,.1f}".removesuffix(".0") if abs(number) < 100 else f"{number:,.0f}"
