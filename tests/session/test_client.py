"""Creation of clients, options for some calls, and calls by path."""

from typing import Any

import pytest

from eversince_async import (
    ConfigurationError,
    ConnectionFailed,
    Eversince,
    Governor,
    InvalidRequest,
    InvalidResponse,
    Lane,
    Limits,
    NotFound,
    OutcomeUnknown,
    RetryPolicy,
)
from helpers.fake_server import KEY, Reset, Say, ScriptedServer, refusal

# -- Creation ---------------------------------------------------------------------------------------------


def test_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERSINCE_API_KEY", "es_live_from-the-environment")
    monkeypatch.setenv("EVERSINCE_BASE_URL", "http://127.0.0.1:8321/api/v1/")

    assert "<Eversince http://127.0.0.1:8321/api/v1>" == repr(Eversince())


def test_address_is_the_documented_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVERSINCE_BASE_URL", raising=False)

    assert "<Eversince https://eversince.ai/api/v1>" == repr(Eversince(KEY))


def test_arguments_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERSINCE_BASE_URL", "http://127.0.0.1:1/api/v1")

    assert "<Eversince http://127.0.0.1:2>" == repr(Eversince(KEY, base_url="http://127.0.0.1:2"))


def test_no_key_says_where_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVERSINCE_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="EVERSINCE_API_KEY"):
        Eversince()


@pytest.mark.parametrize("key", ["es_live_a b", "es_live_a\n", "ключ", "es_live_\x00"])
def test_key_that_cannot_be_sent_is_refused_without_being_told(key: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Eversince(key)

    assert key not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "eversince.ai",
        "ftp://eversince.ai",
        "https://",
        "/api/v1",
        "https://me:secret@eversince.ai",
        "https://eversince.ai?key=secret",
        "https://eversince.ai#secret",
        "http://[::1",
        "https://eversince.ai:port",
        "https://eversince.ai:99999",
        "https://ever since.ai",
        "https://eversince.ai/a\r\nHost: x",
        "http://:secret@127.0.0.1:1/x",
        "http://@127.0.0.1:1/x",
        "http://a..b/api",
        "http://" + "a" * 300 + ".invalid/x",
        "https://eversince.ai:0",
    ],
)
def test_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Eversince(KEY, base_url=url)

    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("options", "allowed"),
    [
        ({}, False),
        ({"allow_private_addresses": True}, True),
        ({"base_url": "https://127.0.0.1/api/v1"}, True),
        ({"base_url": "https://emulator/api/v1"}, True),
    ],
)
def test_whether_files_may_be_at_private_addresses(options: dict[str, Any], allowed: object) -> None:
    assert allowed is Eversince(KEY, **options)._store.addresses.allows_private


@pytest.mark.parametrize("source", ["", " a", "a\r\nX: y", "é"])
def test_source_that_cannot_be_sent_is_refused(source: str) -> None:
    with pytest.raises(ConfigurationError, match="source"):
        Eversince(KEY, source=source)


def test_limits_and_a_governor_are_too_much() -> None:
    with pytest.raises(ConfigurationError, match="not both"):
        Eversince(KEY, limits=Limits(), governor=Governor())


@pytest.mark.parametrize("options", [{"timeout": 0}, {"timeout": -1}, {"stall_timeout": 0}])
def test_impossible_timeouts_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match="must be positive"):
        Eversince(KEY, **options)  # type: ignore[arg-type]  # they are floats


# -- Options ----------------------------------------------------------------------------------------------


async def test_options_change_some_calls_and_leave_the_rest(server: ScriptedServer) -> None:
    server.plays(Reset())
    async with server.client() as eversince:
        with pytest.raises(ConnectionFailed):
            await eversince.with_options(retry=RetryPolicy(attempts=1)).projects.get("proj_1")
        assert 1 == len(server.seen)
        with pytest.raises(ConnectionFailed):
            await eversince.projects.get("proj_1")

    assert 5 == len(server.seen)


async def test_lane_is_an_option(server: ScriptedServer) -> None:
    lanes: list[Lane] = []

    class Noting(Governor):
        async def admit(self, lane: Lane = Lane.INTERACTIVE, **more: object) -> object:  # type: ignore[override]
            lanes.append(lane)
            return await super().admit(lane)

    server.plays(Say(json={"credits_balance": 7}))
    async with server.client(governor=Noting()) as eversince:
        await eversince.account.credits()
        await eversince.with_options(lane=Lane.POLL).account.credits()

    assert [Lane.INTERACTIVE, Lane.POLL] == lanes


async def test_governor_may_be_shared(server: ScriptedServer) -> None:
    server.plays(Say(json={"credits_balance": 7}))
    governor = Governor(Limits(requests_per_minute=1))
    async with server.client(governor=governor) as one, server.client(governor=governor) as other:
        await one.account.credits()
        await other.account.credits()

    first, second = (request.at for request in server.seen)
    assert second - first > 60.0


# -- Calls by path ----------------------------------------------------------------------------------------


async def test_unknown_call_gives_plain_values(server: ScriptedServer) -> None:
    server.plays(Say(json={"new": [1, None]}))
    async with server.client() as eversince:
        answer = await eversince.request("get", "/brand/new%2Fthing", query={"a": 1, "b": None})

    assert {"new": [1, None]} == answer
    assert ("GET", "/api/v1/brand/new%2Fthing?a=1") == (server.seen[0].method, server.seen[0].target)


async def test_unknown_call_may_answer_nothing(server: ScriptedServer) -> None:
    server.plays(Say(status=204))
    async with server.client() as eversince:
        assert await eversince.request("DELETE", "/things/1") is None


async def test_unknown_call_may_send_a_body(server: ScriptedServer) -> None:
    server.plays(Say(status=201, json=[]))
    async with server.client() as eversince:
        assert [] == await eversince.request("POST", "/things", json={"a": 1})

    assert {"a": 1} == server.seen[0].json


async def test_unknown_call_raises_the_same_errors(server: ScriptedServer) -> None:
    server.plays(refusal(404, "not_found"))
    async with server.client() as eversince:
        with pytest.raises(NotFound, match="GET /things/1"):
            await eversince.request("GET", "/things/1")


async def test_unknown_call_that_answers_no_json_is_unreadable(server: ScriptedServer) -> None:
    server.plays(Say(body=b"<html>"))
    async with server.client() as eversince:
        with pytest.raises(InvalidResponse):
            await eversince.request("GET", "/things/1")


@pytest.mark.parametrize(
    ("method", "repeatable", "attempts"),
    [
        ("GET", None, 4),
        ("PUT", None, 4),
        ("DELETE", None, 4),
        ("POST", True, 4),
        ("POST", None, 1),
        ("PATCH", None, 1),
        ("PUT", False, 1),
    ],
)
async def test_unknown_call_is_repeated_where_that_is_harmless(
    server: ScriptedServer,
    method: str,
    repeatable: bool | None,  # noqa: FBT001 - a parameter of the test
    attempts: int,
) -> None:
    server.plays(Reset())
    async with server.client() as eversince:
        with pytest.raises(ConnectionFailed if attempts > 1 else OutcomeUnknown):
            await eversince.request(method, "/things", repeatable=repeatable)

    assert attempts == len(server.seen)


async def test_braces_in_a_path_are_just_braces(server: ScriptedServer) -> None:
    server.plays(Say(json={}))
    async with server.client() as eversince:
        await eversince.request("GET", "/things/{id}")

    assert server.seen[0].target in {"/api/v1/things/{id}", "/api/v1/things/%7Bid%7D"}


@pytest.mark.parametrize(
    "path",
    [
        "things",
        "",
        "https://elsewhere.example/",
        "/things?a=1",
        "/things#a",
        "/a b",
        "/a\r\nHost: x",
        "/é",
        "/\x00",
    ],
)
async def test_path_that_is_none_is_refused(server: ScriptedServer, path: str) -> None:
    """A path must not end the request line and begin headers."""
    async with server.client() as eversince:
        with pytest.raises(InvalidRequest, match="path"):
            await eversince.request("GET", path)


async def test_path_stays_below_the_base_url(server: ScriptedServer) -> None:
    server.plays(Say(json={}))
    async with server.client() as eversince:
        await eversince.request("GET", "//elsewhere.example/x")

    assert "/api/v1//elsewhere.example/x" == server.seen[0].target


@pytest.mark.parametrize("method", ["GE T", "GET\r\nX: y", "", "ГЕТ"])
async def test_method_that_is_none_is_refused(server: ScriptedServer, method: str) -> None:
    async with server.client() as eversince:
        with pytest.raises(InvalidRequest, match="method"):
            await eversince.request(method, "/things")
