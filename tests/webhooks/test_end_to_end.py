"""Productions notice transitions at once with webhooks, and later without."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import aiohttp
import attrs
import pytest

from eversince_async import (
    Eversince,
    PollSchedule,
    ProjectFailed,
    StatusChanged,
    WebhookReceiver,
)
from eversince_async.emulator import Emulator, Faults, Scenario
from eversince_async.emulator.webhooks import Delivery
from helpers.webhook_deliveries import OTHER_SECRET, SECRET, payload, serving, signed

SCENARIO = Scenario(queued=7, running=33, images=77, videos=205, rendering=101)
HARDLY_EVER = PollSchedule(
    intervals=dict.fromkeys(["queued", "running", "generating", "rendering"], 1800), spare=0
)
"""Looks are so rare that only webhooks can tell in time."""

FLOOD = 10_000 if "EVERSINCE_FULL_LIMITS" in os.environ else 300
"""Hostile deliveries over HTTP; `test_hostile_deliveries` has ten thousand of them without."""


@attrs.frozen
class Stage:
    emulator: Emulator
    eversince: Eversince
    receiver: WebhookReceiver
    url: str

    def looks_and_transitions(self, project_id: str) -> tuple[list[int], list[int]]:
        """Return the times of a project's polls and of its webhooks.

        They are whole seconds after its creation.
        """
        created_at = self.emulator.world.projects[project_id].created_at
        transitions = [round(sent.at - created_at) for sent in self.emulator.deliveries]
        return [round(at) for at in self.emulator.polls(project_id)], transitions


@asynccontextmanager
async def set_up(
    *, secret: str = SECRET, schedule: PollSchedule | None = None, **options: object
) -> AsyncIterator[Stage]:
    """Run an emulator whose webhooks reach a client's receiver over HTTP."""
    given = {"scenario": SCENARIO, "webhook_secret": SECRET, "allow_loopback_webhooks": True, **options}
    async with (
        Emulator(**given) as emulator,  # type: ignore[arg-type]  # the caller's options
        Eversince(**emulator.connection, schedule=schedule) as eversince,
    ):
        receiver = WebhookReceiver(eversince, secret=secret)
        async with serving(receiver.aiohttp_app()) as url:
            yield Stage(emulator, eversince, receiver, url)


async def test_a_production_notices_each_transition_within_one_confirming_look():
    async with set_up(schedule=HARDLY_EVER) as stage:
        film = await stage.eversince.produce("A film", webhook_url=stage.url)
        looks, transitions = stage.looks_and_transitions(film.project.id)

        assert film.assembled_url is not None
        assert 8 == len(transitions), (
            "running, generating, running, generating, running, idle, rendering, idle"
        )
        assert set(transitions) - set(looks) <= {transitions[-2]}, "of the rendering our own request told"
        assert len(looks) <= len(transitions)


async def test_productions_side_by_side_notice_each_transition_at_once():
    """There are fewer requests than webhooks.

    A poll of the list serves all waiters.
    """
    async with set_up(schedule=HARDLY_EVER) as stage:
        produce = stage.eversince.produce
        await asyncio.gather(*(produce(f"Film {number}", webhook_url=stage.url) for number in range(5)))
        emulator = stage.emulator

        def noticed_after(delivery: Delivery) -> float:
            sent_at = delivery.at - emulator.world.projects[delivery.project_id].created_at
            return min(
                look - sent_at for look in emulator.polls(delivery.project_id) if look > sent_at - 0.01
            )

        assert 5 * 8 == len(emulator.deliveries)
        assert max(map(noticed_after, emulator.deliveries)) < 0.1
        assert len(emulator.world.log) < 5 * 8


async def test_a_webhook_that_comes_during_a_look_is_not_missed():
    """The poll may have returned the state before the webhook."""
    hasty = Scenario(queued=2, running=1, images=1.5, videos=1.5, rendering=1)
    async with set_up(schedule=HARDLY_EVER, scenario=hasty, faults=Faults(latency=(0.5, 3))) as stage:
        began = asyncio.get_running_loop().time()
        await stage.eversince.produce("A film", webhook_url=stage.url)

        assert asyncio.get_running_loop().time() - began < 30


async def test_webhooks_tell_in_the_events_of_a_workflow():
    async with (
        set_up(schedule=HARDLY_EVER) as stage,
        stage.eversince.produce("A film", webhook_url=stage.url, render=None) as workflow,
    ):
        seen = [event.status async for event in workflow if isinstance(event, StatusChanged)]

        assert ["running", "generating", "running", "generating", "running", "idle"] == seen[-6:]


async def test_a_failure_is_told_at_once():
    async with set_up(schedule=HARDLY_EVER, scenario=Scenario(failure=1, failure_in="generating")) as stage:
        with pytest.raises(ProjectFailed) as failure:
            await stage.eversince.produce("A film", webhook_url=stage.url)
        looks, transitions = stage.looks_and_transitions(failure.value.project_id)

        assert transitions[-1] == looks[-1]


async def test_news_of_projects_that_nobody_waits_for_cost_no_request():
    async with set_up() as stage:
        stage.eversince.nudge("nobody's")
        project = stage.emulator.add_project(walks={"running": 60}, webhook_url=stage.url)
        await asyncio.sleep(100)

        assert 2 == stage.receiver.statistics().received
        assert [] == stage.emulator.polls(project.id)


async def test_with_every_webhook_lost_nothing_breaks():
    async with set_up(faults=Faults(lost_webhooks=1.0)) as stage:
        film = await stage.eversince.produce("A film", webhook_url=stage.url)

        assert film.assembled_url is not None
        assert 0 == stage.receiver.statistics().received
        assert {"lost"} == {delivery.problem for delivery in stage.emulator.deliveries}


async def test_with_some_webhooks_lost_nothing_breaks():
    async with set_up(faults=Faults(lost_webhooks=0.5, seed=3)) as stage:
        films = await asyncio.gather(
            *(stage.eversince.produce(f"Film {number}", webhook_url=stage.url) for number in range(5))
        )

        assert 5 == len({film.assembled_url for film in films})
        assert 0 < stage.receiver.statistics().received < len(stage.emulator.deliveries)


async def test_with_the_wrong_secret_nothing_breaks():
    async with set_up(secret=OTHER_SECRET) as stage:
        film = await stage.eversince.produce("A film", webhook_url=stage.url)

        assert film.assembled_url is not None
        assert {"unauthorized": len(stage.emulator.deliveries)} == stage.receiver.statistics().refused


async def test_with_a_dead_application_nothing_breaks():
    """Events left in the queue delay neither server nor production."""
    async with set_up(schedule=HARDLY_EVER) as stage:
        dead = stage.receiver.events()
        film = await stage.eversince.produce("A film", webhook_url=stage.url)

        assert film.assembled_url is not None
        assert len(stage.emulator.deliveries) == len(dead)
        assert {200} == {delivery.status for delivery in stage.emulator.deliveries}


async def test_a_flood_of_forgeries_costs_no_look_and_no_event():
    """They arrive over HTTP during a production, and name its very project."""
    rng = Random(1)
    async with set_up(schedule=HARDLY_EVER) as stage, aiohttp.ClientSession() as http:
        events = stage.receiver.events()
        making = asyncio.create_task(stage.eversince.produce("A film", webhook_url=stage.url)._get_result())
        await asyncio.sleep(3)
        (project_id,) = (each.id for each in stage.emulator.world.projects.values() if not each.studio)
        genuine = payload(project_id, "running")
        headers = signed(genuine)
        sent = [await status_of(http, stage.url, genuine, headers)]
        for _ in range(FLOOD):
            body = payload(project_id, rng.choice(["failed", "idle"]), number=rng.random())
            hostile = {
                "forged": (body, signed(body, secret="guessed")),
                "altered": (body, headers),
                "stale": (body, signed(body, age=400)),
                "replayed": (genuine, headers),
                "malformed": (body[: rng.randrange(len(body))], signed(body)),
                "unsigned": (body, {}),
            }
            sent.append(await status_of(http, stage.url, *rng.choice(list(hostile.values()))))
            await asyncio.sleep(0.5)
        film = await making
        stage.receiver.close()
        seen = stage.receiver.statistics()
        looks, transitions = stage.looks_and_transitions(film.project.id)

        assert film.assembled_url is not None
        assert {200, 401} == set(sent)
        assert len(looks) <= len(transitions) + 1
        assert len(transitions) + 1 == seen.received == len([event async for event in events])
        assert seen.duplicates + seen.refused["unauthorized"] == FLOOD


async def status_of(http: aiohttp.ClientSession, url: str, body: bytes, headers: dict[str, str]) -> int:
    async with http.post(url, data=body, headers=headers) as answer:
        return answer.status


@pytest.mark.parametrize("revision", ["2026-04", "2026-05"])
async def test_the_application_gets_whole_events_of_both_revisions(revision):
    async with set_up(revision=revision) as stage:
        arriving = stage.receiver.events()
        film = await stage.eversince.produce("A film", webhook_url=stage.url)
        stage.receiver.close()
        events = [event async for event in arriving]
        *_, rendering, last = events

        assert ("rendering", "idle") == (rendering.event, last.event)
        assert film.assembled_url == last.assembled_url
        assert last.timeline is not None
        assert len(last.timeline.scenes) > 0
        assert {scene.ref for scene in last.timeline.scenes} <= {asset.ref for asset in last.assets}
        assert not any({"timeline", "assets"} & event.extra.keys() for event in events), "all were read"
