"""Gateways that respond instead of the API: nothing is paid twice.

Their pages are no verdict on a request.
"""

from __future__ import annotations

import pytest

from eversince_async import ApiError, Eversince
from eversince_async.durable.executor import EffectExecutor
from eversince_async.emulator import Emulator, Scenario
from eversince_async.emulator.faults import ErrorAnswer, NotJson
from eversince_async.orchestrator.produce import cancel_once

QUICK = Scenario(queued=2, running=5, images=5, videos=5, rendering=10, cycles=1, scenes=(1, 1), reviews=1)
STATUSES = [200, 204, 302, 400, 401, 402, 403, 404, 405, 408, 409, 413, 415, 425, 429, 451, 500, 504]
LASTING = {302, 405, 413, 415}
WRITES = ["/projects", "/projects/*/render", "/projects/*/share", "/projects/*/messages"]


@pytest.fixture
async def emulator():
    async with Emulator(scenario=QUICK) as emulator:
        yield emulator


def page(status: int, **options) -> NotJson:
    return NotJson(status=status, body="" if status == 204 else "<html>gateway</html>", **options)


def made(emulator: Emulator) -> tuple[int, int, int, int]:
    counts, projects = emulator.world.counts, emulator.world.projects.values()
    said = sum(message["content"] == "Bluer" for project in projects for message in project.messages)
    return counts["projects"], counts["renders"], counts["shares"], said


async def film(eversince: Eversince) -> str | None:
    """Make a video in a conversation that sends every write."""
    async with eversince.converse("A film") as talk:
        await talk.turn()
        await talk.say("Bluer")
        await talk.turn()
        return (await talk.finish()).share_url


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize("status", STATUSES)
async def test_a_write_that_was_carried_out_behind_a_page_is_adopted(emulator, eversince, status, path):
    emulator.faults.once("POST", path, page(status, after_commit=True))

    assert await film(eversince)

    assert (1, 1, 1, 1) == made(emulator)
    assert not emulator.faults.pending


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize("status", [status for status in STATUSES if status not in LASTING])
async def test_a_write_that_a_page_came_before_is_sent_again(emulator, eversince, status, path):
    emulator.faults.once("POST", path, page(status))

    assert await film(eversince)

    assert (1, 1, 1, 1) == made(emulator)


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize("status", sorted(LASTING))
async def test_a_page_that_would_come_again_is_told_once_nothing_is_to_be_seen(
    emulator, eversince, status, path
):
    emulator.faults.once("POST", path, page(status), times=3)

    with pytest.raises(ApiError) as raised:
        await film(eversince)

    assert (status, False) == (raised.value.status, raised.value.is_documented)
    assert 2 == emulator.faults.pending, "it was sent again"


@pytest.mark.parametrize("status", [status for status in STATUSES if status not in LASTING])
async def test_a_cancel_behind_a_page_is_done_once(emulator, eversince, status):
    project = emulator.add_project()
    emulator.faults.once("POST", "/projects/*/cancel", page(status, after_commit=True))

    await cancel_once(eversince._runtime, project.id, EffectExecutor())

    assert "cancelled" == project.status
    assert 1 == sum(entry.path.endswith("/cancel") for entry in emulator.world.log)


@pytest.mark.parametrize("status", STATUSES)
async def test_looks_absorb_a_page(emulator, eversince, status):
    for path in ("/projects", "/projects/*", "/account/shares"):
        emulator.faults.once("GET", path, page(status), times=3)

    assert (await eversince.produce("A film")).share_url

    assert (1, 1, 1, 0) == made(emulator)


FOREIGN = ['{"message": "maintenance"}', "{}", "[]", "null", '"ok"', '{"error": "busy", "data": null}']


@pytest.mark.parametrize("body", FOREIGN)
async def test_looks_absorb_json_that_is_none_of_the_apis(emulator, eversince, body):
    """A gateway or a cache may well respond with 200.

    It may do so more often than one call retries.
    """
    for path in ("/projects", "/projects/*", "/account/shares"):
        emulator.faults.once("GET", path, NotJson(status=200, body=body), times=9)

    assert (await eversince.produce("A film")).share_url

    assert (1, 1, 1, 0) == made(emulator)


@pytest.mark.parametrize("after_commit", [False, True])
@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize("body", FOREIGN)
async def test_a_write_answered_by_such_json_is_done_once(emulator, eversince, body, path, after_commit):
    emulator.faults.once("POST", path, NotJson(status=200, body=body, after_commit=after_commit))

    assert await film(eversince)

    assert (1, 1, 1, 1) == made(emulator)


READS = ["/projects/*/messages", "/projects/*/assets", "/projects/*/variations", "/projects/*"]


@pytest.mark.parametrize("path", READS)
async def test_all_reads_of_a_conversation_absorb_pages(emulator, eversince, path):
    """There are more pages than one call retries."""
    async with eversince.converse("A film") as talk:
        await talk.turn()
        emulator.faults.once("GET", path, page(403), times=9)
        await talk.say("Bluer")
        await talk.turn()
        await talk.variation("Create a 9:16 version for TikTok")

        assert (await talk.finish()).share_url
    assert not emulator.faults.pending


@pytest.mark.parametrize("retry_failed", [False, True])
@pytest.mark.parametrize("path", WRITES[:3])
@pytest.mark.parametrize("status", [200, 302, 403, 408, 413, 429])
async def test_neither_a_new_run_nor_retry_failed_pays_twice(
    emulator, eversince, tmp_path, status, path, retry_failed
):
    """The page comes for as long as one run is patient.

    The write that it hid was carried out.
    """
    journal, items = tmp_path / "a.db", [{"key": "mug", "brief": "A mug"}, {"key": "cup", "brief": "A cup"}]
    emulator.faults.once("POST", path, page(status, after_commit=True))
    emulator.faults.once("POST", path, page(status), times=200)

    first = await eversince.batch(items, journal=journal)
    emulator.faults._script.clear()
    second = await eversince.batch(items, journal=journal, retry_failed=retry_failed)

    assert not first.counts.get("failed"), [str(outcome.error) for outcome in first.outcomes]
    assert {"succeeded": 2} == second.counts, [str(outcome.error) for outcome in second.outcomes]
    assert (2, 2, 2) == made(emulator)[:3]


async def test_a_page_with_a_long_pace_is_not_taken_for_the_day_s_end(emulator, eversince):
    emulator.faults.once("POST", "/projects", ErrorAnswer(status=429, code="", message="", retry_after=7200))

    assert (await eversince.produce("A film")).share_url

    assert eversince.governor.quota.left("projects")
