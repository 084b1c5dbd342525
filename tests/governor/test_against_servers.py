"""Ten minutes of greedy demand against servers that count for themselves.

The servers refuse no request, and no request is wasted.
"""

import asyncio
from math import ceil, floor
from random import Random

import pytest

from eversince_async.governor import Governor, Lane, Limits
from eversince_async.models.receipt import RateLimit
from helpers.server_account import FixedAccount, SlidingAccount, most_in_any_window

MINUTES = 10
BY_LIMIT = MINUTES * 30


class Wire:
    """A server behind a network.

    Requests arrive late, and their responses come back later still.
    """

    def __init__(
        self,
        account: SlidingAccount,
        *,
        latest: float = 0.3,
        seed: int = 1,
        tells: bool = True,
        whole_seconds: bool = False,
    ) -> None:
        self.account = account
        self.latest = latest
        self.random = Random(seed)
        self.tells = tells
        self.whole_seconds = whole_seconds
        self.refused = 0

    async def send(self) -> tuple[bool, RateLimit | None]:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self.random.uniform(0, self.latest))
        now = loop.time()
        taken = self.account.takes(now)
        self.refused += not taken
        headers = RateLimit(
            limit=self.account.limit,
            remaining=self.account.remaining(now),
            resets_in=self._resets_in(now),
        )
        await asyncio.sleep(self.random.uniform(0, self.latest))
        return taken, headers if self.tells else None

    def _resets_in(self, now: float) -> float:
        """Return the time from the response's date to the reset.

        Headers give both in whole seconds.
        """
        resets_at = now + self.account.resets_in(now)
        return ceil(resets_at) - floor(now) if self.whole_seconds else resets_at - now


async def request(governor: Governor, wire: Wire, lane: Lane) -> None:
    """Send one request, and repeat it after a pause while refused."""
    while True:
        departure = await governor.admit(lane)
        taken, headers = await wire.send()
        governor.answered(departure, headers)
        if taken:
            return
        governor.pause(wire.account.resets_in(asyncio.get_running_loop().time()))


async def sends(governor: Governor, wire: Wire, lane: Lane, count: int, seconds: float) -> None:
    """Send `count` requests at once, for `seconds`."""
    tasks = [asyncio.create_task(request(governor, wire, lane)) for _ in range(count)]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("lane", Lane)
@pytest.mark.parametrize("server", [SlidingAccount, FixedAccount])
@pytest.mark.parametrize("tells", [True, False], ids=["headers", "no headers"])
async def test_greedy_demand_is_never_refused_and_wastes_nothing(
    *, lane: Lane, server: type[SlidingAccount], tells: bool
) -> None:
    """The pace is at least 0.99 of what the limit allows.

    Requests arrive up to 300 ms late.
    """
    account = server()
    wire = Wire(account, tells=tells)
    await sends(Governor(), wire, lane, BY_LIMIT + 100, 60 * MINUTES)

    assert 0 == wire.refused
    assert most_in_any_window(account.counted) <= 30
    assert len(account.counted) / BY_LIMIT >= 0.99


async def test_a_server_with_a_higher_limit_is_used_in_full() -> None:
    account = SlidingAccount(limit=120)
    wire = Wire(account)
    await sends(Governor(), wire, Lane.WORK, 1500, 60 * MINUTES)

    assert 0 == wire.refused
    assert len(account.counted) / (MINUTES * 120) >= 0.98


async def test_a_server_with_a_lower_limit_is_obeyed_from_its_first_answer_on() -> None:
    """The server refuses only requests that had left before its response."""
    account = SlidingAccount(limit=10)
    wire = Wire(account)
    governor = Governor()
    await request(governor, wire, Lane.WORK)
    await sends(governor, wire, Lane.WORK, 200, 60 * MINUTES)

    assert 0 == wire.refused


async def test_a_pinned_limit_is_not_exceeded_whatever_the_server_allows() -> None:
    account = SlidingAccount(limit=120)
    await sends(Governor(Limits(requests_per_minute=20)), Wire(account), Lane.WORK, 300, 60 * MINUTES)

    assert 20 == most_in_any_window(account.counted)


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 8])
@pytest.mark.parametrize(
    ("server", "whole_seconds", "few"),
    [
        (SlidingAccount, False, 3),
        (SlidingAccount, True, 4),
        # A burst of ours just before a fixed window ends may be refused whole.
        (FixedAccount, False, 10),
        (FixedAccount, True, 2),
    ],
)
async def test_beside_a_stranger_who_takes_a_third_refusals_are_few(
    *, server: type[SlidingAccount], whole_seconds: bool, few: int, seed: int
) -> None:
    account = server()
    wire = Wire(account, seed=seed, whole_seconds=whole_seconds)

    async def stranger() -> None:
        random = Random(seed + 100)
        while True:
            await asyncio.sleep(random.expovariate(10 / 60))
            account.takes(asyncio.get_running_loop().time())

    other = asyncio.create_task(stranger())
    await sends(Governor(), wire, Lane.WORK, BY_LIMIT, 60 * MINUTES)
    other.cancel()
    await asyncio.gather(other, return_exceptions=True)

    assert wire.refused <= few
    assert len(account.counted) / BY_LIMIT >= 0.85  # both together
