"""What a frame of ours holds may be printed: by pytest's --showlocals, by rich, by crash reporters."""

from __future__ import annotations

import asyncio
import json
import pickle
import traceback

import orjson
import pytest
from rich.pretty import pretty_repr
from yarl import URL

from eversince_async import (
    ConfigurationError,
    Eversince,
    EversinceError,
    RetryPolicy,
    WebhookReceiver,
    verify_signature,
)
from eversince_async._redaction import Hidden, redact
from eversince_async._wire.addresses import parse
from eversince_async._wire.converter import structure
from eversince_async.emulator import Emulator, ErrorAnswer, Faults, NotJson, Reset
from eversince_async.models.keys import NewKey
from eversince_async.models.uploads import UploadTicket

SIGNED = "https://r2.example/a.mp4?X-Amz-Signature=hush&X-Amz-Expires=3600"
KEY = "es_live_only-for-this-test"


# -- The text ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [SIGNED, SIGNED + "&" + "x" * 10_000, "hush", "es_live_hush", "Bearer hush"])
def test_its_repr_hides_what_it_is(text):
    hidden = Hidden(text)

    assert "hush" not in repr(hidden)
    assert "hush" not in repr([hidden])
    assert "hush" not in f"{hidden!r}"
    assert "hush" not in f"{hidden[:50]!r}"
    assert "hush" not in pretty_repr({"url": hidden}, max_string=45)


def test_an_address_shows_where_it_leads():
    assert "'https://r2.example/a.mp4?…'" == repr(Hidden(SIGNED))


def test_it_is_itself_wherever_it_is_used():
    hidden = Hidden(SIGNED)

    assert SIGNED == hidden == str(hidden) == f"{hidden}" == "".join([hidden])
    assert {SIGNED: 1}[hidden] == 1
    assert SIGNED == str(URL(hidden, encoded=True))
    assert json.dumps(SIGNED) == json.dumps(hidden) == orjson.dumps(hidden).decode()
    assert type(pickle.loads(pickle.dumps(hidden))) is str


# -- Where it enters --------------------------------------------------------------------------------------


def test_addresses_and_keys_of_answers_are_hidden():
    ticket = structure({"upload_url": SIGNED, "r2_key": "k"}, UploadTicket)
    key = structure({"key": "hush"}, NewKey)

    assert SIGNED == ticket.upload_url
    assert "hush" not in repr(ticket.upload_url) + repr(key.key) + repr(parse(SIGNED).text)


@pytest.mark.parametrize("fault", [Reset(), ErrorAnswer(status=403), ErrorAnswer(status=500)], ids=str)
async def test_no_local_of_our_frames_shows_a_key_or_a_signature(fault, tmp_path):
    faults, shown = Faults(), []
    async with Emulator(faults=faults, keys=[KEY]) as emulator, client(emulator) as eversince:
        ticket = await eversince.uploads.request("mug.png", "image/png", 5)
        production = await eversince.produce("A film", share=False)
        secrets = {KEY, *URL(ticket.upload_url).query.values(), *URL(production.assembled_url).query.values()}
        for method, path in (("PUT", "/storage/**"), ("GET", "/media/**"), ("*", "/projects/**")):
            faults.once(method, path, fault, times=1000)
        for call in (
            eversince.uploads.put(ticket, b"12345", name="mug.png", content_type="image/png", size=5),
            production.download(tmp_path / "film.mp4"),
            eversince.projects.get(production.project_id),
            eversince.output.render(production.project_id),
        ):
            with pytest.raises(EversinceError) as caught:
                await call
            shown += list(locals_of(caught.value))
    found = [
        (name, text[:200]) for name, text in shown for secret in secrets if len(secret) > 9 and secret in text
    ]

    assert len(shown) > 20
    assert [] == found


@pytest.mark.parametrize("body", [f'{{"assembled_url": "{SIGNED}"}}', SIGNED, f"[{SIGNED!r}]"])
async def test_an_answer_that_cannot_be_read_is_in_no_local(body):
    faults = Faults()
    async with Emulator(faults=faults, keys=[KEY]) as emulator, client(emulator) as eversince:
        faults.once("GET", "/projects/**", NotJson(status=200, body=body), times=1000)
        with pytest.raises(EversinceError) as caught:
            await eversince.projects.get("proj_1")

    assert [] == [name for name, text in locals_of(caught.value) if "hush" in text]


def client(emulator):
    return Eversince(KEY, base_url=emulator.base_url, retry=RetryPolicy(attempts=1))


def locals_of(error):
    """The locals of our frames behind an error and whatever is chained to it, as they are printed."""
    seen = set()
    while error is not None and error not in seen:
        seen.add(error)
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if frame.f_globals["__name__"].startswith("eversince_async."):
                for name, value in frame.f_locals.items():
                    yield (
                        f"{frame.f_code.co_qualname}: {name}",
                        repr(value) + pretty_repr(value, max_string=80),
                    )
        error = error.__cause__ or error.__context__


# -- Keys -------------------------------------------------------------------------------------------------


async def test_a_created_key_is_shown_by_nothing_but_its_own_attribute():
    """Not by the server's words, nor under names that this version does not know."""
    said = {"key": "odd-hush-key", "message": "Keep odd-hush-key safe", "api_key": "another-hush"}
    faults = Faults()
    async with Emulator(faults=faults, keys=[KEY]) as emulator, client(emulator) as eversince:
        faults.once("POST", "/keys", NotJson(status=201, body=json.dumps(said)))
        new = await eversince.keys.create("CI")

    assert "odd-hush-key" == new.key
    assert "hush" not in repr(new) + pretty_repr(new)
    assert "Keep … safe" == redact(new.message)


@pytest.mark.parametrize("status", [200, 201, 400, 500])
@pytest.mark.parametrize(
    "body", ["odd-hush-key", '{"key": ["odd-hush-key"]}', '"odd-hush-key"', '{"error": "odd-hush-key"}']
)
async def test_an_answer_with_a_new_key_is_never_quoted(status, body):
    faults = Faults()
    async with Emulator(faults=faults, keys=[KEY]) as emulator, client(emulator) as eversince:
        faults.once("POST", "/keys", NotJson(status=status, body=body), times=9)
        with pytest.raises(EversinceError) as caught:
            await eversince.keys.create("CI")

    assert "hush" not in "".join(traceback.format_exception(caught.value))
    assert [] == [name for name, text in locals_of(caught.value) if "hush" in text]


NEW_KEY = "es_test_a-key-of-another-kind"
CREATED = json.dumps({"id": "k", "key": NEW_KEY}).encode()
NO_HTTP = {
    "no head": CREATED,
    "in the head": b"HTTP/1.1 201 Created\r\n" + CREATED.replace(b":", b" ") + b"\r\n\r\n",
    "a status without a body": b"HTTP/1.1 204 No Content\r\n\r\n" + CREATED,
    "a length too small": b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}" + CREATED,
    "a piece too small": b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n"
    + CREATED
    + b"\r\n",
}


@pytest.mark.parametrize("answer", NO_HTTP.values(), ids=NO_HTTP)
async def test_an_answer_that_is_no_http_is_not_quoted(answer):
    async def say(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]))
        writer.write(answer)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(say, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Eversince(api_key=KEY, base_url=f"http://127.0.0.1:{port}/api/v1") as eversince:
        with pytest.raises(EversinceError) as raised:
            await eversince.keys.create("CI")

    assert "another-kind" not in "".join(traceback.format_exception(raised.value))


async def test_a_part_of_such_an_answer_that_cannot_be_read_is_not_logged(caplog):
    said = {"key": "odd-key-itself", "created_at": "hush-hush"}
    faults = Faults()
    async with Emulator(faults=faults, keys=[KEY]) as emulator, client(emulator) as eversince:
        faults.once("POST", "/keys", NotJson(status=201, body=json.dumps(said)))
        new = await eversince.keys.create("CI")

    assert new.unreadable
    assert "hush" not in repr(new) + pretty_repr(new) + caplog.text


# -- Addresses to upload to -------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 400, 500])
@pytest.mark.parametrize(
    "body",
    [
        "https://r2.example/a/hush-hush",
        '{"upload_url": ["https://r2.example/a?X-Amz-Signature=hush"]}',
        '"odd-hush-signature"',
        '{"error": "X-Amz hush"}',
    ],
)
async def test_an_answer_with_an_address_to_upload_to_is_never_quoted(status, body):
    """Its signature may stand in any part of it."""
    faults = Faults()
    async with Emulator(faults=faults, keys=[KEY]) as emulator, client(emulator) as eversince:
        faults.once("POST", "/uploads", NotJson(status=status, body=body), times=9)
        with pytest.raises(EversinceError) as caught:
            await eversince.uploads.request("mug.png", "image/png", 5)

    assert "hush" not in "".join(traceback.format_exception(caught.value))
    assert [] == [name for name, text in locals_of(caught.value) if "hush" in text]


# -- Signing secrets --------------------------------------------------------------------------------------

SECRETS = ["whsec_hush-hush", b"whsec_hush-hush", ["whsec_hush-1", b"whsec_hush-2"]]


@pytest.mark.parametrize("secret", SECRETS, ids=str)
def test_a_receiver_shows_its_secret_nowhere(secret):
    """Not in any attribute, however deep."""
    receiver = WebhookReceiver(secret=secret)

    assert "hush" not in repr(receiver) + pretty_repr(receiver) + "".join(attributes_of(receiver))


@pytest.mark.parametrize("secret", [*SECRETS, ["whsec_hush-hush", ""], "hush\ud800"], ids=ascii)
@pytest.mark.parametrize(
    "wrong", [{"tolerance": -1}, {"body_limit": 0}, {"unverified_limit": 1}, {"queue_size": 0}], ids=str
)
def test_no_local_of_a_receiver_that_cannot_be_made_shows_it(secret, wrong):
    with pytest.raises(ConfigurationError) as caught:
        WebhookReceiver(secret=secret, **wrong)

    assert [] == [name for name, text in locals_of(caught.value) if "hush" in text]


@pytest.mark.parametrize("secret", [*SECRETS, ["whsec_hush-hush", ""], "hush\ud800"], ids=ascii)
@pytest.mark.parametrize("timestamp", [None, "1", "soon"])
@pytest.mark.parametrize("signature", [None, "sha256=" + "0" * 64, "sha256=x"])
def test_no_local_of_a_refused_delivery_shows_it(secret, timestamp, signature):
    with pytest.raises(EversinceError) as caught:
        verify_signature(secret, timestamp, b"{}", signature)

    assert [] == [name for name, text in locals_of(caught.value) if "hush" in text]
    assert "hush" not in str(caught.value)


def attributes_of(root):
    """What each attribute behind an object is printed as."""
    seen, waiting = set(), [root]
    while waiting:
        each = waiting.pop()
        if id(each) in seen or not type(each).__module__.startswith(("eversince_async", "builtins")):
            continue
        seen.add(id(each))
        yield repr(each)
        waiting += list(getattr(each, "__dict__", {}).values())
        waiting += [
            getattr(each, name) for name in getattr(type(each), "__slots__", ()) if hasattr(each, name)
        ]
        if isinstance(each, (list, tuple, set, frozenset)):
            waiting += each
