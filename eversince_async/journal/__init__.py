"""The journal: a durable record of intended effects and their outcomes.

The server remembers projects, messages and shares. A journal remembers what the server cannot tell: the
intention to do something, and the state of the server before it. Every intention is on disk before its
request is sent. With a journal, a process may die at any moment, and the next process neither repeats what
was paid for nor forgets it. `Journal` describes the protocol; `SqliteJournal` keeps the journal in a file,
`MemoryJournal` in this process.

```python
async with SqliteJournal("campaign.db") as journal:
    job = await journal.put("mug", {"brief": "A film about a mug"})
    job = await journal.acquire(job.id)
    render = await journal.intent(job.id, "render", {"quality": "1080p"}, baseline={"assembled_url": None})
    ...  # send
    await journal.done(render, {"status": "rendering"}, job=JobChange(stage="rendering"))
```
"""

from eversince_async.journal.base import Journal
from eversince_async.journal.memory import MemoryJournal
from eversince_async.journal.records import (
    LEASE_SECONDS,
    NO_CHANGE,
    Effect,
    EffectKind,
    EffectState,
    Job,
    JobChange,
    Json,
    QuotaKind,
    ShareInProgress,
)
from eversince_async.journal.sqlite import SqliteJournal

__all__ = [
    "LEASE_SECONDS",
    "NO_CHANGE",
    "Effect",
    "EffectKind",
    "EffectState",
    "Job",
    "JobChange",
    "Journal",
    "Json",
    "MemoryJournal",
    "QuotaKind",
    "ShareInProgress",
    "SqliteJournal",
]
