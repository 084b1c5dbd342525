"""Doing things once that have no idempotency key: look what became of it before repeating it.

When a write has failed without a definite answer, it may have been carried out, may still be on its way,
or is lost. So we look for its effect, at once and again a little later; only when it must have arrived or
died, and there is still nothing to be seen, it is sent again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from eversince_async.durable.api import ApiAccess, loop_time
from eversince_async.durable.doubt import lasting_page, outcome_is_unknown
from eversince_async.errors import (
    ApiError,
    EversinceError,
    InvalidResponse,
    RateLimited,
    ServerError,
    TransportError,
)
from eversince_async.polling.schedule import MIN_POLL_INTERVAL

R = TypeVar("R")

CONFIRM_DELAYS: Final = (0.0, 10.0, 60.0)
"""Seconds after a failure at which its effect is looked for; after the last, the request has arrived or
never will."""


async def send_once(
    access: ApiAccess,
    send: Callable[[], Awaitable[R]],
    effect: Callable[[], Awaitable[R | None]],
    *,
    delays: tuple[float, ...] = CONFIRM_DELAYS,
) -> R:
    """Send until it is known to have been carried out, exactly once as far as anyone can tell.

    Cancelling leaves it in doubt when the request has left.

    Args:
        access: What to work with.
        send: Sends the request.
        effect: Looks for what the request would have brought about; None when there is nothing to be seen.
        delays: As for `look_for`.

    Raises:
        EversinceError: A definite refusal; or what went wrong last, when that lasts longer than the
            schedule's patience. A page of a gateway that would come again is raised once it has been seen
            that nothing was carried out.
    """
    began, in_doubt = loop_time(), False
    while True:
        try:
            return await send()
        except EversinceError as failure:
            doubtful = outcome_is_unknown(failure)
            in_doubt = in_doubt or doubtful
            if not in_doubt:
                raise
            found = await wait_for_effect(access, effect, delays if doubtful else delays[:1])
            if found is not None:
                return found
            if (page := lasting_page(failure)) is not None:
                raise page from None
            if not doubtful or loop_time() - began >= access.schedule.max_failure_time:
                raise


async def retry_transient(
    access: ApiAccess, call: Callable[[], Awaitable[R]], *, is_write: bool = False
) -> R:
    """Make a call that is harmless to repeat, through trouble that passes within the schedule's patience.

    Args:
        access: What to work with.
        call: Makes it.
        is_write: Whether it does something: then a page of a gateway that would come again is raised at once.

    Raises:
        EversinceError: As the call does; what went wrong last, when it does not pass.
    """
    began = loop_time()
    while True:
        try:
            return await call()
        except EversinceError as failure:
            if is_write:  # what an unreadable answer was about may have been done: asking again tells
                passes = isinstance(failure, InvalidResponse) or (
                    _is_transient(failure) and lasting_page(failure) is None
                )
            else:
                passes = _is_transient(failure)
            if not passes or loop_time() - began >= access.schedule.max_failure_time:
                raise
        await asyncio.sleep(MIN_POLL_INTERVAL)


async def wait_for_effect(
    access: ApiAccess,
    effect: Callable[[], Awaitable[R | None]],
    delays: tuple[float, ...],
    *,
    failed_at: float | None = None,
) -> R | None:
    """Look for the effect of a request several times, until it must have arrived or died.

    Args:
        access: What to work with.
        effect: Looks for it; None when there is nothing to be seen.
        delays: Seconds after the failure at which to look.
        failed_at: When it failed, in loop time; now by default. Looks that are overdue are one.
    """
    failed_at = loop_time() if failed_at is None else failed_at
    overdue = [after for after in delays if failed_at + after < loop_time()]
    for after in delays[max(0, len(overdue) - 1) :]:
        await asyncio.sleep(max(0.0, failed_at + after - loop_time()))
        found = await retry_transient(access, effect)
        if found is not None:
            return found
    return None


def _is_transient(failure: EversinceError) -> bool:
    """Whether the same call may well succeed in a while."""
    match failure:
        case ApiError(is_documented=False):
            return True
        case RateLimited():
            return not failure.is_daily_limit
        case TransportError() | ServerError() | InvalidResponse(path="$"):
            return True
        case _:
            return False
