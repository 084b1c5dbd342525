"""Wall time, asked of the running event loop first.

Waiting is the event loop's business (`anyio.sleep`, `loop.time()`); this module only answers "what
time is it in the world?", for rate-limit resets, expiring URLs and the age of webhooks. A loop that
lives in its own time, such as `eversince_async.testing.VirtualTimeLoop`, has a method `wall_time()`
returning Unix seconds, and then that is the answer, so that loop time and wall time never disagree.
"""

import asyncio
import time
from datetime import UTC, datetime


def wall_seconds() -> float:
    """Seconds since 1970, by the running loop's own wall clock if it has one, else the system's."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return time.time()
    wall_time = getattr(loop, "wall_time", None)
    return time.time() if wall_time is None else float(wall_time())


def now() -> datetime:
    """The same instant as an aware datetime in UTC."""
    return datetime.fromtimestamp(wall_seconds(), UTC)
