"""The remaining time of a lease.

If the lease was recorded by the boot clock, which is never set, its remaining time is told by that clock.
"""

from datetime import datetime

from eversince_async import clock
from eversince_async.journal.records import Job


def lease_left(job: Job, now: datetime, here: clock.Moment) -> float:
    """Return the seconds until others may take a job over.

    If the result is 0 or less, they may do so now.

    Args:
        job: The job.
        now: The present by the wall clock.
        here: The present by the boot clock.
    """
    if job.owner is None or job.lease_until is None:
        return 0.0
    if job.lease_boot is not None and job.lease_seconds is not None:
        if clock.is_past(job.lease_boot):
            return 0.0
        shows = clock.elapsed(clock.Moment(job.lease_boot, 0.0), here)
        if shows is not None:
            return job.lease_seconds - shows
    return (job.lease_until - now).total_seconds()
