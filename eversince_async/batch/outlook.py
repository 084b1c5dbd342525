"""When a batch will be done: by its pace, and by how many projects and renders there are a day."""

from eversince_async import clock
from eversince_async.batch.crew import Crew
from eversince_async.batch.pace import STILL, Forecast, Pace
from eversince_async.governor import AccountGovernor, QuotaName


def forecast(crew: Crew, waiting: int, governor: AccountGovernor, *, renders: bool) -> Forecast | None:
    """When all will be done; None while there is nothing to go by.

    When the server's day turns is not documented. This reckons with 24 hours after each use, as the governor
    does: it may be over sooner.

    Args:
        crew: What is at work, and how fast it has gone so far.
        waiting: How many are not begun.
        governor: The account's limits.
        renders: Whether items are rendered.
    """
    pace, limits = crew.pace, governor.limits
    begun = [work for work in crew.works if not work.may_be_dropped]
    ages = [work.age or 0.0 for work in begun if not work.is_resting]
    abreast = min(crew.places, limits.active_projects or crew.places)
    likely = pace.to_come(waiting + len(begun) - len(ages), ages, abreast)
    if likely is None:
        return None
    found = [likely, _by_day(pace, governor, "projects", waiting, limits.projects_per_day, abreast, 1.0)]
    if renders:
        need = waiting + len(begun)
        found.append(_by_day(pace, governor, "renders", need, limits.renders_per_day, abreast, STILL))
    return max((each for each in found if each is not None), key=lambda each: each.middle)


def _by_day(
    pace: Pace,
    governor: AccountGovernor,
    quota: QuotaName,
    need: int,
    limit: int | None,
    abreast: float,
    share: float,
) -> Forecast | None:
    """When all will be done that need one of the day's; None: that does not matter.

    Args:
        pace: How fast it goes.
        governor: Knows when there are more.
        quota: What they need.
        need: How many need it.
        limit: How many there are a day.
        abreast: How many are at work at once, at most.
        share: What part of an item is still to be done when it has got one.
    """
    last_at = governor.quota.resets_at(quota, need) if need else None
    if limit is None or last_at is None:
        return None
    on_the_last_day = (need - int(governor.quota.left(quota)) - 1) % limit + 1
    first_at = governor.quota.resets_at(quota, need - on_the_last_day + 1) or last_at
    then = pace.to_come(on_the_last_day, [], abreast)
    assert then is not None, "there is a pace"
    now = clock.now()
    middle = max(
        (first_at - now).total_seconds() + then.middle * share,
        (last_at - now).total_seconds() + pace.mean * share,
    )
    return Forecast(middle, then.deviation)
