"""What a batch would do, and about what that would cost: for whoever has to say yes to it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import attrs

from eversince_async.errors import EversinceError
from eversince_async.report.formatting import plural

PlannedState = Literal["new", "begun", "finished", "failed", "held", "wrong"]
"""`new`: made and paid for. `begun`: gone on with, some of it is paid for. `finished`: nothing is done for it
any more. `failed`: an earlier run ended with that, and it is not tried again. `held`: the account was refused
such renders today, so it waits. `wrong`: it is refused, nothing is made."""

CostSource = Literal["balance", "timelines", "both"]
"""`balance`: the change of the account's balance while a film of the kind was made alone. `timelines`: the
operations in the timelines of finished films, priced by the server: without what was discarded, and what the
agent takes itself. `both`: of several items, some by this and some by that."""


@attrs.frozen(kw_only=True)
class Cost:
    """About how many credits something costs.

    Attributes:
        least: What the cheapest films seen would come to.
        most: What the dearest would; another film may still be dearer.
        source: How that is known.
        films: Of how many films that is known.
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
        """How that is known, in words."""
        films = plural(self.films, "film")
        balance = "by the balance, of which others' use meanwhile would be a part"
        timelines = "by the price of what is in finished timelines: what was discarded comes on top"
        match self.source:
            case "balance":
                return f"as {films} made alone cost, {balance}"
            case "timelines":
                return f"as {films} cost, {timelines}"
            case _:
                return f"as {films} cost: some alone, {balance}; others {timelines}"


@attrs.frozen(kw_only=True)
class Days:
    """How many days the account's daily caps spread the work over; today counts.

    Attributes:
        least: By the limits that the client knows, and what is known to be used of today.
        most: The same, or more if an account without a subscription has fewer renders a day, as on servers of
            May 2026.
        cap: What there are too few of; None if one day will do.
    """

    least: int
    most: int
    cap: Literal["projects", "renders"] | None = None

    def __str__(self) -> str:
        days = plural(self.least, "day") if self.least == self.most else f"{self.least} to {self.most} days"
        return days if self.cap is None else f"{days}, as there are only so many {self.cap} a day"


@attrs.frozen(kw_only=True)
class PlannedItem:
    """What a batch would do for one item.

    Attributes:
        key: Its name in the journal.
        index: Its number among the items, from 0.
        state: How it stands.
        render: The quality it asks for; None for no render.
        share: Whether it asks for a public page.
        download: The file, or the folder, that it asks for; None for none.
        costs: Whether something may still be paid for it.
        cost: About what; None: unknown. Of one that has begun, from nothing to all of it.
        problem: Why it is `held` or `wrong`.
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
    """What a batch would do, and about what that would cost; nothing of it has been done.

    As a string, some lines for people.

    Attributes:
        items: What would be done for each item, in their order.
        cost: About what all that have a price would cost together; None if none has, or nothing costs.
        unknown: How many items cost something of which nothing is known.
        balance: Credits that are left now; None: the server does not tell.
        has_subscription: Whether the account has one; None: the server does not tell.
        days: How long the daily caps make it last.
        made_at: When this was found out.
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
        """How many items stand how; without those of which there are none."""
        return Counter(item.state for item in self.items)

    @property
    def new(self) -> int:
        """How many items would be paid for from their beginning."""
        return self.counts.get("new", 0)

    def __str__(self) -> str:
        return "\n".join(f"{name + ':':<14}{words}" for name, words in self.lines())

    def lines(self) -> Sequence[tuple[str, str]]:
        """What to tell a person, but for the single items: names and words."""
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
            why = "no film of the kind was made alone before, and no finished one can be priced"
            return f"unknown: {why}" if self.unknown else "nothing"
        short = ""
        if self.balance is not None and self.balance < self.cost.most:
            short = "; the balance may not carry it all, and what it does not is not begun"
        rest = f"; {self.unknown:,} more cost something unknown" if self.unknown else ""
        return f"{self.cost}, {self.cost.basis}{rest}{short}"

    def to_json(self) -> dict[str, Any]:
        """Plain values that `json.dumps` takes."""
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
