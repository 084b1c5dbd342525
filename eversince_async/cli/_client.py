"""The client that commands use."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

from eversince_async.client import Eversince
from eversince_async.errors import EversinceError, InsufficientCredits
from eversince_async.session.hooks import RetryScheduled


@asynccontextmanager
async def connect(
    on_retry: Callable[[RetryScheduled], object] | None = None,
) -> AsyncGenerator[Eversince, None]:
    """Open a client with the key and the address of the environment.

    Args:
        on_retry: Called when a failed attempt is going to be retried.

    Raises:
        ConfigurationError: The key is missing or malformed.
    """
    async with Eversince(on_retry=() if on_retry is None else on_retry) as eversince:
        try:
            yield eversince
        except InsufficientCredits as refusal:
            if refusal.balance is None:
                await _look_up_prices(eversince, refusal)
            raise


async def _look_up_prices(eversince: Eversince, refusal: InsufficientCredits) -> None:
    with suppress(EversinceError):  # the caller needs the refusal, not a failure of this look-up
        offer = await eversince.account.credit_packages()
        refusal.balance, refusal.packages = offer.credits_balance, offer.packages
