"""Running the emulator as a command: what `eversince emulator` and `python -m …emulator` call."""

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
    """Run an emulator until cancelled; cancelling closes it, and what a state file holds stays.

    How fast its time passes is the event loop's to say: see `loop_of`.

    Args:
        port: Port of the API, 0 for a free one; media are on the next one if that is free.
        host: Address to listen on.
        revision: "2026-04" or "2026-05".
        limits: Whether requests, projects, renders, keys and budgets are limited at all.
        requests_per_minute: Another limit than the documented one.
        active_projects: Another limit than the documented five.
        state: File to keep the state in.
        keys: Further keys to accept.
        pro: Whether the account has the Pro plan.
        credits: The account's balance, unless the state file knows one.
        seed: Seed of everything random.
        failures: Share of runs that fail.
        faults: What goes wrong on the way.
        webhook_secret: Webhooks are signed with it.
        allow_loopback_webhooks: Whether plain HTTP to this machine is a webhook address too.
        allow_webhooks_to: Internal hosts and networks that webhooks may go to.
        allow_hosts: Further names it may be called by.
        announce: Gets the lines to show: where it listens, how to use it.

    Raises:
        OSError: The port is taken.
        StateFileError: The state file cannot be used; says why.
        SettingRefused: What is allowed is no host or network.
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
    """What makes the event loop of an emulator; None: the usual one will do.

    Args:
        speed: Seconds of its time in one of ours; None for real time.
        state: File its state is kept in. If the time in there is ahead of ours, it goes on from that.
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
    kept = Limits()
    if requests_per_minute is not None:
        kept = attrs.evolve(kept, requests_per_minute=requests_per_minute)
    if active_projects is not None:
        kept = attrs.evolve(kept, active_projects=active_projects)
    return kept
