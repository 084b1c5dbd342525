"""The bytes that are sent, their destination, and the connections used."""

import asyncio
import gzip
import json

import aiohttp
import pytest

from eversince_async import (
    ApiError,
    ConfigurationError,
    ConnectionFailed,
    Eversince,
    EversinceError,
    OutcomeUnknown,
    RetryPolicy,
)
from eversince_async.testing import VirtualTimeLoop
from helpers.fake_server import KEY, Hang, Play, Reset, Say, ScriptedServer, everything_behind

PROJECT = Say(json={"id": "proj_1", "status": "idle"})


async def test_request_as_it_arrives(server: ScriptedServer) -> None:
    server.plays(PROJECT)
    async with server.client(source="my-app") as eversince:
        await eversince.projects.get("proj_1")

    seen = server.seen[0]
    assert ("GET", "/api/v1/projects/proj_1") == (seen.method, seen.target)
    assert f"Bearer {KEY}" == seen.headers["authorization"]
    assert "application/json" == seen.headers["accept"]
    assert "my-app" == seen.headers["x-eversince-source"]
    assert seen.headers["user-agent"].startswith("eversince-async/")
    assert "content-type" not in seen.headers
    assert b"" == seen.body


async def test_body_as_it_arrives(server: ScriptedServer) -> None:
    server.plays(Say(status=202, json={"id": "proj_1", "status": "queued"}))
    async with server.client() as eversince:
        await eversince.projects.create("Кружка", idempotency_key="mug-1")

    assert "application/json" == server.seen[0].headers["content-type"]
    assert {"brief": "Кружка", "idempotency_key": "mug-1"} == server.seen[0].json
    assert "x-eversince-source" not in server.seen[0].headers


async def test_ids_arrive_encoded_exactly_once(server: ScriptedServer) -> None:
    server.plays(PROJECT)
    async with server.client() as eversince:
        await eversince.projects.get("a/b?c d%2F..é")

    assert "/api/v1/projects/a%2Fb%3Fc%20d%252F..%C3%A9" == server.seen[0].target


async def test_compressed_answers_are_read(server: ScriptedServer) -> None:
    body = gzip.compress(json.dumps(PROJECT.json).encode())
    server.plays(Say(body=body, headers={"Content-Encoding": "gzip"}))
    async with server.client() as eversince:
        assert "proj_1" == (await eversince.projects.get("proj_1")).id


async def test_redirects_are_not_followed(server: ScriptedServer) -> None:
    """The key must not follow a redirect.

    A write must not become a read, either.
    """
    other = ScriptedServer().plays(PROJECT)
    await other.start()
    server.plays(Say(status=307, headers={"Location": f"{other.base_url}/projects/proj_1"}))
    async with server.client() as eversince:
        with pytest.raises(ApiError) as raised:
            await eversince.projects.get("proj_1")
    told = f"redirects to {other.origin}; if it has moved, set base_url= to {other.base_url}"
    await other.aclose()

    assert 307 == raised.value.status
    assert told in str(raised.value)
    assert [] == other.seen


async def test_a_redirect_of_a_write_says_so_too(server: ScriptedServer) -> None:
    """The write is in doubt, but the error names the new address."""
    server.plays(
        Say(status=308, headers={"Location": "https://eversince.example/api/v1/projects/p_1/render"})
    )
    async with server.client() as eversince:
        with pytest.raises(OutcomeUnknown, match="set base_url= to https://eversince\\.example/api/v1"):
            await eversince.output.render("p_1")

    assert 1 == len(server.seen)


@pytest.mark.parametrize(
    "play",
    [
        Reset(),
        Say(cut=0, body=b"x"),
        Say(headers={"X": "a" * 100_000}),
        Say(body=b"x", headers={"Content-Encoding": "br"}),
        Hang(),
    ],
    ids=str,
)
async def test_no_error_behind_the_error_knows_the_key(server: ScriptedServer, play: Play) -> None:
    server.plays(play)
    async with server.client(retry=RetryPolicy(attempts=1)) as eversince:
        with pytest.raises(EversinceError) as raised:
            await eversince.projects.get("proj_1")

    assert KEY not in everything_behind(raised.value)


async def test_cookies_are_not_kept(server: ScriptedServer) -> None:
    server.plays(Say(json=PROJECT.json, headers={"Set-Cookie": "session=1; Path=/"}))
    async with server.client() as eversince:
        await eversince.projects.get("proj_1")
        await eversince.projects.get("proj_1")

    assert "cookie" not in server.seen[1].headers


async def test_connections_are_kept(server: ScriptedServer) -> None:
    server.plays(PROJECT)
    connects: list[int] = []
    serve = server._serve

    async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connects.append(1)
        await serve(reader, writer)

    server._server.close()  # type: ignore[union-attr]  # the server was started
    counting = await asyncio.start_server(counted, "127.0.0.1", 0)
    port = counting.sockets[0].getsockname()[1]
    async with Eversince(KEY, base_url=f"http://127.0.0.1:{port}/api/v1") as eversince:
        for _ in range(5):
            await eversince.projects.get("proj_1")
    counting.close()

    assert [1] == connects


async def test_rate_limit_is_that_of_the_latest_answer(server: ScriptedServer) -> None:
    server.plays(
        Say(json=PROJECT.json, headers={"X-RateLimit-Remaining": "29"}),
        Say(json=PROJECT.json, headers={"X-RateLimit-Remaining": "28"}),
    )
    async with server.client() as eversince:
        assert eversince.rate_limit is None
        await eversince.projects.get("proj_1")
        await eversince.projects.get("proj_1")

        assert eversince.rate_limit is not None
        assert 28 == eversince.rate_limit.remaining


# -- Shared sessions --------------------------------------------------------------------------------------


async def test_borrowed_session_is_left_open(server: ScriptedServer) -> None:
    server.plays(PROJECT)
    async with aiohttp.ClientSession() as http:
        async with server.client(http=http) as eversince:
            await eversince.projects.get("proj_1")
        assert not http.closed

    assert f"Bearer {KEY}" == server.seen[0].headers["authorization"]


async def test_borrowed_session_that_its_owner_has_closed_sends_nothing(server: ScriptedServer) -> None:
    async with aiohttp.ClientSession() as http, server.client(http=http) as eversince:
        await http.close()
        with pytest.raises(ConnectionFailed, match="http= is closed") as raised:
            await eversince.output.render("proj_1")

    assert "never_sent" == raised.value.outcome
    assert not server.seen


async def test_borrowed_session_does_not_follow_redirects_either(server: ScriptedServer) -> None:
    server.plays(Say(status=302, headers={"Location": "/elsewhere"}))
    async with aiohttp.ClientSession(raise_for_status=True) as http, server.client(http=http) as eversince:
        with pytest.raises(ApiError):
            await eversince.projects.get("proj_1")

    assert 1 == len(server.seen)


async def test_client_can_be_used_again_after_closing(server: ScriptedServer) -> None:
    server.plays(PROJECT)
    eversince = server.client()
    await eversince.projects.get("proj_1")
    await eversince.aclose()
    await eversince.projects.get("proj_1")
    await eversince.aclose()

    assert 2 == len(server.seen)


async def test_unused_client_closes_quietly() -> None:
    async with Eversince(KEY):
        pass


def test_client_open_on_another_loop_says_so() -> None:
    """The connections belong to the loop in which they were opened."""
    first, second = VirtualTimeLoop(), VirtualTimeLoop()
    server = ScriptedServer().plays(PROJECT)
    eversince = server.client()
    first.run_until_complete(server.start())
    first.run_until_complete(eversince.projects.get("proj_1"))
    with pytest.raises(ConfigurationError, match="another"):
        second.run_until_complete(eversince.projects.get("proj_1"))
    first.run_until_complete(eversince.aclose())
    first.run_until_complete(server.aclose())
    first.close()
    second.close()


def test_client_closed_on_one_loop_works_on_the_next() -> None:
    eversince = Eversince(KEY, base_url="http://127.0.0.1:1/api/v1")
    for _ in range(2):
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            server = ScriptedServer().plays(PROJECT)
            eversince._transport.base_url = server.base_url
            runner.run(server.start())
            assert "proj_1" == runner.run(eversince.projects.get("proj_1")).id
            runner.run(eversince.aclose())
            runner.run(server.aclose())
