"""One door for the account's limits; every request passes it, and nobody is told no by the server.

A `Governor` belongs to one account; share it between all clients of that account in a process:

```python
governor = Governor(Limits(renders_per_day=10))
```

**Requests.** The session asks for every request, and tells what came of it:

```python
departure = await governor.admit(Lane.WORK)  # waits for a place in the budget
try:
    rate_limit = await exchange()            # the answer's headers
except NeverSent:
    governor.give_back(departure)
else:
    governor.answered(departure, rate_limit)
governor.pause(retry_after)                  # the server asked for a pause
```

`governor.expected_at(lane)` and `governor.allowance()` are for those who plan requests ahead.

**Slots.** A production holds one from its create to its last automated stage, for as long as no person
reviews it. Its key is known before its project is:

```python
with await governor.slots.acquire(key) as lease:
    lease.sent()                             # before each create, message, render
    project = await create()                 # an error: lease.refused(), or for 429 project_limit
    lease.bind(project.id)                   # lease.rejected(), and acquire again
    ...
```

Leaving the block says that the production needs the slot no more. The slot is free when, besides, a look
has seen the project settled; so whoever looks tells:

```python
governor.observed(project.id, project.status)
governor.observed_page(active_ids, complete=True)
```

To go on after a review, or to pick up a project: `acquire(key, project_id=project.id)`, which goes before
new productions. `slots.needs_poll()` and `slots.on_wait` say when a list of projects would help those who
wait.

**Quotas.** A day's projects and renders are counted before the request is sent:

```python
render = await governor.quota.take("renders", wait=False)   # QuotaExhausted(resets_at=...) at once
try:
    await output.render(project.id)
except ApiError:                                            # 429 for the day: render.refused()
    render.give_back()
else:
    render.confirmed()
```

With `wait=True` it waits for another day: release the lease before, acquire it again after.

**Explaining.** `repr(governor)` is a sentence, `governor.snapshot()` the same as values, and
`governor.on_wait(callback)` calls back with a `WaitReason` for every wait longer than a second;
`governor.on_wait_end(callback)` with a `WaitEnded` at the end of every wait.

Decisions (`budget`, `slot_table`, `quota`) are synchronous and know no event loop; `governor`, `slots` and
`quotas` await around them. Another backend, shared by several processes, offers what `GovernorProtocol` says.
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
