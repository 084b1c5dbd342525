"""When a batch will be done: by its pace, and by how many projects and renders there are a day."""

from eversince_async import clock
from eversince_async.batch.throughput import REMAINING_SHARE, CompletionEstimate, ThroughputEstimator
from eversince_async.batch.workers import WorkerPool
from eversince_async.governor import GovernorProtocol, QuotaName


def estimate_completion(
    workers: WorkerPool, waiting: int, governor: GovernorProtocol, *, renders: bool
) -> CompletionEstimate | None:
    """When all will be done; None while there is nothing to go by.

    When the server's day turns is not documented. This reckons with 24 hours after each use, as the governor
    does: it may be over sooner.

    Args:
        workers: What is at work, and how fast it has gone so far.
        waiting: How many are not begun.
        governor: The account's limits.
        renders: Whether items are rendered.
    """
    pace, limits = workers.pace, governor.limits
    begun = [work for work in workers.active if not work.is_unstarted]
    ages = [work.age or 0.0 for work in begun if not work.waits_for_quota]
    abreast = min(workers.concurrency, limits.active_projects or workers.concurrency)
    likely = pace.estimate(waiting + len(begun) - len(ages), ages, abreast)
    if likely is None:
        return None
    found = [
        likely,
        _estimate_by_quota(pace, governor, "projects", waiting, limits.projects_per_day, abreast, 1.0),
    ]
    if renders:
        need = waiting + len(begun)
        found.append(
            _estimate_by_quota(
                pace, governor, "renders", need, limits.renders_per_day, abreast, REMAINING_SHARE
            )
        )
    return max((each for each in found if each is not None), key=lambda each: each.median)


def _estimate_by_quota(
    pace: ThroughputEstimator,
    governor: GovernorProtocol,
    quota: QuotaName,
    need: int,
    limit: int | None,
    abreast: float,
    share: float,
) -> CompletionEstimate | None:
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
    then = pace.estimate(on_the_last_day, [], abreast)
    assert then is not None, "there is a pace"
    now = clock.now()
    middle = max(
        (first_at - now).total_seconds() + then.median * share,
        (last_at - now).total_seconds() + pace.mean * share,
    )
    return CompletionEstimate(middle, then.deviation)
