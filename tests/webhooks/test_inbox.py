"""Applications receive events at their own pace, and none delays the others."""

from __future__ import annotations

import asyncio
import gc
import itertools
from contextlib import suppress

import pytest

from eversince_async import WebhookReceiver
from helpers.webhook_deliveries import SECRET, payload, signed


@pytest.fixture
def receiver():
    return WebhookReceiver(secret=SECRET, queue_size=3)


def deliver(receiver, *project_ids, event="running"):
    for project_id in project_ids:
        body = payload(project_id, event)
        assert 200 == receiver.receive(signed(body), body).status


async def taken(events):
    return [event.id async for event in events]


async def test_events_come_in_order_of_arrival(receiver):
    events = receiver.events()
    deliver(receiver, "b", "a", "c")
    receiver.close()

    assert ["b", "a", "c"] == await taken(events)


async def test_each_iteration_gets_every_event(receiver):
    both = asyncio.gather(taken(receiver.events()), taken(receiver.events()))
    deliver(receiver, "a", "b")
    receiver.close()

    assert [["a", "b"], ["a", "b"]] == await both


async def test_tasks_that_share_an_iteration_share_its_events(receiver):
    """The tasks are a pool of workers."""
    events = receiver.events()
    workers = [asyncio.create_task(taken(events)) for _ in range(3)]
    for project_id in "abcdef":
        await asyncio.sleep(0)
        deliver(receiver, project_id)
    receiver.close()

    assert list("abcdef") == sorted(itertools.chain(*await asyncio.gather(*workers)))


async def test_an_iteration_hears_only_of_the_projects_it_names(receiver):
    some, one = receiver.events("a", "c"), receiver.events("b")
    deliver(receiver, "a", "b", "c")
    receiver.close()

    assert [["a", "c"], ["b"]] == [await taken(some), await taken(one)]


async def test_an_iteration_begins_where_it_is_made(receiver):
    deliver(receiver, "before")
    events = receiver.events()
    deliver(receiver, "after")
    receiver.close()

    assert ["after"] == await taken(events)


async def test_an_iteration_waits_for_events_and_ends_on_close(receiver):
    taking = asyncio.create_task(taken(receiver.events()))
    await asyncio.sleep(3600)
    deliver(receiver, "a")
    await asyncio.sleep(3600)
    receiver.close()

    assert ["a"] == await taking


async def test_after_close_a_receiver_goes_on(receiver):
    receiver.close()
    events = receiver.events()
    deliver(receiver, "a")

    assert "a" == (await anext(events)).id


async def test_a_dead_consumer_loses_the_oldest_and_is_told(receiver, caplog):
    """The newest event tells a project's state.

    Other consumers lose nothing, and deliveries get their response.
    """
    dead = receiver.events()
    alive = asyncio.create_task(taken(receiver.events()))
    for project_id in "abcdefg":
        deliver(receiver, project_id)
        await asyncio.sleep(0)
    receiver.close()

    assert list("efg") == await taken(dead)
    assert list("abcdefg") == await alive
    assert (4, 4) == (dead.dropped, receiver.statistics().dropped)
    assert 1 == len(caplog.records)
    assert "dropped the oldest of 3 (1 so far)" in caplog.text


async def test_the_drops_of_an_iteration_that_is_gone_stay_counted(receiver):
    events = receiver.events()
    deliver(receiver, *"abcd")
    del events
    gc.collect()

    assert (1, 0) == (receiver.statistics().dropped, receiver.statistics().subscriptions)


async def test_an_iteration_that_was_left_is_forgotten(receiver):
    events = receiver.events()
    deliver(receiver, "a", "b")
    async for _ in events:
        break
    del events
    gc.collect()

    assert 0 == receiver.statistics().subscriptions


async def test_cancelling_a_wait_loses_no_event(receiver):
    """Not even an event in the instant of the cancellation is lost."""
    events = receiver.events()
    waiting = asyncio.create_task(anext(events))
    await asyncio.sleep(0)
    deliver(receiver, "a")
    waiting.cancel()
    with suppress(asyncio.CancelledError):
        await waiting

    assert "a" == (await anext(events)).id


async def test_a_wait_may_be_bounded(receiver):
    events = receiver.events()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(events), 60)
    deliver(receiver, "a")

    assert "a" == (await anext(events)).id
