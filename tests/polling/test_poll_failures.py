"""The poller's reaction to failing polls: patient, complete and never hasty."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest

from eversince_async import (
    ApiError,
    Eversince,
    EversinceError,
    Forbidden,
    InvalidRequest,
    InvalidResponse,
    Limits,
    PollSchedule,
    ServiceUnavailable,
    Unauthorized,
)
from eversince_async.emulator import Emulator, ErrorAnswer, NotJson
from eversince_async.emulator import Limits as EmulatedLimits
from eversince_async.emulator import Reset as ResetFault
from eversince_async.polling.observation import Observation
from helpers.fake_server import Say, ScriptedServer, refusal

STRICT = PollSchedule(spare=0)

GATEWAYS = [302, 400, 401, 402, 403, 404, 405, 407, 408, 409, 410, 413, 418, 429, 451, 500, 502, 503, 520]


def now() -> float:
    return asyncio.get_running_loop().time()


def sight(
    eversince: Eversince, project_id: str, status: str = "running", **more: Any
) -> asyncio.Task[Observation]:
    return asyncio.create_task(eversince._poller.next_observation(project_id, status=status, **more))


def broken(emulator: Emulator, path: str, fault: Any, times: int = 99_999) -> None:
    emulator.faults.once("GET", path, fault, times=times)


def asked(emulator: Emulator, path: str = "/projects") -> list[float]:
    """Return the times of the requests for a path, in seconds."""
    return [entry.at for entry in emulator.world.log if entry.method == "GET" and entry.path == path]


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(limits=EmulatedLimits.none(), studio_projects=False) as emulator:
        yield emulator


@pytest.fixture
async def eversince(emulator: Emulator) -> AsyncIterator[Eversince]:
    limits = Limits(active_projects=1, requests_per_minute=None)
    async with Eversince(**emulator.connection, schedule=STRICT, limits=limits) as eversince:
        yield eversince


# -- The scope of a failure ---------------------------------------------------------------------------------


@pytest.mark.parametrize("status", GATEWAYS)
@pytest.mark.parametrize("path", ["/projects", "/projects/*"])
async def test_page_of_a_gateway_is_nobodys_verdict(
    emulator: Emulator, eversince: Eversince, path: str, status: int
) -> None:
    """This holds for any status, and any number within the schedule's patience."""
    projects = [emulator.add_project(walks={"running": 100}) for _ in range(3 if path == "/projects" else 1)]
    broken(emulator, path, NotJson(status=status), times=9)
    seen = await asyncio.gather(*(eversince.wait(project.id) for project in projects))

    assert {"idle"} == {each.status for each in seen}


@pytest.mark.parametrize(
    "fault",
    [NotJson(status=403), NotJson(status=200), ErrorAnswer(), ErrorAnswer(status=503), ResetFault()],
    ids=str,
)
async def test_project_that_cannot_be_looked_at_harms_no_other(
    emulator: Emulator, eversince: Eversince, fault: Any
) -> None:
    """The project is on no page, and each poll of it fails.

    Its wait ends when the patience does, and no other wait ends.
    """
    old, young = one_beyond_the_list(emulator, "running")
    broken(emulator, f"/projects/{old}", fault)
    odd = sight(eversince, old)
    waits = [sight(eversince, each) for each in young]
    seen = await asyncio.gather(*waits)
    failure = await asyncio.gather(odd, return_exceptions=True)

    assert {"running"} == {each.status for each in seen}
    assert isinstance(failure[0], EversinceError)
    assert 300 <= now() < 420


@pytest.mark.parametrize(
    "fault",
    [ErrorAnswer(status=400, code="validation_error"), ErrorAnswer(status=404, code="not_found")],
    ids=["400", "404"],
)
async def test_refusal_of_the_list_is_no_verdict_on_projects(
    emulator: Emulator, eversince: Eversince, fault: Any
) -> None:
    """The projects are then polled singly, at once."""
    projects = [emulator.add_project(walks={"running": 10_000}) for _ in range(3)]
    broken(emulator, "/projects", fault)
    seen = await asyncio.gather(*(sight(eversince, project.id) for project in projects))

    assert {"running"} == {each.status for each in seen}
    assert [[30.0]] * 3 == [emulator.polls(project.id) for project in projects]


@pytest.mark.parametrize("fault", [ErrorAnswer(), NotJson(status=403), ResetFault()], ids=str)
async def test_list_that_stays_broken_ends_no_wait(
    emulator: Emulator, eversince: Eversince, fault: Any
) -> None:
    """Single polls succeed, also far beyond the schedule's patience."""
    projects = [emulator.add_project(walks={"running": 1500}) for _ in range(4)]
    broken(emulator, "/projects", fault)
    seen = await asyncio.gather(*(eversince.wait(project.id) for project in projects))

    assert {"idle"} == {each.status for each in seen}
    assert 1500 <= now() < 1800


async def test_broken_list_beside_a_broken_project_ends_only_its_wait(
    emulator: Emulator, eversince: Eversince
) -> None:
    projects = [emulator.add_project(walks={"running": 1500}) for _ in range(5)]
    broken(emulator, "/projects", ErrorAnswer())
    broken(emulator, f"/projects/{projects[0].id}", ErrorAnswer())
    odd = sight(eversince, projects[0].id)
    others = await asyncio.gather(*(eversince.wait(project.id) for project in projects[1:]))
    failure = await asyncio.gather(odd, return_exceptions=True)

    assert {"idle"} == {each.status for each in others}
    assert isinstance(failure[0], EversinceError)


async def test_outage_ends_all_waits_when_patience_does(emulator: Emulator, eversince: Eversince) -> None:
    """The waits are many, and not each is tried once more."""
    projects = [emulator.add_project(walks={"running": 10_000}) for _ in range(60)]
    waits = [sight(eversince, project.id) for project in projects]
    await asyncio.sleep(29)
    emulator.faults.once("*", "/projects", ErrorAnswer(), times=99_999)
    emulator.faults.once("*", "/projects/*", ErrorAnswer(), times=99_999)
    failures = await asyncio.gather(*waits, return_exceptions=True)

    assert all(isinstance(failure, ApiError) for failure in failures)
    assert 300 <= now() < 400


async def test_errors_told_to_many_are_one_each(server: ScriptedServer) -> None:
    server.plays(refusal(401, "unauthorized"))
    async with server.client(schedule=STRICT) as eversince:
        waits = [sight(eversince, f"proj_{n % 2}") for n in range(6)]
        failures = await asyncio.gather(*waits, return_exceptions=True)

    assert {Unauthorized} == {type(failure) for failure in failures}
    assert 6 == len({id(failure) for failure in failures})
    assert 1 == len({str(failure) for failure in failures})


@pytest.mark.parametrize(
    ("status", "code", "error"), [(401, "unauthorized", Unauthorized), (403, "forbidden", Forbidden)]
)
@pytest.mark.parametrize("count", [1, 4])
async def test_refusal_of_the_account_is_told_to_all(
    server: ScriptedServer, status: int, code: str, error: type[Exception], count: int
) -> None:
    server.plays(refusal(status, code))
    async with server.client(schedule=STRICT) as eversince:
        waits = [sight(eversince, f"proj_{n}") for n in range(count)]
        failures = await asyncio.gather(*waits, return_exceptions=True)

    assert {error} == {type(failure) for failure in failures}
    assert 1 == len(server.seen)


async def test_another_project_than_the_one_asked_for_is_no_answer(server: ScriptedServer) -> None:
    """Another project's record is absorbed like any other failure.

    It is not taken for the wanted project, and the request is not repeated without a pause.
    """
    server.plays(Say(json={"id": "proj_other", "status": "idle"}))
    async with server.client(schedule=STRICT) as eversince:
        with pytest.raises(InvalidResponse, match=r"\$\.id"):
            await sight(eversince, "proj_ours")

    assert 300 <= now() < 400
    assert 5.0 <= min(later.at - earlier.at for earlier, later in pairwise(server.seen))


# -- Waits for a slot ---------------------------------------------------------------------------------------


async def others_hold_the_slot(emulator: Emulator, eversince: Eversince, seconds: float) -> None:
    project = emulator.add_project("of others", walks={"generating": seconds})
    eversince.governor.observed(project.id, "generating")


def waited(emulator: Emulator) -> float:
    """Return the seconds between the first project's creation and the last's."""
    first, *_, last = emulator.world.projects.values()
    return last.created_at - first.created_at


REFUSALS = [
    ErrorAnswer(status=400, code="validation_error"),
    ErrorAnswer(status=401, code="unauthorized"),
    ErrorAnswer(status=403, code="forbidden"),
    ErrorAnswer(status=404, code="not_found"),
    ErrorAnswer(status=402, code="insufficient_credits"),
    ErrorAnswer(status=409, code="conflict"),
    ErrorAnswer(status=429, code="project_limit"),
    NotJson(status=403),
    NotJson(status=200),
]


@pytest.mark.parametrize("fault", REFUSALS, ids=str)
async def test_refusal_of_the_list_leaves_nobody_alone_who_seeks_a_slot(
    emulator: Emulator, eversince: Eversince, fault: Any
) -> None:
    await others_hold_the_slot(emulator, eversince, 100)
    broken(emulator, "/projects", fault, times=1)
    await eversince.produce("ours", render=None, share=False)

    assert waited(emulator) < 100 + 30 + 30 + 10


async def test_mistake_of_ours_leaves_nobody_alone_who_seeks_a_slot(
    emulator: Emulator, eversince: Eversince, monkeypatch: pytest.MonkeyPatch
) -> None:
    await others_hold_the_slot(emulator, eversince, 100)
    through, failing = eversince._poller._requests.list_projects, [ValueError("a mistake")]

    async def once(*args: Any) -> Any:
        if failing:
            raise failing.pop()
        return await through(*args)

    monkeypatch.setattr(eversince._poller._requests, "list_projects", once)
    await eversince.produce("ours", render=None, share=False)

    assert not failing
    assert waited(emulator) < 100 + 30 + 30 + 10


@pytest.mark.parametrize(
    "fault",
    [
        ErrorAnswer(),
        ErrorAnswer(status=429, code="rate_limited", retry_after=3600),
        ErrorAnswer(status=429, code="rate_limited"),
        ErrorAnswer(status=503, code="service_unavailable", retry_after=600),
        ErrorAnswer(status=400, code="validation_error"),
        ErrorAnswer(status=401, code="unauthorized"),
        NotJson(status=403),
        NotJson(status=200),
        ResetFault(),
    ],
    ids=str,
)
@pytest.mark.parametrize("waits", [0, 1, 3])
async def test_a_failing_list_is_asked_with_pauses(
    emulator: Emulator, eversince: Eversince, fault: Any, waits: int
) -> None:
    """A production waits for a slot, and others wait for projects, too."""
    await others_hold_the_slot(emulator, eversince, 100_000)
    broken(emulator, "/projects", fault)
    seeking = asyncio.create_task(eversince.produce("ours", render=None, share=False)._get_result())
    watching = [
        asyncio.create_task(eversince.wait(emulator.add_project(walks={"running": 100_000}).id)._get_result())
        for _ in range(waits)
    ]
    await asyncio.sleep(600)
    for task in (seeking, *watching):
        task.cancel()
    await asyncio.wait([seeking, *watching])

    per_minute = Counter(int(at // 60) for at in asked(emulator))
    assert len(asked(emulator)) >= 1
    assert max(per_minute.values()) <= 13 * 4  # a poll is up to four requests
    assert sum(per_minute.values()) <= 10 * 13 * 3


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("path", ["/projects", "/projects/*"])
async def test_retry_after_is_heeded(
    emulator: Emulator, eversince: Eversince, status: int, path: str
) -> None:
    """It may be longer than one call would wait.

    It holds for the polls of all other projects, too.
    """
    code = "rate_limited" if status == 429 else "service_unavailable"
    several = 3 if path == "/projects" else 1
    projects = [emulator.add_project(walks={"running": 10_000}) for _ in range(several)]
    broken(emulator, path, ErrorAnswer(status=status, code=code, retry_after=200), times=1)
    await asyncio.gather(*(sight(eversince, project.id) for project in projects))

    assert 230 <= now() < 240
    assert 2 == len(emulator.world.log)


async def test_who_asks_for_more_time_than_we_are_patient_is_asked_as_often_as_that(
    emulator: Emulator,
) -> None:
    projects = [emulator.add_project(walks={"running": 10_000}) for _ in range(2)]
    broken(emulator, "/projects", ErrorAnswer(status=503, code="service_unavailable", retry_after=7200))
    broken(emulator, "/projects/*", ErrorAnswer(status=503, code="service_unavailable", retry_after=7200))
    async with Eversince(
        **emulator.connection, schedule=PollSchedule(spare=0, max_failure_time=150)
    ) as eversince:
        failures = await asyncio.gather(
            *(sight(eversince, project.id) for project in projects), return_exceptions=True
        )

    assert {ServiceUnavailable} == {type(failure) for failure in failures}
    assert 180 <= now() < 190


# -- Pauses -------------------------------------------------------------------------------------------------


async def test_nudges_do_not_hasten_looks_that_fail(emulator: Emulator, eversince: Eversince) -> None:
    project = emulator.add_project(walks={"running": 10_000})
    broken(emulator, "/projects/*", ErrorAnswer(status=503, code="service_unavailable", retry_after=60))
    waiting = sight(eversince, project.id)
    for _ in range(1000):
        await asyncio.sleep(0.1)
        eversince._poller.nudge(project.id)
    waiting.cancel()
    await asyncio.wait([waiting])

    assert len(emulator.world.log) <= 4


async def test_new_project_that_is_missing_is_not_looked_for_without_a_pause(
    emulator: Emulator, eversince: Eversince
) -> None:
    """Nudges do not change this."""
    eversince._session.newborn.note("proj_late")  # type: ignore[union-attr]
    waiting = sight(eversince, "proj_late", "queued")
    for _ in range(500):
        await asyncio.sleep(0.1)
        eversince._poller.nudge("proj_late")
    waiting.cancel()
    await asyncio.wait([waiting])

    assert 8 <= len(emulator.world.log) <= 12


async def test_waiting_and_giving_up_in_turns_does_not_hasten_looks_that_fail(
    emulator: Emulator, eversince: Eversince
) -> None:
    """This holds even if there is no waiter in between."""
    await others_hold_the_slot(emulator, eversince, 100_000)
    broken(emulator, "/projects", ErrorAnswer(status=503, code="service_unavailable", retry_after=100))
    for _ in range(100):
        seeking = asyncio.create_task(eversince.produce("ours", render=None, share=False)._get_result())
        await asyncio.sleep(1)
        seeking.cancel()
        await asyncio.wait([seeking])

    assert len(emulator.world.log) <= 2


async def test_cancelled_while_looks_are_put_off_nothing_is_sent_any_more(
    emulator: Emulator, eversince: Eversince
) -> None:
    waits = [sight(eversince, emulator.add_project(walks={"running": 10_000}).id) for _ in range(3)]
    broken(emulator, "/projects", ErrorAnswer())
    await asyncio.sleep(45)
    for wait in waits:
        wait.cancel()
    await asyncio.wait(waits)
    await asyncio.sleep(60)  # a poll that is under way ends
    before = len(emulator.world.log)
    await asyncio.sleep(1000)

    assert 0 < before == len(emulator.world.log)


async def test_early_looks_are_taken_again_when_trouble_has_passed(emulator: Emulator) -> None:
    projects = [emulator.add_project(walks={"generating": 10_000}) for _ in range(2)]
    broken(emulator, "/projects", ErrorAnswer(), times=8)
    async with Eversince(**emulator.connection) as eversince:
        for _ in range(2):
            await asyncio.gather(*(sight(eversince, project.id, "generating") for project in projects))
        alone = await sight(eversince, projects[0].id, "generating")

    assert "generating" == alone.status
    assert now() < 2 * 45 + 45


def one_beyond_the_list(emulator: Emulator, status: str) -> tuple[str, list[str]]:
    """Add a project beyond the first page, and three on it."""
    old = emulator.add_project(walks={status: 10_000}).id
    for _ in range(120):
        emulator.add_project()
    return old, [emulator.add_project(walks={status: 10_000}).id for _ in range(3)]


async def test_an_odd_project_costs_a_request_at_a_time(emulator: Emulator, eversince: Eversince) -> None:
    """Its polls do not fetch the list as well.

    The other projects keep their pace.
    """
    odd, others = one_beyond_the_list(emulator, "running")
    broken(emulator, f"/projects/{odd}", NotJson(status=200))
    waiting = sight(eversince, odd)
    watching = [asyncio.create_task(eversince.wait(each)._get_result()) for each in others]
    await asyncio.sleep(200)
    for task in (waiting, *watching):
        task.cancel()
    await asyncio.wait([waiting, *watching])

    assert len(asked(emulator)) <= 200 / 30 + 2
    assert 10 <= len(asked(emulator, f"/projects/{odd}"))


async def test_early_looks_go_on_beside_an_odd_project(emulator: Emulator) -> None:
    odd, others = one_beyond_the_list(emulator, "generating")
    broken(emulator, f"/projects/{odd}", NotJson(status=200))
    async with Eversince(**emulator.connection) as eversince:
        waiting = sight(eversince, odd, "generating")
        watching = [asyncio.create_task(eversince.wait(each)._get_result()) for each in others]
        await asyncio.sleep(250)
        for task in (waiting, *watching):
            task.cancel()
        await asyncio.wait([waiting, *watching])

    looks = emulator.polls(others[0])
    assert min(later - earlier for earlier, later in pairwise(looks)) < 45


async def test_cancellation_of_what_a_look_waits_for_abandons_nobody(
    emulator: Emulator, eversince: Eversince, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The poller itself was not cancelled."""
    project = emulator.add_project(walks={"running": 10_000})
    at, cancelled = eversince._poller._requests.get_project, [True]

    async def once(project_id: str) -> str:
        if cancelled:
            cancelled.clear()
            raise asyncio.CancelledError
        return await at(project_id)

    monkeypatch.setattr(eversince._poller._requests, "get_project", once)

    assert "running" == (await sight(eversince, project.id)).status
    assert [35.0] == [round(look) for look in emulator.polls(project.id)]


async def test_whoever_cancels_the_watcher_leaves_nobody_waiting_for_ever(
    emulator: Emulator, eversince: Eversince
) -> None:
    """Code that ends all tasks of a loop does so."""
    waiting = sight(eversince, emulator.add_project(walks={"running": 10_000}).id)
    await asyncio.sleep(1)
    looking = eversince._poller._looking
    assert looking is not None
    looking.cancel()
    await asyncio.wait([waiting], timeout=1)

    assert waiting.cancelled()


@pytest.mark.parametrize("project_id", ["..", ".", "\ud800"])
async def test_id_that_cannot_be_asked_for_ends_only_its_own_wait(
    emulator: Emulator, eversince: Eversince, project_id: str
) -> None:
    good = [sight(eversince, emulator.add_project(walks={"running": 10_000}).id) for _ in range(2)]
    bad = sight(eversince, project_id)
    await asyncio.wait([*good, bad])

    assert {"running"} == {each.result().status for each in good}
    assert isinstance(bad.exception(), InvalidRequest)
