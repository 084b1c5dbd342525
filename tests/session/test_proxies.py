"""Proxies, private certificate authorities and sessions of the user."""

from __future__ import annotations

import asyncio
import ssl
import traceback
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from eversince_async import ConfigurationError, Eversince, EversinceError, RetryPolicy
from eversince_async._redaction import redact
from eversince_async._wire.addresses import AddressPolicy, parse
from eversince_async.models.uploads import UploadTicket
from eversince_async.session.proxies import Proxies
from eversince_async.transfers.store import Store
from helpers.fake_server import KEY, Say

PROJECT = Say(json={"id": "proj_1", "status": "idle"})
NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUEST_METHOD", "NETRC")
AUTHORITY = Path(__file__).parent / "data" / "private_authority.pem"
"""A self-signed certificate of localhost, with its key."""

ONCE = RetryPolicy(attempts=1)


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@asynccontextmanager
async def proxy(status=502):
    """Run a proxy that refuses everything; yield the heads of its requests."""
    seen = []

    async def refuse(reader, writer):
        seen.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", seen


# -- Choice -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "url", "used"),
    [
        ({}, "https://api.example/", None),
        ({"HTTPS_PROXY": "http://p:1"}, "https://api.example/", "http://p:1"),
        ({"https_proxy": "http://p:1"}, "https://api.example/", "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1"}, "http://api.example/", None),
        ({"HTTP_PROXY": "http://p:1"}, "http://api.example/", "http://p:1"),
        ({"HTTP_PROXY": "http://p:1"}, "https://api.example/", None),
        ({"ALL_PROXY": "http://p:1"}, "https://api.example/", "http://p:1"),
        ({"ALL_PROXY": "http://a:1", "HTTPS_PROXY": "http://p:1"}, "https://api.example/", "http://p:1"),
        ({"HTTPS_PROXY": ""}, "https://api.example/", None),
        ({"HTTPS_PROXY": "p:3128"}, "https://api.example/", "http://p:3128"),
        ({"HTTPS_PROXY": "https://p:1"}, "https://api.example/", "https://p:1"),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, "https://api.example/", None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "api.example"}, "https://api.example/", None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "x, .example"}, "https://api.example/", None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "ample"}, "https://api.example/", "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "api.example:8443"}, "https://api.example:8443/", None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "10.0.0.0/8"}, "https://10.9.8.7/", None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "10.0.0.0/8"}, "https://11.9.8.7/", "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "fd00::/8"}, "https://[fd00::1]/", None),
        ({"HTTP_PROXY": "http://p:1"}, "http://127.0.0.1:8021/", None),
        ({"HTTP_PROXY": "http://p:1"}, "http://localhost:8021/", None),
        ({"HTTPS_PROXY": "socks5://p:1", "NO_PROXY": "api.example"}, "https://api.example/", None),
    ],
)
def test_the_environment_says_which_proxy_is_used(environment, url, used, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    options = Proxies().options(parse(url))

    assert used == (str(options["proxy"]).rstrip("/") if options else None)


@pytest.mark.parametrize(
    "named",
    [
        "socks5://p:1080",
        "ftp://p",
        "http://",
        "http://p:99999",
        "http://a:b:c",
        "http://u:hunter2secret@:1",
        "ftp://u:hunter2secret@p:1",
    ],
)
def test_a_proxy_that_cannot_be_used_is_said_when_the_client_is_made(named, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", named)

    with pytest.raises(ConfigurationError, match="HTTPS_PROXY") as caught:
        Eversince(KEY)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__context__ is None
    told = list(traceback.walk_tb(caught.value.__traceback__))[1:]  # all frames but this test's own
    assert [] == [name for frame, _ in told for name, value in frame.f_locals.items() if shows(value)]


def shows(value):
    """Return True if printing a local variable would show the password."""
    try:
        return "hunter2" in repr(value)
    except AttributeError:  # the client is not complete yet
        return False


def test_the_password_of_a_proxy_is_sent_to_it_and_hidden(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://me:hunter2%40secret@p:1")

    proxies = Proxies()
    options = proxies.options(parse("https://api.example/"))

    assert "http://p:1" == str(options["proxy"]).rstrip("/")
    assert {"Authorization": "Basic bWU6aHVudGVyMkBzZWNyZXQ="} == options["proxy_headers"]
    assert "no … here" == redact("no hunter2@secret here")
    assert "no … here" == redact("no bWU6aHVudGVyMkBzZWNyZXQ= here")


def test_a_password_without_a_name_is_sent_to_the_proxy_and_hidden(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://:hunter2secret@p:1")

    proxies = Proxies()
    options = proxies.options(parse("https://api.example/"))

    assert "http://p:1" == str(options["proxy"]).rstrip("/")
    assert {"Authorization": "Basic Omh1bnRlcjJzZWNyZXQ="} == options["proxy_headers"]
    assert "no … here" == redact("no hunter2secret here")


# -- Use --------------------------------------------------------------------------------------------------


async def test_calls_go_by_the_proxy_and_the_key_does_not_reach_it(monkeypatch):
    async with proxy() as (address, seen):
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:password1@{address}")
        async with Eversince(KEY, base_url="https://api.invalid/api/v1", retry=ONCE) as eversince:
            with pytest.raises(EversinceError, match="the proxy answered 502"):
                await eversince.account.credits()

    assert seen[0].startswith("CONNECT api.invalid:443 ")
    assert "Proxy-Authorization: Basic" in seen[0]
    assert KEY not in seen[0]


async def test_a_write_that_a_proxy_refuses_was_never_sent(monkeypatch):
    async with proxy(407) as (address, _):
        monkeypatch.setenv("HTTPS_PROXY", address)
        async with Eversince(KEY, base_url="https://api.invalid/api/v1", retry=ONCE) as eversince:
            with pytest.raises(EversinceError, match="the proxy answered 407") as caught:
                await eversince.projects.create("A film")

    assert "never_sent" == caught.value.outcome


async def test_transfers_go_by_the_proxy(monkeypatch):
    async with proxy() as (address, seen):
        monkeypatch.setenv("HTTP_PROXY", f"http://me:password1@{address}")
        store = Store(AddressPolicy(https_only=False, allows_private=False))
        async with store.get("http://store.invalid/a?s=1", headers={}, endpoint="download") as download:
            assert 502 == download.status
        await store.aclose()

    assert seen[0].startswith("GET http://store.invalid/a?s=1 ")
    assert "Proxy-Authorization: Basic" in seen[0]
    assert "\nAuthorization" not in seen[0]


async def test_calls_to_this_machine_go_by_no_proxy(server, monkeypatch):
    """Otherwise the operator of the proxy could read the key."""
    server.plays(PROJECT)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with server.client() as eversince:
        await eversince.projects.get("proj_1")

    assert 1 == len(server.seen)


# -- Shared sessions --------------------------------------------------------------------------------------

OF_THEIRS = [
    {},
    {"trust_env": True},
    {"headers": {"Authorization": "Basic x"}},
]


@pytest.fixture
def netrc(tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("default login bob password secret\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


@pytest.mark.parametrize("options", OF_THEIRS, ids=str)
async def test_the_key_is_the_only_credential_of_a_call(server, netrc, options):
    """Neither the user's session nor a `.netrc` adds credentials."""
    server.plays(PROJECT)
    async with aiohttp.ClientSession(**options) as http, server.client(http=http) as eversince:
        await eversince.projects.get("proj_1")

    assert f"Bearer {KEY}" == server.seen[0].headers["authorization"]


@pytest.mark.parametrize("options", OF_THEIRS, ids=str)
async def test_a_transfer_over_a_session_of_the_users_has_no_credentials(server, netrc, options):
    server.plays(Say(status=200))
    async with (
        aiohttp.ClientSession(raise_for_status=True, **options) as http,
        server.client(transfers=http) as eversince,
    ):
        ticket = UploadTicket(upload_url=f"{server.origin}/k?sig=1", r2_key="k")
        await eversince.uploads.put(ticket, b"x", name="a.png", content_type="image/png", size=1)
        assert not eversince._store.is_open
    assert "authorization" not in server.seen[0].headers


@pytest.mark.parametrize("name", ["http", "transfers"])
async def test_what_is_no_open_session_is_refused_when_the_client_is_made(name):
    http = aiohttp.ClientSession()
    await http.close()

    with pytest.raises(ConfigurationError, match=f"{name}= is closed"):
        Eversince(KEY, **{name: http})
    with pytest.raises(
        ConfigurationError, match=f"{name}= takes an open aiohttp.ClientSession, not a builtins.str"
    ):
        Eversince(KEY, **{name: "http"})


async def test_a_session_that_is_closed_meanwhile_is_told(server):
    http = aiohttp.ClientSession()
    async with server.client(http=http, transfers=http) as eversince:
        await http.close()
        with pytest.raises(EversinceError, match="transfers= is closed"):
            async with eversince._store.get(f"{server.origin}/k", headers={}, endpoint="download"):
                pass
        ticket = UploadTicket(upload_url=f"{server.origin}/k", r2_key="k")
        with pytest.raises(EversinceError, match="transfers= is closed"):
            await eversince.uploads.put(ticket, b"x", name="a.png", content_type="image/png", size=1)
    assert not server.seen


# -- Authorities ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_certificates_that_cannot_be_read_are_refused(name, tmp_path, monkeypatch):
    """OpenSSL would trust no certificate, without an error."""
    monkeypatch.setenv(name, str(tmp_path / "missing"))

    with pytest.raises(ConfigurationError, match=f"{name} names .*missing"):
        Eversince(KEY)


@pytest.mark.parametrize("holds", ["", "no certificate", None])
def test_a_file_without_certificates_is_refused(holds, tmp_path, monkeypatch):
    path = tmp_path / "ca.pem"
    path.mkdir() if holds is None else path.write_text(holds)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))

    with pytest.raises(ConfigurationError, match="SSL_CERT_FILE: cannot be read as certificates"):
        Eversince(KEY)


def test_what_is_no_ssl_context_is_refused():
    with pytest.raises(ConfigurationError, match=r"ssl_context= takes an ssl\.SSLContext"):
        Eversince(KEY, ssl_context="ca.pem")


@asynccontextmanager
async def privately_signed():
    """Run an API with a certificate of an unknown authority."""

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        body = b'{"credits_balance": 7}'
        writer.write(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        await writer.drain()
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(AUTHORITY)
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"https://localhost:{server.sockets[0].getsockname()[1]}"


async def test_who_is_signed_by_nobody_known_is_told_what_to_set():
    async with privately_signed() as url, Eversince(KEY, base_url=url, retry=ONCE) as eversince:
        with pytest.raises(EversinceError, match="SSL_CERT_FILE or give ssl_context="):
            await eversince.account.credits()


@pytest.mark.parametrize("way", ["argument", "environment"])
async def test_a_private_authority_is_trusted_by_calls_and_transfers(way, monkeypatch):
    if way == "environment":
        monkeypatch.setenv("SSL_CERT_FILE", str(AUTHORITY))
        trusted = {}
    else:
        trusted = {"ssl_context": ssl.create_default_context(cafile=AUTHORITY)}
    async with privately_signed() as url, Eversince(KEY, base_url=url, retry=ONCE, **trusted) as eversince:
        assert 7 == (await eversince.account.credits()).credits_balance
        async with eversince._store.get(f"{url}/a?s=1", headers={}, endpoint="download") as download:
            assert 200 == download.status
