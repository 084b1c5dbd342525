"""Doing things once that have no idempotency key: look what became of it before repeating it.

When a write has failed without a definite answer, it may have been carried out, may still be on its way,
or is lost. So we look for its effect, at once and again a little later; only when it must have arrived or
died, and there is still nothing to be seen, it is sent again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from eversince_async.errors import (
    ApiError,
    EversinceError,
    RateLimited,
    ServerError,
    TransportError,
    UnreadableAnswer,
)
from eversince_async.orchestrator.desk import Desk, now
from eversince_async.orchestrator.doubt import is_in_doubt, lasting_page
from eversince_async.orchestrator.schedule import CLOSEST

R = TypeVar("R")

LOOKS_AFTER: Final = (0.0, 10.0, 60.0)
"""Seconds after a failure at which its effect is looked for; after the last, the request has arrived or
never will."""


async def once(
    desk: Desk,
    send: Callable[[], Awaitable[R]],
    effect: Callable[[], Awaitable[R | None]],
    *,
    looks_after: tuple[float, ...] = LOOKS_AFTER,
) -> R:
    """Send until it is known to have been carried out, exactly once as far as anyone can tell.

    Cancelling leaves it in doubt when the request has left.

    Args:
        desk: What to work with.
        send: Sends the request.
        effect: Looks for what the request would have brought about; None when there is nothing to be seen.
        looks_after: As for `look_for`.

    Raises:
        EversinceError: A definite refusal; or what went wrong last, when that lasts longer than the
            schedule's patience. A page of a gateway that would come again is raised once it has been seen
            that nothing was carried out.
    """
    began, in_doubt = now(), False
    while True:
        try:
            return await send()
        except EversinceError as failure:
            doubtful = is_in_doubt(failure)
            in_doubt = in_doubt or doubtful
            if not in_doubt:
                raise
            found = await look_for(desk, effect, looks_after if doubtful else looks_after[:1])
            if found is not None:
                return found
            if (page := lasting_page(failure)) is not None:
                raise page from None
            if not doubtful or now() - began >= desk.watcher.schedule.patience:
                raise


async def persistently(desk: Desk, call: Callable[[], Awaitable[R]], *, is_write: bool = False) -> R:
    """Make a call that is harmless to repeat, through trouble that passes within the schedule's patience.

    Args:
        desk: What to work with.
        call: Makes it.
        is_write: Whether it does something: then a page of a gateway that would come again is raised at once.

    Raises:
        EversinceError: As the call does; what went wrong last, when it does not pass.
    """
    began = now()
    while True:
        try:
            return await call()
        except EversinceError as failure:
            if is_write:  # what an unreadable answer was about may have been done: asking again tells
                passes = isinstance(failure, UnreadableAnswer) or (
                    _passes(failure) and lasting_page(failure) is None
                )
            else:
                passes = _passes(failure)
            if not passes or now() - began >= desk.watcher.schedule.patience:
                raise
        await asyncio.sleep(CLOSEST)


async def look_for(
    desk: Desk,
    effect: Callable[[], Awaitable[R | None]],
    looks_after: tuple[float, ...],
    *,
    failed_at: float | None = None,
) -> R | None:
    """Look for the effect of a request several times, until it must have arrived or died.

    Args:
        desk: What to work with.
        effect: Looks for it; None when there is nothing to be seen.
        looks_after: Seconds after the failure at which to look.
        failed_at: When it failed, in loop time; now by default. Looks that are overdue are one.
    """
    failed_at = now() if failed_at is None else failed_at
    overdue = [after for after in looks_after if failed_at + after < now()]
    for after in looks_after[max(0, len(overdue) - 1) :]:
        await asyncio.sleep(max(0.0, failed_at + after - now()))
        found = await persistently(desk, effect)
        if found is not None:
            return found
    return None


def _passes(failure: EversinceError) -> bool:
    """Whether the same call may well succeed in a while."""
    match failure:
        case ApiError(is_documented=False):
            return True
        case RateLimited():
            return not failure.is_not_of_the_minute
        case TransportError() | ServerError() | UnreadableAnswer(path="$"):
            return True
        case _:
            return False
