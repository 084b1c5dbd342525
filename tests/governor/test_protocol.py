"""The client uses only the members of the governor's protocol.

So a governor may live in another process.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

import pytest

from eversince_async import Eversince, Governor, Limits
from eversince_async.emulator import Emulator, Scenario
from eversince_async.governor import GovernorProtocol, WaitKind
from eversince_async.governor import protocol as protocols

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from eversince_async.governor import WaitEnded, WaitReason

PARTS = {"slots": protocols.SlotsProtocol, "quota": protocols.QuotasProtocol}
GRANTED = {"acquire": protocols.SlotLeaseProtocol, "reserve": protocols.QuotaReservationProtocol}


class Elsewhere:
    """A governor, or a part of one, with its protocol's members only.

    Access to any other member is an error.
    """

    def __init__(self, inner: Any, protocol: type) -> None:
        self._inner = inner
        self._members = {name for name in dir(protocol) if not name.startswith("_")}

    def __getattr__(self, name: str) -> Any:
        if name not in self._members:
            raise AttributeError(f"the protocol has no {name}")
        value = getattr(self._inner, name)
        if name in PARTS:
            return Elsewhere(value, PARTS[name])
        if name in GRANTED:
            return lambda *args, **options: self._grant(value(*args, **options), GRANTED[name])
        return value

    async def _grant(self, granting: Any, protocol: type) -> Elsewhere:
        return Elsewhere(await granting, protocol)

    def __enter__(self) -> Elsewhere:
        self._inner.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._inner.__exit__(*error)


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(scenario=Scenario(walk={"queued": 10, "running": 50}, rendering=20)) as emulator:
        yield emulator


@pytest.fixture
def governor() -> GovernorProtocol:
    return Elsewhere(Governor(Limits(active_projects=2)), GovernorProtocol)  # type: ignore[return-value]  # it has all members


def test_the_governor_of_this_process_offers_what_the_protocol_says() -> None:
    """Names and parameters are the same."""
    pairs = [(Governor, GovernorProtocol)]
    pairs += [(type(getattr(Governor(), name)), protocol) for name, protocol in PARTS.items()]
    for ours, protocol in pairs:
        for name, member in vars(protocol).items():
            if inspect.isfunction(member) and not name.startswith("_"):
                assert [*inspect.signature(member).parameters] == [
                    *inspect.signature(getattr(ours, name)).parameters
                ], f"{ours.__name__}.{name}"


async def test_productions_and_conversations_need_no_more(
    emulator: Emulator, governor: GovernorProtocol
) -> None:
    async with Eversince(**emulator.connection, governor=governor) as eversince:
        films = await asyncio.gather(*(eversince.produce(f"Film {n}") for n in range(4)))
        async with eversince.converse("A talk") as conversation:
            async for turn in conversation:
                await turn.reply("Go on")
                break
            await conversation.finish()
        await eversince.aclose(productions="cancel")

    assert all(film.share_url for film in films)
    assert 2 == emulator.world.most_active


async def test_batches_need_no_more(emulator: Emulator, governor: GovernorProtocol, tmp_path: Path) -> None:
    async with Eversince(**emulator.connection, governor=governor) as eversince:
        report = await eversince.batch([f"Film {n}" for n in range(4)], journal=tmp_path / "films.db")

    assert 4 == report.counts["succeeded"]


async def test_waits_are_told_as_they_are_of_our_own(emulator: Emulator, governor: GovernorProtocol) -> None:
    began: list[WaitReason] = []
    ended: list[WaitEnded] = []
    governor.on_wait(began.append)
    governor.on_wait_end(ended.append)
    async with Eversince(**emulator.connection, governor=governor) as eversince:
        await asyncio.gather(*(eversince.produce(f"Film {n}", render=None, share=False) for n in range(3)))

    assert {WaitKind.SLOT} == {wait.kind for wait in began}
    assert [WaitKind.SLOT] == [wait.kind for wait in ended if wait.kind is not WaitKind.REQUESTS]
