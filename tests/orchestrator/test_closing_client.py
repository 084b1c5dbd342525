"""Clients that close while a conversation waits: its waiters get an error."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from eversince_async import ClientClosed, Conversation, Eversince
from eversince_async.emulator import Emulator, Scenario

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(scenario=Scenario(walk={"queued": 10, "running": 50}, rendering=20)) as emulator:
        yield emulator


async def talking(eversince: Eversince, **options: Any) -> asyncio.Task[Any]:
    """Return a task that waits for the agent in a conversation."""

    async def first_turn() -> Any:
        try:
            async with eversince.converse("A film", **options) as conversation:
                return await conversation.turn()
        except ClientClosed as closed:
            return closed

    task = asyncio.create_task(first_turn())
    await asyncio.sleep(30)
    return task


def statuses(emulator: Emulator) -> list[str]:
    return [project.status for project in emulator.world.projects.values() if not project.studio]


async def test_who_waits_for_a_turn_is_told_where_to_go_on(emulator: Emulator, eversince: Eversince) -> None:
    task = await talking(eversince)
    left = await eversince.aclose()
    told = await task

    assert isinstance(told, ClientClosed)
    assert () == left, "it is no production, and goes on by its project's id"
    async with (
        Eversince(**emulator.connection) as another,
        another.converse_with(str(told.project_id)) as conversation,
    ):
        assert (await conversation.turn()).project.id == told.project_id


async def test_draining_waits_for_the_turn(emulator: Emulator, eversince: Eversince) -> None:
    task = await talking(eversince)
    await eversince.aclose(productions="drain")

    assert 1 == (await task).number
    assert not eversince._transport.is_open


async def test_cancelling_stops_the_agent(emulator: Emulator, eversince: Eversince) -> None:
    task = await talking(eversince)
    await eversince.aclose(productions="cancel")

    assert isinstance(await task, ClientClosed)
    assert ["cancelled"] == statuses(emulator)


async def test_a_conversation_on_those_terms_cancels_its_project(
    emulator: Emulator, eversince: Eversince
) -> None:
    task = await talking(eversince, on_cancel="cancel")
    await eversince.aclose()

    assert isinstance(await task, ClientClosed)
    assert ["cancelled"] == statuses(emulator)
    assert not eversince._transport.is_open


@pytest.mark.parametrize("waits", ["finish", "variation", "begin"])
async def test_whatever_waits_in_a_conversation_is_told(emulator: Emulator, waits: str) -> None:
    async def wait(conversation: Conversation) -> None:
        if waits == "finish":
            await conversation.finish()
        elif waits == "variation":
            await conversation.variation("Create a 9:16 version")

    async def talk() -> None:
        async with eversince.converse("A film") as conversation:
            await wait(conversation)

    eversince = Eversince(**emulator.connection)
    if waits == "begin":
        eversince.governor.pause(100)
    talks = asyncio.create_task(talk())
    await asyncio.sleep(30)
    await eversince.aclose()

    with pytest.raises(ClientClosed):
        await talks
    assert [] == [lease for lease in eversince.governor.snapshot().slots.leases if lease.held]


async def test_whoever_is_cancelled_stays_cancelled(emulator: Emulator, eversince: Eversince) -> None:
    task = await talking(eversince)
    task.cancel()
    await eversince.aclose()
    await asyncio.wait([task])

    assert task.cancelled()
    assert ["running"] == statuses(emulator)
