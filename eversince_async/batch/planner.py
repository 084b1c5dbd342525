"""Planning of a batch, without making anything."""

import os
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from math import ceil
from typing import Final

import attrs

from eversince_async import clock
from eversince_async.account.costs import ASSEMBLED, Costs, kind_of_film
from eversince_async.account.entitlements import USUAL, Entitlements
from eversince_async.account.identity import check_ours, name_of
from eversince_async.account.knowledge import COSTS
from eversince_async.account.prices import PricedFilm, price_films
from eversince_async.account.quality_gate import is_rendered, may_render_otherwise
from eversince_async.batch.delivery import is_complete
from eversince_async.batch.failures import next_attempt
from eversince_async.batch.items import Item
from eversince_async.batch.plan import Cost, CostSource, Days, Plan, PlannedItem, PlannedState
from eversince_async.batch.shared_keys import Naming
from eversince_async.durable.status import FINISHED
from eversince_async.errors import EversinceError, SpecChanged
from eversince_async.governor import QuotaName
from eversince_async.journal import Job, Journal, QuotaKind
from eversince_async.journal.copies import copy_to_read
from eversince_async.journal.differences import describe_differences as differences
from eversince_async.journal.fields import UnreadableRow
from eversince_async.journal.redaction import digest, redact_for_resend
from eversince_async.limits import RENDERS_PER_DAY, RENDERS_PER_DAY_UNSUBSCRIBED
from eversince_async.models._base import UNSET
from eversince_async.models.account import CreditPackages
from eversince_async.orchestrator.runtime import Runtime


async def make_plan(
    runtime: Runtime,
    items: Sequence[Item],
    journal: str | os.PathLike[str] | Journal | None,
    *,
    retry_failed: bool,
    allow_other_account: bool,
    idempotent_as: str | None,
    is_told_to_share: bool,
    films: int,
) -> Plan:
    """Plan a batch of these items, with the arguments of `eversince.plan`.

    Raises:
        EversinceError: The request for the balance failed.
        JournalError: The journal cannot be read, or belongs to another account.
    """
    async with AsyncExitStack() as stack:
        name = getattr(journal, "path", "the journal")
        if isinstance(journal, str | os.PathLike):
            name, journal = journal, await stack.enter_async_context(copy_to_read(journal))
        if journal is not None and not allow_other_account:
            await check_ours(runtime, journal, os.fspath(name))
        naming = await Naming.of(idempotent_as, journal, is_told_to_share=is_told_to_share, is_kept=False)
        here = [naming.with_shared_key(item) for item in items]
        return await _make_plan(runtime, here, journal, retry_failed=retry_failed, films=films)


async def _make_plan(
    runtime: Runtime, items: Sequence[Item], journal: Journal | None, *, retry_failed: bool, films: int
) -> Plan:
    costs, entitlements = Costs(), Entitlements()
    costs.learn(runtime.costs.to_json())
    entitlements.learn(runtime.entitlements.to_json())
    if journal is not None:
        costs.learn(await journal.noted(COSTS))
        account = await name_of(runtime, journal)
        if account is not None:
            await entitlements.learn_from(journal, account)
    if retry_failed:
        entitlements.forget_refusals()
    drafts = [await _draft(item, journal, entitlements, retry_failed=retry_failed) for item in items]
    balance, offer = await _balance(runtime)
    needs_prices = any(each.entry.costs and not costs.of(each.kind) for each in drafts)
    prices = await price_films(runtime.api, films) if needs_prices else ()
    entries = [attrs.evolve(each.entry, cost=each.cost(costs, prices)) for each in drafts]
    subscribed = None if offer is None else offer.has_subscription
    return Plan(
        items=tuple(entries),
        cost=_sum([item.cost for item in entries if item.cost is not None]),
        unknown=sum(item.costs and item.cost is None for item in entries),
        balance=balance,
        has_subscription=subscribed,
        days=await _days(runtime, drafts, journal, subscribed=subscribed),
        made_at=clock.now(),
    )


async def _balance(runtime: Runtime) -> tuple[float | None, CreditPackages | None]:
    offer = None
    with suppress(EversinceError):  # an unknown subscription is no reason to fail
        offer = await runtime.interactive.account.credit_packages()
    if offer is not None and offer.credits_balance is not None:
        return offer.credits_balance, offer
    return (await runtime.interactive.account.credits()).credits_balance, offer


# -- States of items --------------------------------------------------------------------------------------


_NEW: Final[PlannedState] = "new"


@attrs.frozen(kw_only=True)
class _Draft:
    """The draft of an item's plan.

    Attributes:
        item: The item.
        entry: The item's plan, without its cost.
        needs_render: True if a render is still to be started.
    """

    item: Item
    entry: PlannedItem
    needs_render: bool

    @property
    def kind(self) -> str:
        """The kind of video that has comparable costs."""
        assert self.item.brief is not None
        return kind_of_film(self.item.brief, self.item.delivery.render)

    def cost(self, costs: Costs, prices: Sequence[PricedFilm]) -> Cost | None:
        """Return the approximate cost; None if it is nothing or unknown."""
        if not self.entry.costs:
            return None  # and the item may have no readable brief
        source: CostSource = "balance"
        amounts = costs.of(self.kind)
        if not amounts:
            source, amounts = "timelines", [film.credits for film in prices if self._is_like(film)]
        if not amounts:
            return None
        least = 0.0 if self.entry.state == "begun" else min(amounts)
        return Cost(least=least, most=max(amounts), source=source, films=len(amounts))

    def _is_like(self, film: PricedFilm) -> bool:
        """Return True if a video's price applies to this item as well.

        No timeline shows the cost of a render.
        """
        brief, render = self.item.brief, self.item.delivery.render
        assert brief is not None
        return (
            render in {None, USUAL}
            and brief.expected_output in {UNSET, None, ASSEMBLED}
            and (not isinstance(brief.video_model, str) or film.video_models <= {brief.video_model})
            and (not isinstance(brief.image_model, str) or film.image_models <= {brief.image_model})
        )


async def _draft(
    item: Item, journal: Journal | None, entitlements: Entitlements, *, retry_failed: bool
) -> _Draft:
    delivery, problem, state = item.delivery, item.error, _NEW
    is_wanted = delivery.render is not None
    is_free = False
    try:
        job = None if journal is None or problem is not None else await journal.load(item.key)
        if journal is not None and job is not None:
            problem = await _find_change(item, job, journal)
            state = await _state(item, job, journal, retry_failed=retry_failed)
            is_free = job.stage == "succeeded" or (
                job.stage not in FINISHED and await is_rendered(journal, job)
            )
    except UnreadableRow as unreadable:  # a batch reports this for the row alone, too
        problem = unreadable
    if problem is not None:
        state = "wrong"
    elif is_wanted and not is_free and state in {"new", "begun"}:
        refusal = None if delivery.render == USUAL else entitlements.refusal(str(delivery.render))
        if refusal is not None:
            problem, state = refusal.error(), "held"
    costs = state in {"new", "begun"} and not is_free
    entry = PlannedItem(
        key=item.key,
        index=item.index,
        state=state,
        render=delivery.render,
        share=item.to_do.share is not None,
        download=delivery.download,
        costs=costs,
        problem=problem,
    )
    return _Draft(item=item, entry=entry, needs_render=costs and is_wanted)


async def _find_change(item: Item, job: Job, journal: Journal) -> SpecChanged | None:
    spec = redact_for_resend(item.spec)
    if job.spec_sha == digest(spec) or await may_render_otherwise(journal, job, item.spec):
        return None
    return SpecChanged(f"was something else under the key {item.key!r}: {differences(job.spec, spec)}")


async def _state(item: Item, job: Job, journal: Journal, *, retry_failed: bool) -> PlannedState:
    if job.stage == "succeeded":
        return "finished" if is_complete(item, job) else "begun"
    if job.stage in FINISHED:
        if job.stage != "failed" or not retry_failed:
            return "failed"
        if next_attempt(job).project_id is None:
            return "new"
    if job.project_id is not None:
        return "begun"
    create = await journal.effect(job.id, "create" if job.attempt == 1 else f"create/{job.attempt}")
    return "new" if create is None or create.state == "refused" else "begun"


# -- Totals -----------------------------------------------------------------------------------------------


def _sum(costs: Sequence[Cost]) -> Cost | None:
    if not costs:
        return None
    films = dict[CostSource, int]()
    for cost in costs:
        films[cost.source] = max(cost.films, films.get(cost.source, 0))
    return Cost(
        least=sum(cost.least for cost in costs),
        most=sum(cost.most for cost in costs),
        source=costs[0].source if len(films) == 1 else "both",
        films=sum(films.values()),
    )


async def _days(
    runtime: Runtime, drafts: Sequence[_Draft], journal: Journal | None, *, subscribed: bool | None
) -> Days:
    limits, since = runtime.governor.limits, clock.now() - timedelta(days=1)
    new = sum(each.entry.state == "new" for each in drafts)
    renders = sum(each.needs_render for each in drafts)
    candidates = [_at_once(sum(each.entry.state in {"new", "begun"} for each in drafts))]
    caps: tuple[tuple[QuotaName, QuotaKind, int, int | None], ...] = (
        ("projects", "create", new, limits.projects_per_day),
        ("renders", "render", renders, limits.renders_per_day),
    )
    for cap, kind, need, a_day in caps:
        if a_day is None:
            continue
        spent = 0 if journal is None else len(await journal.spent(kind, since))
        left = int(max(0, min(runtime.governor.quota.left(cap), a_day - spent)))
        least = most = _days_for(need, left, a_day)
        if cap == "renders" and subscribed is False and a_day == RENDERS_PER_DAY:
            fewer = RENDERS_PER_DAY_UNSUBSCRIBED
            most = max(least, _days_for(need, max(0, left - a_day + fewer), fewer))
        candidates.append(Days(least=least, most=most, cap=cap if most > 1 else None))
    return max(candidates, key=lambda days: (days.most, days.least))


def _at_once(need: int) -> Days:
    return Days(least=min(need, 1), most=min(need, 1))


def _days_for(need: int, left: int, a_day: int) -> int:
    """Return the days until the last item has started.

    Today counts, even if nothing is left of today's quota.
    """
    return 0 if not need else 1 if need <= left else 1 + ceil((need - left) / a_day)
