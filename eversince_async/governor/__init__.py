"""The governor: it keeps all requests within one account's limits.

Every request passes through it, so that the server has no reason to refuse one. A `Governor` belongs to one
account; share it between all clients of that account in a process:

```python
governor = Governor(Limits(renders_per_day=10))
```

**Requests.** The session asks for every request and reports its outcome:

```python
departure = await governor.admit(Lane.WORK)  # waits for a place in the budget
try:
    rate_limit = await exchange()            # the response's headers
except NeverSent:
    governor.give_back(departure)
else:
    governor.answered(departure, rate_limit)
governor.pause(retry_after)                  # the server asked for a pause
```

`governor.estimated_departure(lane)` and `governor.allowance()` serve callers that plan requests ahead.

**Slots.** A production holds a slot from its create to its last automated stage, except while a person
reviews it. The production's key is known before its project is:

```python
with await governor.slots.acquire(key) as lease:
    lease.mark_sent()                        # before each create, message, render
    project = await create()                 # an error: lease.refused(), or for 429 project_limit
    lease.bind(project.id)                   # lease.rejected(), and acquire again
    ...
```

Leaving the block tells the governor that the production no longer needs the slot. The slot is free once a
poll has also observed the project as settled, so the code that polls reports its observations:

```python
governor.observed(project.id, project.status)
governor.observed_page(active_ids, complete=True)
```

To continue after a review, or to adopt a project, call `acquire(key, project_id=project.id)`, which goes
before new productions. `slots.needs_poll()` and `slots.on_wait` tell when a list of projects would help the
productions that wait.

**Quotas.** The projects and renders of a day are counted before the request is sent:

```python
render = await governor.quota.reserve("renders", wait=False)  # QuotaExhausted(resets_at=...) at once
try:
    await output.render(project.id)
except ApiError:                                              # 429 for the day: render.refused()
    render.give_back()
else:
    render.confirmed()
```

With `wait=True` it waits for the daily reset: release the lease before, and acquire it again after.

**Explanations.** `repr(governor)` is a sentence, and `governor.snapshot()` holds the same as values.
`governor.on_wait(callback)` calls back with a `WaitReason` for every wait longer than a second;
`governor.on_wait_end(callback)` calls back with a `WaitEnded` at the end of every wait.

The decisions (`budget`, `slot_table`, `quota_table`) are synchronous and know no event loop; `governor`,
`slots` and `quotas` await around them. Another backend, shared by several processes, implements
`GovernorProtocol`.
"""

from eversince_async.governor.governor import Governor
from eversince_async.governor.lanes import Departure, Lane
from eversince_async.governor.limits import Limits
from eversince_async.governor.protocol import GovernorProtocol
from eversince_async.governor.quota_table import QuotaName
from eversince_async.governor.quotas import QuotaReservation, Quotas
from eversince_async.governor.slots import SlotLease, Slots
from eversince_async.governor.snapshot import (
    CreditsSnapshot,
    GovernorSnapshot,
    LeaseSnapshot,
    QuotaSnapshot,
    RequestsSnapshot,
    SlotsSnapshot,
)
from eversince_async.governor.waiters import WaitEnded, WaitKind, WaitReason

__all__ = [
    "CreditsSnapshot",
    "Departure",
    "Governor",
    "GovernorProtocol",
    "GovernorSnapshot",
    "Lane",
    "LeaseSnapshot",
    "Limits",
    "QuotaName",
    "QuotaReservation",
    "QuotaSnapshot",
    "Quotas",
    "RequestsSnapshot",
    "SlotLease",
    "Slots",
    "SlotsSnapshot",
    "WaitEnded",
    "WaitKind",
    "WaitReason",
]
