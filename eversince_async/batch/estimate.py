"""Estimate of a batch's end, from its pace and the daily quotas."""

from eversince_async import clock
from eversince_async.batch.throughput import REMAINING_SHARE, CompletionEstimate, ThroughputEstimator
from eversince_async.batch.workers import WorkerPool
from eversince_async.governor import GovernorProtocol, QuotaName


def estimate_completion(
    workers: WorkerPool, waiting: int, governor: GovernorProtocol, *, renders: bool
) -> CompletionEstimate | None:
    """Estimate when all items are done; None while there is no pace.

    It is not documented when the daily quotas reset. The estimate assumes 24 hours after each use, as the
    governor does; a quota may reset sooner.

    Args:
        workers: The worker pool, with its active items and their pace so far.
        waiting: The number of items that have not started.
        governor: The account's limits.
        renders: True if items are rendered.
    """
    pace, limits = workers.pace, governor.limits
    in_progress = [work for work in workers.active if not work.is_unstarted]
    ages = [work.age or 0.0 for work in in_progress if not work.waits_for_quota]
    abreast = min(workers.concurrency, limits.active_projects or workers.concurrency)
    by_pace = pace.estimate(waiting + len(in_progress) - len(ages), ages, abreast)
    if by_pace is None:
        return None
    estimates = [
        by_pace,
        _estimate_by_quota(pace, governor, "projects", waiting, limits.projects_per_day, abreast, 1.0),
    ]
    if renders:
        need = waiting + len(in_progress)
        estimates.append(
            _estimate_by_quota(
                pace, governor, "renders", need, limits.renders_per_day, abreast, REMAINING_SHARE
            )
        )
    return max((each for each in estimates if each is not None), key=lambda each: each.median)


def _estimate_by_quota(
    pace: ThroughputEstimator,
    governor: GovernorProtocol,
    quota: QuotaName,
    need: int,
    limit: int | None,
    abreast: float,
    share: float,
) -> CompletionEstimate | None:
    """Estimate when all items that need a daily quota are done.

    Returns None if the quota delays nothing.

    Args:
        pace: The pace of the batch.
        governor: Knows when the quota resets.
        quota: The quota that the items need.
        need: The number of items that need it.
        limit: The quota's size, for each day.
        abreast: The number of items that are active at once, at most.
        share: The fraction of an item's work that remains once the item has its share of the quota.
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
