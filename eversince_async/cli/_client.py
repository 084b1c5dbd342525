"""The client that commands use."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

from eversince_async.cli._loop import speed
from eversince_async.client import ATTEMPT_TIMEOUT, Eversince
from eversince_async.errors import EversinceError, InsufficientCredits
from eversince_async.session.observers import RetryScheduled
from eversince_async.session.transfer import STALL_TIMEOUT


@asynccontextmanager
async def connected(
    on_retry: Callable[[RetryScheduled], object] | None = None,
) -> AsyncGenerator[Eversince, None]:
    """A client with the key and the address of the environment.

    In compressed time it is as patient as in real time, for the machine is no faster than before.

    Args:
        on_retry: Called when an attempt is going to be repeated.

    Raises:
        ConfigurationError: There is no key, or one that cannot be one.
    """
    factor = max(1.0, speed() or 1.0)
    async with Eversince(
        timeout=ATTEMPT_TIMEOUT * factor,
        stall_timeout=STALL_TIMEOUT * factor,
        on_retry=() if on_retry is None else on_retry,
    ) as eversince:
        try:
            yield eversince
        except InsufficientCredits as refusal:
            if refusal.balance is None:
                await _look_up_prices(eversince, refusal)
            raise


async def _look_up_prices(eversince: Eversince, refusal: InsufficientCredits) -> None:
    with suppress(EversinceError):  # it is about the refusal, not about this
        offer = await eversince.account.credit_packages()
        refusal.balance, refusal.packages = offer.credits_balance, offer.packages
