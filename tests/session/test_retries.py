"""Every outcome of an attempt, on every kind of endpoint.

Each leads to the right retry or the right error.
"""

import json
from email.utils import formatdate
from typing import Any

import anyio
import pytest

from eversince_async import (
    ApiError,
    ConnectionFailed,
    Eversince,
    EversinceError,
    InternalError,
    InvalidResponse,
    NotFound,
    OutcomeUnknown,
    ProjectLimitReached,
    RateLimited,
    RequestTimedOut,
    RetryPolicy,
    RetryScheduled,
    ServerError,
    ServiceUnavailable,
    StatusConflict,
    TransportError,
    Unauthorized,
    ValidationFailed,
    WrongStatus,
)
from helpers.fake_server import Hang, Play, Reset, ResetUnread, Say, ScriptedServer, refusal

CREATED = Say(status=202, json={"id": "proj_1", "status": "queued", "mode": "autonomous"})
PROJECT = Say(json={"id": "proj_1", "status": "idle"})
RENDERING = Say(status=202, json={"id": "proj_1", "status": "rendering", "quality": "1080p"})

IN_DOUBT: dict[str, tuple[Play, type[EversinceError]]] = {
    "reset": (Reset(), ConnectionFailed),
    "reset unread": (ResetUnread(), ConnectionFailed),
    "timeout": (Hang(), RequestTimedOut),
    "500": (refusal(500, "internal_error"), InternalError),
    "500 without envelope": (Say(status=500, body=b"oops"), InternalError),
    "502 of a gateway": (Say(status=502, body=b"<html>Bad Gateway</html>"), ServerError),
    "503 without envelope": (Say(status=503, body=b"<html>Unavailable</html>"), ServiceUnavailable),
    "truncated": (Say(status=202, json={"id": "proj_1", "status": "idle"}, cut=9), ConnectionFailed),
    "not JSON": (Say(status=202, body=b"<html>Hello</html>"), InvalidResponse),
    "empty": (Say(status=202), InvalidResponse),
    "nothing to read": (Say(status=204), InvalidResponse),
    "another page than documented": (Say(status=200, body=b"<html>Hello</html>"), InvalidResponse),
    "429 without envelope": (Say(status=429, body=b"slow down"), RateLimited),
    **{
        f"{status} of a gateway": (Say(status=status, body=b"<html>no</html>"), ApiError)
        for status in (400, 401, 402, 403, 404, 408, 409, 421, 425, 451, 504)
    },
}
"""Outcomes that leave open what the server did."""

REFUSED: dict[str, tuple[Play, type[EversinceError]]] = {
    "503 in the envelope": (refusal(503, "service_unavailable"), ServiceUnavailable),
    "503 with the code of a 429": (refusal(503, "rate_limited"), ServiceUnavailable),
    "429": (refusal(429, "rate_limited"), RateLimited),
    "429 in seconds": (refusal(429, "rate_limited", headers={"Retry-After": "7"}), RateLimited),
}
"""Outcomes after which the server did nothing.

The same call may be sent again.
"""

FINAL: dict[str, tuple[Play, type[EversinceError]]] = {
    "400": (refusal(400, "validation_error", "brief: brief is required"), ValidationFailed),
    "401": (refusal(401, "unauthorized"), Unauthorized),
    "404": (refusal(404, "not_found"), NotFound),
    "409": (refusal(409, "conflict"), StatusConflict),
    "418": (refusal(418, "teapot"), ApiError),
    "429 project_limit": (refusal(429, "project_limit"), ProjectLimitReached),
}
"""Outcomes that are responses; another request would get the same."""


def get(play: Play) -> Play:
    """Return the same response as for a GET, whose success is 200."""
    if isinstance(play, Say) and play.status == 202:
        return Say(status=200, json=play.json, body=play.body, cut=play.cut)
    return play


def each(*tables: dict[str, tuple[Play, type[EversinceError]]]) -> pytest.MarkDecorator:
    """Parametrize a test with every entry."""
    entries = {name: entry for table in tables for name, entry in table.items()}
    return pytest.mark.parametrize(("play", "error"), entries.values(), ids=entries)


def keys(server: ScriptedServer) -> set[str]:
    return {json.loads(request.body)["idempotency_key"] for request in server.seen}


# -- Create: repeated with one key ------------------------------------------------------------------------


@each(IN_DOUBT, REFUSED)
async def test_create_is_sent_again_with_the_same_key(
    server: ScriptedServer, play: Play, error: type[EversinceError]
) -> None:
    """The third attempt carries the key and the body of the first.

    The outcome of the first two does not matter.
    """
    server.plays(play, play, CREATED)
    async with server.client() as eversince:
        created = await eversince.projects.create("A film")

    assert ("proj_1", False) == (created.id, created.existed)
    assert len({request.body for request in server.seen}) == 1
    assert len(keys(server)) == 1


@each(IN_DOUBT)
async def test_create_that_was_done_unseen_is_found_again(
    server: ScriptedServer, play: Play, error: type[EversinceError]
) -> None:
    """If the lost first response was a success, the second says so.

    It is a 200 and shows the same project, with `existed`.
    """
    server.plays(play, Say(json={"id": "proj_1", "status": "running", "message": "exists"}))
    async with server.client() as eversince:
        created = await eversince.projects.create("A film")

    assert ("proj_1", True) == (created.id, created.existed)


@each(IN_DOUBT)
async def test_create_gives_up_with_the_failure_itself(
    server: ScriptedServer, play: Play, error: type[EversinceError]
) -> None:
    """The error is no OutcomeUnknown.

    Another call with the same key finds out.
    """
    server.plays(play)
    async with server.client() as eversince:
        with pytest.raises(error):
            await eversince.projects.create("A film", idempotency_key="mug-1")

    assert {"mug-1"} == keys(server) or isinstance(play, ResetUnread)


# -- GET: repeated ----------------------------------------------------------------------------------------


@each(IN_DOUBT, REFUSED)
async def test_read_is_sent_again(server: ScriptedServer, play: Play, error: type[EversinceError]) -> None:
    server.plays(get(play), get(play), PROJECT)
    async with server.client() as eversince:
        assert "idle" == (await eversince.projects.get("proj_1")).status


@each(IN_DOUBT, REFUSED)
async def test_read_gives_up_with_the_failure_itself(
    server: ScriptedServer, play: Play, error: type[EversinceError]
) -> None:
    server.plays(get(play))
    async with server.client() as eversince:
        with pytest.raises(error):
            await eversince.projects.get("proj_1")


@each(FINAL)
async def test_answer_that_decides_is_raised_at_once(
    server: ScriptedServer, play: Play, error: type[EversinceError]
) -> None:
    server.plays(play)
    async with server.client() as eversince:
        with pytest.raises(error) as raised:
            await eversince.projects.create("A film")

    assert error is type(raised.value)
    assert 1 == len(server.seen)


async def test_answer_of_the_wrong_shape_is_raised_at_once(server: ScriptedServer) -> None:
    """The body is JSON, so the server did it.

    A retry would return the same.
    """
    server.plays(Say(json={"id": "proj_1", "status": 7}))
    async with server.client() as eversince:
        with pytest.raises(InvalidResponse) as raised:
            await eversince.projects.get("proj_1")

    assert "$.status" == raised.value.path
    assert 1 == len(server.seen)


LASTING = [301, 302, 307, 308, 405, 413, 415]
"""Statuses with which a gateway's page would come again."""


@pytest.mark.parametrize("status", LASTING)
async def test_page_that_would_come_again_is_raised_at_once(server: ScriptedServer, status: int) -> None:
    server.plays(Say(status=status, body=b"<html>no</html>"))
    async with server.client() as eversince:
        with pytest.raises(ApiError) as raised:
            await eversince.projects.create("A film")

    assert (status, False) == (raised.value.status, raised.value.is_documented)
    assert 1 == len(server.seen)


@pytest.mark.parametrize("status", LASTING)
async def test_even_such_a_page_leaves_a_write_in_doubt(server: ScriptedServer, status: int) -> None:
    server.plays(Say(status=status, body=b"<html>no</html>"))
    async with server.client() as eversince:
        with pytest.raises(OutcomeUnknown):
            await eversince.output.render("proj_1")

    assert 1 == len(server.seen)


async def test_undocumented_success_with_a_readable_body_is_one(server: ScriptedServer) -> None:
    server.plays(Say(json={"id": "proj_1", "status": "rendering", "quality": "1080p"}))  # 202 is documented
    async with server.client() as eversince:
        assert "rendering" == (await eversince.output.render("proj_1")).status


async def test_write_whose_answer_lacks_what_is_needed_is_in_doubt(server: ScriptedServer) -> None:
    """Some gateways send JSON of their own."""
    server.plays(Say(status=200, json={"ok": True}))
    async with server.client() as eversince:
        with pytest.raises(OutcomeUnknown):
            await eversince.output.render("proj_1")


@pytest.mark.parametrize("status", [429, 503])
async def test_gateway_that_names_a_pace_has_the_whole_account_wait(
    server: ScriptedServer, status: int
) -> None:
    """This also holds after a write in doubt, but not for ever."""
    page = Say(status=status, body=b"<html>slow down</html>", headers={"Retry-After": "30"})
    server.plays(page, PROJECT)
    async with server.client() as eversince:
        began = anyio.current_time()
        with pytest.raises(OutcomeUnknown):
            await eversince.output.render("proj_1")
        await eversince.projects.get("proj_1")

    assert 30 <= anyio.current_time() - began < 35


async def test_gateway_cannot_have_the_account_wait_for_ever(server: ScriptedServer) -> None:
    server.plays(Say(status=503, body=b"<html>away</html>", headers={"Retry-After": "86400"}), PROJECT)
    async with server.client() as eversince:
        began = anyio.current_time()
        with pytest.raises(OutcomeUnknown):
            await eversince.output.render("proj_1")
        await eversince.projects.get("proj_1")

    assert anyio.current_time() - began < 130


async def test_a_404_of_a_gateway_does_not_prove_that_a_delete_was_done(server: ScriptedServer) -> None:
    server.plays(Reset(), Say(status=404, body=b"<html>no</html>"))
    async with server.client() as eversince:
        with pytest.raises(NotFound) as raised:
            await eversince.skills.delete("skill_1")

    assert not raised.value.is_documented


# -- Render: never repeated in doubt ----------------------------------------------------------------------


@each(IN_DOUBT)
async def test_render_in_doubt_is_not_sent_again(
    server: ScriptedServer, play: Play, error: type[EversinceError]
) -> None:
    """The error says that the render may have happened.

    It also says why, and how to find out.
    """
    server.plays(play, RENDERING)
    async with server.client() as eversince:
        with pytest.raises(OutcomeUnknown) as raised:
            await eversince.output.render("proj_1")

    assert isinstance(raised.value.__cause__, error)
    assert "output.render" == raised.value.endpoint
    assert "read the project" in raised.value.find_out
    assert len(server.seen) <= 1


@each(REFUSED)
async def test_render_that_was_refused_is_sent_again(
    server: ScriptedServer, play: Play, error: type[EversinceError]
) -> None:
    server.plays(play, RENDERING)
    async with server.client() as eversince:
        assert "rendering" == (await eversince.output.render("proj_1")).status


@each(FINAL)
async def test_render_refused_for_good_is_no_doubt(
    server: ScriptedServer, play: Play, error: type[EversinceError]
) -> None:
    server.plays(play)
    async with server.client() as eversince:
        with pytest.raises(error):
            await eversince.output.render("proj_1")


@each(REFUSED)
async def test_render_that_stays_refused_is_no_doubt(
    server: ScriptedServer, play: Play, error: type[EversinceError]
) -> None:
    server.plays(play)
    async with server.client() as eversince:
        with pytest.raises(error):
            await eversince.output.render("proj_1")


async def test_wrong_status_is_caught_both_ways(server: ScriptedServer) -> None:
    """A 400 that names no field is a conflict here.

    That is so for calls that depend on the status.
    """
    server.plays(refusal(400, "validation_error", "Project is not idle"))
    async with server.client() as eversince:
        with pytest.raises(StatusConflict) as raised:
            await eversince.output.render("proj_1")

    assert WrongStatus is type(raised.value)
    assert isinstance(raised.value, ValidationFailed)


OBSERVED: dict[str, Any] = {
    "projects.cancel": lambda eversince: eversince.projects.cancel("proj_1"),
    "messages.send": lambda eversince: eversince.messages.send("proj_1", "more red"),
    "output.render": lambda eversince: eversince.output.render("proj_1"),
    "output.share": lambda eversince: eversince.output.share("proj_1"),
    "skills.create": lambda eversince: eversince.skills.create("Brand", "Navy and gold"),
    "memories.create": lambda eversince: eversince.memories.create("Brand", "Navy and gold"),
    "keys.create": lambda eversince: eversince.keys.create("CI"),
    "feedback.send": lambda eversince: eversince.feedback.send("bug", "It is blue"),
}
"""All writes whose effect could happen twice."""


@pytest.mark.parametrize("name", OBSERVED)
async def test_write_that_could_happen_twice_is_sent_once(server: ScriptedServer, name: str) -> None:
    server.plays(Reset())
    async with server.client() as eversince:
        with pytest.raises(OutcomeUnknown) as raised:
            await OBSERVED[name](eversince)

    assert name == raised.value.endpoint
    assert raised.value.find_out
    assert 1 == len(server.seen)


REPEATED: dict[str, tuple[Any, Say]] = {
    "projects.adopt": (
        lambda eversince: eversince.projects.adopt("studio_1"),
        Say(json={"id": "proj_1", "status": "idle", "message": "already"}),
    ),
    "projects.settings": (
        lambda eversince: eversince.projects.settings("proj_1", title="Mug"),
        Say(json={"title": "Mug"}),
    ),
    "uploads.request": (
        lambda eversince: eversince.uploads.request("mug.png", "image/png", 5),
        Say(json={"upload_url": "https://r2.example/x", "r2_key": "x"}),
    ),
    "uploads.confirm": (
        lambda eversince: eversince.uploads.confirm("x", "mug.png", "image/png", 5),
        Say(json={"upload_id": "upl_1", "type": "image"}),
    ),
    "account.update_learned_preferences": (
        lambda eversince: eversince.account.update_learned_preferences(enabled=False),
        Say(json={"content": "", "enabled": False}),
    ),
    "skills.update": (
        lambda eversince: eversince.skills.update("skill_1", is_active=False),
        Say(json={"skill": {"id": "skill_1", "name": "Brand", "is_active": False, "source": "user"}}),
    ),
    "discovery.estimate_cost": (
        lambda eversince: eversince.request("POST", "/estimate-cost", json={}, repeatable=True),
        Say(json={"total_credits": 1}),
    ),
}
"""Writes that are harmless if they happen twice."""


@pytest.mark.parametrize("name", REPEATED)
async def test_write_that_is_harmless_twice_is_sent_again(server: ScriptedServer, name: str) -> None:
    call, answer = REPEATED[name]
    server.plays(Reset(), answer)
    async with server.client() as eversince:
        await call(eversince)

    assert 2 == len(server.seen)


# -- Deletes ----------------------------------------------------------------------------------------------

DELETES: dict[str, tuple[Any, str]] = {
    "skills.delete": (lambda eversince: eversince.skills.delete("skill_1"), "deleted"),
    "memories.delete": (lambda eversince: eversince.memories.delete("mem_1"), "deleted"),
    "keys.revoke": (lambda eversince: eversince.keys.revoke("key_1"), "revoked"),
}


@pytest.mark.parametrize("name", DELETES)
async def test_delete_in_doubt_that_finds_nothing_has_done_it(server: ScriptedServer, name: str) -> None:
    delete, field = DELETES[name]
    server.plays(Reset(), refusal(404, "not_found", headers={"X-Request-Id": "req_2"}))
    async with server.client() as eversince:
        gone = await delete(eversince)

    assert getattr(gone, field) is True
    assert ("req_2", 200) == (gone.receipt.request_id, gone.receipt.status)


@pytest.mark.parametrize("name", DELETES)
async def test_delete_in_doubt_works_without_request_ids(server: ScriptedServer, name: str) -> None:
    """Proxies may drop headers."""
    server.plays(Reset(), refusal(404, "not_found"))
    async with server.client() as eversince:
        gone = await DELETES[name][0](eversince)

    assert gone.receipt.request_id is None


@pytest.mark.parametrize("name", DELETES)
async def test_delete_of_nothing_is_not_found(server: ScriptedServer, name: str) -> None:
    server.plays(refusal(404, "not_found"))
    async with server.client() as eversince:
        with pytest.raises(NotFound):
            await DELETES[name][0](eversince)


async def test_delete_refused_before_is_not_in_doubt(server: ScriptedServer) -> None:
    """A refusal has no effect, so the next 404 is true."""
    server.plays(refusal(503, "service_unavailable"), refusal(404, "not_found"))
    async with server.client() as eversince:
        with pytest.raises(NotFound):
            await eversince.skills.delete("skill_1")


# -- Never sent -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["projects.create", "output.render"])
async def test_request_that_never_left_is_sent_again(sleeping_server: ScriptedServer, name: str) -> None:
    """This also holds for a render.

    The server has not seen the request.
    """
    server = sleeping_server.plays(CREATED if name == "projects.create" else RENDERING)
    retries: list[RetryScheduled] = []

    async with server.client(on_retry=retries.append) as eversince:
        with pytest.raises(ConnectionFailed) as raised:
            await call(eversince, name)
        await server.start()
        await call(eversince, name)

    assert "never_sent" == raised.value.outcome
    assert 3 == len(retries)
    assert 1 == len(server.seen)


async def call(eversince: Eversince, name: str) -> None:
    await (
        eversince.projects.create("A film")
        if name == "projects.create"
        else eversince.output.render("proj_1")
    )


async def test_request_that_never_left_takes_no_place_in_the_budget(sleeping_server: ScriptedServer) -> None:
    async with sleeping_server.client() as eversince:
        with pytest.raises(TransportError):
            await eversince.projects.get("proj_1")
        assert 0 == eversince.governor.budget.used(0.0)


# -- Paces and bounds -------------------------------------------------------------------------------------


async def test_retry_after_in_seconds_is_waited_for(server: ScriptedServer) -> None:
    server.plays(refusal(429, "rate_limited", headers={"Retry-After": "7"}), PROJECT)
    async with server.client() as eversince:
        await eversince.projects.get("proj_1")

    first, second = (request.at for request in server.seen)
    assert 7.0 <= second - first <= 7.5


async def test_retry_after_as_a_date_is_read_against_the_answers_own_date(server: ScriptedServer) -> None:
    """Only the difference of the two dates counts.

    The server's clock is far ahead of ours.
    """
    ahead = 2_000_000_000
    headers = {"Date": formatdate(ahead, usegmt=True), "Retry-After": formatdate(ahead + 9, usegmt=True)}
    server.plays(refusal(429, "rate_limited", headers=headers), PROJECT)
    async with server.client() as eversince:
        await eversince.projects.get("proj_1")

    first, second = (request.at for request in server.seen)
    assert 9.0 <= second - first <= 9.5


async def test_429_without_retry_after_waits_for_the_reset(server: ScriptedServer) -> None:
    headers = {"Date": formatdate(2_000_000_000, usegmt=True), "X-RateLimit-Reset": "2000000012"}
    server.plays(refusal(429, "rate_limited", headers=headers), PROJECT)
    async with server.client() as eversince:
        await eversince.projects.get("proj_1")

    first, second = (request.at for request in server.seen)
    assert 12.0 <= second - first <= 12.5


async def test_503_waits_its_retry_after(server: ScriptedServer) -> None:
    server.plays(refusal(503, "service_unavailable", headers={"Retry-After": "30"}), RENDERING)
    async with server.client() as eversince:
        await eversince.output.render("proj_1")

    first, second = (request.at for request in server.seen)
    assert 30.0 <= second - first <= 30.5


async def test_longer_wait_than_the_policy_allows_is_raised_at_once(server: ScriptedServer) -> None:
    server.plays(refusal(429, "rate_limited", headers={"Retry-After": "3600"}))
    async with server.client() as eversince:
        with pytest.raises(RateLimited) as raised:
            await eversince.projects.get("proj_1")

    assert 3600.0 == raised.value.retry_after
    assert 1 == len(server.seen)


async def test_attempts_are_bounded(server: ScriptedServer) -> None:
    server.plays(refusal(500, "internal_error"))
    async with server.client(retry=RetryPolicy(attempts=3)) as eversince:
        with pytest.raises(InternalError):
            await eversince.projects.get("proj_1")

    assert 3 == len(server.seen)


async def test_refusals_with_a_pace_are_bounded(server: ScriptedServer) -> None:
    server.plays(refusal(429, "rate_limited", headers={"Retry-After": "1"}))
    async with server.client(retry=RetryPolicy(refusals=5)) as eversince:
        with pytest.raises(RateLimited):
            await eversince.projects.get("proj_1")

    assert 6 == len(server.seen)


async def test_refusals_do_not_use_up_attempts(server: ScriptedServer) -> None:
    pace = refusal(429, "rate_limited", headers={"Retry-After": "1"})
    server.plays(pace, Reset(), pace, Reset(), pace, PROJECT)
    async with server.client(retry=RetryPolicy(attempts=3)) as eversince:
        await eversince.projects.get("proj_1")

    assert 6 == len(server.seen)


async def test_one_attempt_is_no_retry(server: ScriptedServer) -> None:
    server.plays(Reset())
    async with server.client(retry=RetryPolicy(attempts=1)) as eversince:
        with pytest.raises(ConnectionFailed):
            await eversince.projects.get("proj_1")

    assert 1 == len(server.seen)


async def test_refused_account_waits_as_a_whole(server: ScriptedServer) -> None:
    """While one call waits for a Retry-After, no other call leaves."""
    server.plays(refusal(429, "rate_limited", headers={"Retry-After": "10"}), PROJECT)
    async with server.client() as eversince, anyio.create_task_group() as group:
        group.start_soon(eversince.projects.get, "proj_1")
        await anyio.sleep(2)
        group.start_soon(eversince.projects.get, "proj_2")

    assert 0.0 == server.seen[0].at
    assert [True, True] == [request.at >= 10.0 for request in server.seen[1:]]


async def test_error_carries_what_the_answer_said(server: ScriptedServer) -> None:
    headers = {
        "X-Request-Id": "req_9",
        "X-RateLimit-Limit": "30",
        "X-RateLimit-Remaining": "12",
        "Retry-After": "3",
    }
    server.plays(refusal(404, "not_found", "Project not found", headers=headers))
    async with server.client() as eversince:
        with pytest.raises(NotFound) as raised:
            await eversince.projects.get("proj_1")

    error = raised.value
    assert ("not_found", 404, "Project not found") == (error.code, error.status, error.message)
    assert ("req_9", "projects.get", 3.0) == (error.request_id, error.endpoint, error.retry_after)
    assert error.rate_limit is not None
    assert (30, 12) == (error.rate_limit.limit, error.rate_limit.remaining)
