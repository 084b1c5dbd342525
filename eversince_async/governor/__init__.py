"""One door for the account's limits; every request passes it."""

from eversince_async.governor.governor import Governor
from eversince_async.governor.lanes import Departure, Lane
from eversince_async.governor.limits import Limits

__all__ = ["Departure", "Governor", "Lane", "Limits"]
