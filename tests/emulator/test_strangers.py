"""The emulator serves only its users.

Web pages cannot call it, and it calls no internal hosts for clients.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any

import pytest
from aiohttp.resolver import DefaultResolver

from eversince_async.emulator import Emulator, Limits, Scenario, SettingRefused, webhooks
from eversince_async.emulator import log as logs
from eversince_async.emulator.destinations import Destinations
from eversince_async.emulator.log import Entry, RequestLog
from helpers.emulator_client import Calls, calling

# -- Host names -----------------------------------------------------------------------------------------


def lines(*headers: str, target: str = "/api/v1/account/credits", version: str = "1.1") -> bytes:
    each = [
        f"GET {target} HTTP/{version}",
        "Authorization: Bearer es_live_emulator",
        "Connection: close",
        *headers,
    ]
    return "\r\n".join([*each, "", ""]).encode()


async def status(call: Calls, *headers: str, **how: str) -> int:
    return int((await call.raw(lines(*headers, **how))).split()[1])


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.0.0.1:8021", "localhost", "LOCALHOST:1", "localhost.", "studio.localhost",
        "[::1]:8021", "192.168.1.7:8021", "0.0.0.0",
    ],
)  # fmt: skip
async def test_a_host_that_only_this_machine_or_an_address_can_be_is_answered(call: Calls, host: str) -> None:
    """A page cannot have this machine's IP address or redirect localhost."""
    assert 200 == await status(call, f"Host: {host}")


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:8021", "localhost.evil.example", "127.0.0.1.evil.example",
        "evillocalhost", "emulator", "user@localhost", "localhost:80:80", "[::1",
        "loc alhost", "", "127.0.0.1/x", "..", "%31",
    ],
)  # fmt: skip
async def test_a_host_that_a_page_made_up_is_refused(call: Calls, host: str) -> None:
    """DNS rebinding: the page's own name leads here.

    The browser sends that name.
    """
    assert await status(call, f"Host: {host}") in {400, 403}


async def test_the_refusal_says_what_to_do_and_harms_no_terminal(call: Calls) -> None:
    answer = await call.raw(lines("Host: evil\u202e.example".encode().decode("latin-1")))

    assert b" 403 " in answer
    assert b"start it with --allow-host NAME" in answer
    assert answer.isascii()


@pytest.mark.parametrize("path", ["/share/x", "/media/p/f.mp4", "/storage/a", "/"])
async def test_the_storage_is_not_called_by_other_names_either(call: Calls, path: str) -> None:
    assert 403 == await status(call, "Host: evil.example", target=path)


async def test_a_whole_url_in_the_request_line_is_no_way_around(call: Calls) -> None:
    assert 403 == await status(call, "Host: localhost", target="http://evil.example/api/v1/account/credits")


async def test_who_names_no_host_is_no_browser(call: Calls) -> None:
    assert 200 == await status(call, version="1.0")


async def test_a_refused_call_has_no_effect(call: Calls) -> None:
    before = len(call.emulator.world.log)
    await status(call, "Host: evil.example")

    assert before == len(call.emulator.world.log)


async def test_further_names_can_be_allowed() -> None:
    async with calling(Emulator(allow_hosts=["emulator", "Studio.Test."])) as call:
        statuses = [await status(call, f"Host: {host}") for host in ("emulator:8021", "studio.test", "other")]

    assert [200, 200, 403] == statuses


@pytest.mark.parametrize("name", ["http://emulator", "emulator:8021", "", "a b", "*", "-"])
def test_a_name_that_is_none_cannot_be_allowed(name: str) -> None:
    with pytest.raises(SettingRefused, match="is no name of a host"):
        Emulator(allow_hosts=[name])


async def test_it_is_called_by_the_ipv6_address_it_listens_on() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    async with calling(Emulator(host="::1")) as call:
        assert 200 == (await call("GET", "/account/credits")).status
        assert call.emulator.base_url.startswith("http://[::1]:")


# -- Destinations of webhooks ---------------------------------------------------------------------------

INTERNAL = [
    "https://10.0.0.1/", "https://192.168.1.1/admin", "https://172.16.0.1/", "https://169.254.169.254/latest/meta-data",
    "https://100.64.0.1/", "https://0.0.0.0/", "https://[fd00::1]/", "https://[fe80::1]/", "https://[::]/",
    "https://[::ffff:10.0.0.1]/", "https://[64:ff9b::a9fe:a9fe]/", "https://[2002:0a00:0001::]/", "https://0xa.1/",
    "https://167772161/", "https://10.0.0.1:8443/", "https://10.0.0.1./",
]  # fmt: skip
LOOPBACK = [
    "https://localhost/", "https://127.0.0.1/", "https://127.9.9.9:9/", "https://[::1]/", "https://a.localhost/",
    "https://[::ffff:127.0.0.1]/", "https://0x7f.1/", "https://2130706433/",
]  # fmt: skip


async def ordered(call: Calls, url: str) -> tuple[int, str]:
    reply = await call("POST", "/projects", json={"brief": "x", "webhook_url": url})
    return reply.status, "" if reply.status == 202 else reply.message


@pytest.mark.parametrize("url", INTERNAL)
async def test_an_internal_address_is_no_webhook_address(call: Calls, url: str) -> None:
    status, message = await ordered(call, url)

    assert 400 == status
    assert "internal" in message
    assert "--allow-webhooks-to" in message


@pytest.mark.parametrize("url", LOOPBACK)
async def test_this_machine_is_one_if_the_emulator_listens_to_nobody_else(call: Calls, url: str) -> None:
    """A client that can ask for a webhook could send it itself."""
    assert (202, "") == await ordered(call, url)


@pytest.mark.parametrize("url", LOOPBACK)
async def test_this_machine_is_none_if_others_can_ask_for_it(url: str) -> None:
    open_to_all = Emulator(host="0.0.0.0", limits=Limits.none())
    async with calling(open_to_all) as call:
        assert 400 == (await ordered(call, url))[0]


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("http://localhost:8000/hook", "--allow-loopback-webhooks"),
        ("http://10.0.0.1/", "--allow-webhooks-to 10.0.0.1"),
        ("http://films.example/", "must be a valid HTTPS URL"),
        ("nowhere", "must be a valid HTTPS URL"),
    ],
)
async def test_plain_http_says_what_would_allow_it(call: Calls, url: str, hint: str) -> None:
    status, message = await ordered(call, url)

    assert 400 == status
    assert hint in message
    assert ("--allow" in hint) == ("--allow" in message)


async def test_loopback_can_be_allowed_to_all() -> None:
    emulator = Emulator(host="0.0.0.0", limits=Limits.none(), allow_loopback_webhooks=True)
    async with calling(emulator) as call:
        statuses = [
            (await ordered(call, url))[0]
            for url in ("http://127.0.0.1/", "https://[::1]/", "http://10.0.0.1/")
        ]

    assert [202, 202, 400] == statuses


@pytest.mark.parametrize("url", ["https://films.example/hook", "https://1.1.1.1/", "https://[2606:4700::1]/"])
async def test_a_public_address_is_one(call: Calls, url: str) -> None:
    assert (202, "") == await ordered(call, url)


async def test_what_is_allowed_may_be_plain_http_as_well() -> None:
    allowed = ["receiver", "10.1.0.0/16", "fd00::7"]
    async with calling(Emulator(limits=Limits.none(), allow_webhooks_to=allowed)) as call:
        good = [
            "http://receiver:8000/",
            "https://Receiver/",
            "http://10.1.2.3/",
            "https://10.1.255.255/",
            "http://[fd00::7]/",
        ]
        bad = [
            "http://other/",
            "http://10.2.0.1/",
            "https://10.2.0.1/",
            "https://[fd00::8]/",
            "http://a.receiver/",
        ]

        assert {202} == {(await ordered(call, url))[0] for url in good}
        assert {400} == {(await ordered(call, url))[0] for url in bad}


@pytest.mark.parametrize("odd", ["10.0.0.0/99", "a/b", "http://x", "receiver:80", ""])
def test_what_is_no_host_cannot_be_allowed(odd: str) -> None:
    with pytest.raises(SettingRefused, match="allow_webhooks_to"):
        Emulator(allow_webhooks_to=[odd])


async def test_settings_are_checked_as_orders_are(call: Calls) -> None:
    project_id = await call.create()
    await call.settled(project_id)
    body = {"webhook_url": "https://169.254.169.254/"}

    assert 400 == (await call("PATCH", f"/projects/{project_id}/settings", json=body)).status


class Names:
    """A resolver whose names lead where a test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **addresses: str) -> None:
        self.asked: list[str] = []

        async def resolve(_: Any, host: str, port: int = 0, family: Any = 0) -> list[dict[str, Any]]:
            self.asked.append(host)
            found = addresses[host.partition(".")[0]]
            family = socket.AF_INET6 if ":" in found else socket.AF_INET
            entry = {"hostname": host, "host": found, "port": port, "family": family, "proto": 0, "flags": 0}
            return [entry]

        monkeypatch.setattr(DefaultResolver, "resolve", resolve)


async def sent(call: Calls, url: str) -> list[str | None]:
    """Return the problems of the webhooks of one render."""
    project = call.emulator.add_project(webhook_url=url)
    await call("POST", f"/projects/{project.id}/render")
    await asyncio.sleep(600)
    return [delivery.problem for delivery in call.emulator.deliveries]


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "fd00::1", "::ffff:10.0.0.1"])
async def test_a_name_that_leads_inside_is_not_called(
    call: Calls, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, address: str
) -> None:
    """The name looks public in the order; delivery checks its address."""
    Names(monkeypatch, films=address)

    assert ["InternalTarget"] * 2 == await sent(call, "https://films.example/hook")
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert 1 == len(told), "once for each reason"
    assert f"films.example leads to {address}" in told[0]


async def test_a_name_that_is_allowed_may_lead_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    Names(monkeypatch, receiver="127.0.0.9", other="127.0.0.9")
    emulator = Emulator(host="0.0.0.0", limits=Limits.none(), allow_webhooks_to=["receiver"])
    async with calling(emulator) as call:
        problems = await sent(call, "http://receiver:9/") + await sent(call, "http://other.example:9/")

    assert {"ClientConnectorError", "InternalTarget"} == set(problems)


async def test_a_project_from_elsewhere_is_checked_as_well(call: Calls) -> None:
    """A project from a state file or test has passed no check."""
    assert ["InternalTarget"] * 2 == await sent(call, "http://169.254.169.254/latest")


def test_an_odd_address_is_sent_nothing() -> None:
    destinations = Destinations.of("127.0.0.1", plain_loopback=True, allowed=())
    for odd in (
        "",
        "http://",
        "https://user@/",
        "https://exa mple/",
        "https://[fe80::1%eth0]/",
        "https://a:99999/",
    ):
        assert destinations.problem(odd) is not None


# -- Memory ---------------------------------------------------------------------------------------------


def test_the_log_keeps_the_latest_and_counts_the_rest() -> None:
    log = RequestLog(room=100)
    for number in range(1005):
        log.add(Entry(float(number), "GET", f"/{number}"))

    assert 90 < len(log) <= 100
    assert 1005 == log.total == log.forgotten + len(log)
    assert "/1004" == log.entries[-1].path
    assert ["/1003", "/1004"] == [entry.path for entry in log.since(1003)]
    assert log.entries == log.since(0)
    log.clear()
    assert (0, 1005, []) == (len(log), log.total, log.since(1005))


async def test_a_request_is_remembered_in_little_room(call: Calls) -> None:
    await call("GET", "/" + "x" * 5000)

    assert logs.LONGEST_PATH == len(call.emulator.world.log.entries[-1].path)


async def test_deliveries_are_remembered_in_bounded_room(monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = Scenario(queued=1, running=1, images=1, videos=1)
    async with calling(
        Emulator(scenario=scenario, limits=Limits.none(), allow_loopback_webhooks=True)
    ) as call:
        monkeypatch.setattr(webhooks, "KEPT", 7)
        for _ in range(3):
            await call.create(webhook_url="http://127.0.0.1:1/")
            await asyncio.sleep(100)
        few = call.emulator.deliveries[:]
        monkeypatch.setattr(webhooks, "KEPT_BYTES", sum(len(each.body) for each in few[-2:]))
        await call.create(webhook_url="http://127.0.0.1:1/")
        await asyncio.sleep(100)

        assert 7 == len(few)
        assert 1 <= len(call.emulator.deliveries) <= 3
        assert call.emulator.deliveries[-1].at > few[-1].at


async def test_contents_of_uploads_are_remembered_in_bounded_room(
    call: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eversince_async.emulator.storage._KEPT_IN_ALL", 25)
    for number in range(5):
        body = {"file_name": f"{number}.png", "content_type": "image/png", "file_size": 10}
        ticket = (await call("POST", "/uploads", json=body)).body
        await call("PUT", ticket["upload_url"], data=b"0123456789", headers={"Content-Type": "image/png"})

    assert [10, 10] == [len(each) for each in call.emulator.storage.contents.values()]
    assert ticket["r2_key"] in call.emulator.storage.contents
