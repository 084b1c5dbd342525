"""The emulator as a command.

`eversince emulator` and `python -m eversince_async.emulator` call it.
"""

import asyncio
import functools
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

import attrs

from eversince_async.emulator.emulator import API_KEY, Emulator
from eversince_async.emulator.faults import Faults
from eversince_async.emulator.limits import Limits
from eversince_async.emulator.revision import Revision
from eversince_async.emulator.scenario import Scenario
from eversince_async.emulator.store import time_in


async def serve(
    *,
    port: int = 0,
    host: str = "127.0.0.1",
    revision: Revision = "2026-04",
    limits: bool = True,
    requests_per_minute: int | None = None,
    active_projects: int | None = None,
    state: str | Path | None = None,
    keys: Iterable[str] = (),
    pro: bool = False,
    credits: float = 1450,  # noqa: A002 - the server's word
    seed: int = 0,
    failures: float = 0.0,
    faults: Faults | None = None,
    webhook_secret: str | None = None,
    allow_loopback_webhooks: bool = False,
    allow_webhooks_to: Iterable[str] = (),
    allow_hosts: Iterable[str] = (),
    announce: Callable[[str], None] = print,
) -> None:
    """Run an emulator until cancelled.

    Cancelling closes the emulator; a state file keeps its content. The pace of its time depends on the event
    loop: see `loop_of`.

    Args:
        port: Port of the API, 0 for a free one; media are on the next one if that is free.
        host: Address to listen on.
        revision: "2026-04" or "2026-05".
        limits: False switches off the limits on requests, projects, renders, keys and budgets.
        requests_per_minute: Request limit in place of the documented one.
        active_projects: Limit on active projects in place of the documented five.
        state: File in which the state is saved.
        keys: Further API keys to accept.
        pro: True if the account has the Pro plan.
        credits: The account's balance, unless the state file has one.
        seed: Seed of everything random.
        failures: Share of runs that fail.
        faults: Faults to inject.
        webhook_secret: Secret that signs the webhooks.
        allow_loopback_webhooks: True if plain HTTP to this machine is a valid webhook address too.
        allow_webhooks_to: Internal hosts and networks that webhooks may go to.
        allow_hosts: Further host names under which clients may call the emulator.
        announce: Receives the lines to show: the emulator's address, and how to use it.

    Raises:
        OSError: The port is taken.
        StateFileError: The state file cannot be used; the message says why.
        SettingRefused: An allowed host is not a valid host or network.
    """
    emulator = Emulator(
        revision=revision,
        scenario=Scenario(seed=seed, failure=failures),
        limits=_limits(requests_per_minute, active_projects, limited=limits),
        faults=faults,
        credits=credits,
        plan="pro" if pro else "creator",
        keys=keys,
        state=state,
        host=host,
        port=port,
        webhook_secret=webhook_secret,
        allow_loopback_webhooks=allow_loopback_webhooks,
        allow_webhooks_to=allow_webhooks_to,
        allow_hosts=allow_hosts,
    )
    async with emulator:
        announce(f"Eversince emulator ({revision}) at {emulator.base_url}")
        announce(f"export EVERSINCE_API_KEY={API_KEY} EVERSINCE_BASE_URL={emulator.base_url}")
        await asyncio.get_running_loop().create_future()


def loop_of(speed: float | None, state: str | Path | None) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return a factory for the emulator's event loop, or None.

    None means that the usual loop will do.

    Args:
        speed: Seconds of the emulator's time in one real second; None for real time.
        state: File in which the state is saved. If the time in it is ahead of the real time, the emulator's
            time continues from there.
    """
    began = None if state is None else time_in(Path(state))
    is_ahead = began is not None and began > time.time()
    if speed in {None, 1} and not is_ahead:
        return None
    from eversince_async.testing import VirtualTimeLoop

    start = datetime.fromtimestamp(began, UTC) if is_ahead and began is not None else None
    return functools.partial(VirtualTimeLoop, speed=1.0 if speed is None else speed, start=start)


def _limits(requests_per_minute: int | None, active_projects: int | None, *, limited: bool) -> Limits:
    if not limited:
        return Limits.none()
    result = Limits()
    if requests_per_minute is not None:
        result = attrs.evolve(result, requests_per_minute=requests_per_minute)
    if active_projects is not None:
        result = attrs.evolve(result, active_projects=active_projects)
    return result
