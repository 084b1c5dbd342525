"""Headers are found in any collection of a framework.

Otherwise the error says what to pass.
"""

from __future__ import annotations

import asyncio
from email.message import Message
from types import SimpleNamespace

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict, CIMultiDictProxy, MultiDict

from eversince_async import WebhookReceiver
from helpers.webhook_deliveries import SECRET, Client, payload, signed

BODY = payload()


@pytest.fixture
def client():
    return Client()


@pytest.fixture
def receiver(client):
    return WebhookReceiver(client, secret=SECRET)


def environ(headers):
    """Build a WSGI environ, which Django's META resembles.

    It holds the headers among other values of any type.
    """
    names = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    return {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": str(len(BODY)), "wsgi.input": object(), **names}


def of_email(headers):
    """Build headers as `http.server` has them."""
    message = Message()
    for name, value in headers.items():
        message[name] = value
    return message


def of_werkzeug(headers):
    return pytest.importorskip("werkzeug.datastructures").Headers(headers.items())


def of_werkzeugs_environ(headers):
    return pytest.importorskip("werkzeug.datastructures").EnvironHeaders(environ(headers))


def of_starlette(headers):
    return pytest.importorskip("starlette.datastructures").Headers(raw=in_bytes(headers))


def of_litestar(headers):
    return pytest.importorskip("litestar.datastructures").Headers(in_bytes(headers))


def of_django(headers):
    return pytest.importorskip("django.http.request").HttpHeaders(environ(headers))


def of_httpx(headers):
    return pytest.importorskip("httpx").Headers(headers)


def in_bytes(headers):
    """Build headers as the pairs of ASGI."""
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


SHAPES = {
    "dict": dict,
    "lower": lambda headers: {name.lower(): value for name, value in headers.items()},
    "pairs": lambda headers: list(headers.items()),
    "lists": lambda headers: [list(pair) for pair in headers.items()],
    "generator": lambda headers: (pair for pair in headers.items()),
    "items": lambda headers: headers.items(),
    "bytes_pairs": in_bytes,
    "raw_headers": lambda headers: tuple((name.encode(), value.encode()) for name, value in headers.items()),
    "bytes_dict": lambda headers: dict(in_bytes(headers)),
    "bytearrays": lambda headers: [(bytearray(name), memoryview(value)) for name, value in in_bytes(headers)],
    "all_values": lambda headers: {name: [value] for name, value in headers.items()},
    "multidict": MultiDict,
    "aiohttp": lambda headers: CIMultiDictProxy(CIMultiDict(headers)),
    "environ": environ,
    "http_server": of_email,
    "werkzeug": of_werkzeug,
    "flask": of_werkzeugs_environ,
    "starlette": of_starlette,
    "litestar": of_litestar,
    "django": of_django,
    "httpx": of_httpx,
    "blanks_around": lambda headers: {name: f" {value}\t" for name, value in headers.items()},
}


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_signature_is_found_in_headers_of_any_shape(receiver, client, shape):
    assert "received" == receiver.receive(SHAPES[shape](signed(BODY)), BODY).code
    assert ["p1"] == client.nudged


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_forged_signature_is_found_in_them_too(receiver, client, shape):
    headers = SHAPES[shape](signed(BODY, secret="guessed"))

    assert "unauthorized" == receiver.receive(headers, BODY).code
    assert [] == client.nudged


@pytest.mark.parametrize(
    ("odd", "problem"),
    [
        (None, "not NoneType; pass a mapping"),
        ("X-Eversince-Signature: sha256=", "not str; pass a mapping"),
        (b"", "not bytes; pass a mapping"),
        (7, "not int; pass a mapping"),
        (["X-Eversince-Signature: x"], "there is a str at place 0"),
        ([("a", "b"), ("a", "b", "c")], "there is a tuple at place 1"),
        ({"a", "b"}, "there is a str at place 0"),
        ([(b"a", b"b"), (None, b"")], "names of headers must be text or bytes, not NoneType"),
        ({1: "x"}, "names of headers must be text or bytes, not int"),
        ({"X-Eversince-Signature": 7}, "x-eversince-signature must be text or bytes, not int"),
        ({"X-Eversince-Timestamp": [1]}, "x-eversince-timestamp must be text or bytes, not int"),
        (SimpleNamespace(headers={}), "pass its .headers"),
        ({"type": "http", "headers": [(b"a", b"b")]}, 'under "headers"'),
        ({"body": "{}", "headers": {"a": "b"}}, 'under "headers"'),
    ],
    ids=[
        "none", "text", "bytes", "number", "lines", "triple", "set", "no_name", "number_name", "number_value",
        "number_in_list", "request", "scope", "event",
    ],
)  # fmt: skip
async def test_what_is_no_collection_of_headers_says_what_to_pass(receiver, odd, problem):
    with pytest.raises(TypeError, match=problem):
        receiver.receive(odd, BODY)
    assert {} == receiver.statistics().refused


async def test_a_header_that_is_called_headers_is_a_header(receiver):
    """Senders choose names; none may look like a mistake of the application."""
    for value in ("x", ["x"], [], b"x"):
        assert "unauthorized" == receiver.receive({"headers": value}, BODY).code


async def test_a_request_of_a_framework_says_to_pass_its_headers(receiver):
    with pytest.raises(TypeError, match=r"a Request is no collection of headers; pass its \.headers"):
        receiver.receive(make_mocked_request("POST", "/", signed(BODY)), BODY)


@pytest.mark.parametrize("body", ["{}", None, {"id": "p1"}, [1]], ids=["text", "none", "json", "list"])
async def test_a_body_that_is_no_bytes_says_so(receiver, body):
    """This holds for unsigned deliveries, too."""
    unsigned = WebhookReceiver(allow_unsigned=True)
    for each in (receiver, unsigned):
        with pytest.raises(TypeError, match="raw bytes as they were received"):
            each.receive(signed(BODY), body)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
async def test_bytes_of_any_kind_are_a_body(receiver, kind):
    assert "received" == receiver.receive(signed(BODY), kind(BODY)).code


async def test_every_other_byte_of_a_view_is_a_body_too(receiver):
    spread = bytes(byte for each in BODY for byte in (each, 0))

    assert "received" == receiver.receive(signed(BODY), memoryview(spread)[::2]).code


async def test_chunks_that_are_no_bytes_say_so_and_leave_nothing(receiver):
    async def chunks():
        yield BODY[:3]
        yield BODY[3:].decode()

    with pytest.raises(TypeError, match="raw bytes as they were received, not str"):
        await receiver.receive_chunks(signed(BODY), chunks())
    assert 0 == receiver._handler.buffer.held


async def test_a_body_comes_in_chunks_through_a_door_of_ones_own(receiver, client):
    async def chunks():
        for at in range(0, len(BODY), 7):
            await asyncio.sleep(0.1)
            yield BODY[at : at + 7]

    assert "received" == (await receiver.receive_chunks(signed(BODY), chunks())).code
    assert ["p1"] == client.nudged
