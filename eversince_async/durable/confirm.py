"""Confirmation of writes that have no idempotency key.

When a write has failed without a definite response, it may have been carried out, may still be on its way, or
is lost. So its effect is looked for, at once and again a little later. The write is sent again only when the
request must have arrived or died, and its effect is still not to be seen.
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
"""Seconds after a failure at which the effect is looked for.

After the last of them, the request has arrived or never will."""


async def send_once(
    access: ApiAccess,
    send: Callable[[], Awaitable[R]],
    effect: Callable[[], Awaitable[R | None]],
    *,
    delays: tuple[float, ...] = CONFIRM_DELAYS,
) -> R:
    """Send a request until it has been carried out, exactly once.

    That holds as far as looking can tell. Cancelling leaves the request in doubt if it has left.

    Args:
        access: The API.
        send: A function that sends the request.
        effect: A function that looks for the request's effect; it returns None if there is none to be seen.
        delays: As for `wait_for_effect`.

    Raises:
        EversinceError: A definite refusal; or the last error, if errors last longer than the schedule's
            patience. A gateway's page that would come again is raised once looking has shown that the request
            was not carried out.
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
    """Repeat a harmless call while its errors are transient.

    The schedule's patience limits the time.

    Args:
        access: The API.
        call: A function that makes the call.
        is_write: True if the call changes something: then a gateway's page that would come again is raised at
            once.

    Raises:
        EversinceError: As the call raises it; the last error, if errors do not pass.
    """
    began = loop_time()
    while True:
        try:
            return await call()
        except EversinceError as failure:
            if is_write:  # after an unreadable response, the write may have been done: a repetition tells
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
    """Look for a request's effect until it must have arrived or died.

    It is looked for several times.

    Args:
        access: The API.
        effect: A function that looks for the effect; it returns None if there is none to be seen.
        delays: Seconds after the failure at which to look.
        failed_at: The time of the failure, in loop time; now by default. Overdue looks count as one.
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
    """Return True if the same call may well succeed later."""
    match failure:
        case ApiError(is_documented=False):
            return True
        case RateLimited():
            return not failure.is_daily_limit
        case TransportError() | ServerError() | InvalidResponse(path="$"):
            return True
        case _:
            return False
