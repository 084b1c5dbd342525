"""Secrets come out nowhere: the rules, and a whole production searched for them."""

import gc
import logging
import pickle
import re
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eversince_async import Eversince, EversinceError, RetryPolicy, WebhookReceiver
from eversince_async._redaction import (
    HIDDEN,
    MAX_REDACTED,
    MAX_TEXT,
    excerpt,
    redact,
    register_secret,
    shorten,
)
from eversince_async.emulator import Emulator, ErrorAnswer, Fault, Faults, NotJson, Reset, Truncated
from eversince_async.models._repr import format_value

# -- The rules --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("nothing secret here", "nothing secret here"),
        ("key es_live_abc-DEF_123.", "key es_live_…."),
        ("es_live_a and es_live_b", "es_live_… and es_live_…"),
        ("Authorization: Bearer sk-123", "Authorization: Bearer …"),
        ("{'Authorization': 'bearer sk-123'}", "{'Authorization': 'bearer …'}"),
        ("Basic dXNlcjpwYXNz", "Basic …"),
        ("https://r2.example/a.mp4?X-Amz-Signature=1&b=2 failed", "https://r2.example/a.mp4?… failed"),
        ("https://r2.example/a.mp4#token=1", "https://r2.example/a.mp4?…"),
        ("<https://r2.example/a?s=1>", "<https://r2.example/a?…>"),
        ("'https://r2.example/a?s=1', 'b'", "'https://r2.example/a?…', 'b'"),
        ("https://r2.example?s=1", "https://r2.example?…"),
        ("https://me:secret@r2.example/a", "https://…@r2.example/a"),
        ("redis://:secret@host/0?x=1", "redis://…@host/0?…"),
        ("https://eversince.ai/api/v1", "https://eversince.ai/api/v1"),
        ("is that so? yes", "is that so? yes"),
    ],
)
def test_shown(text: str, shown: str) -> None:
    assert shown == redact(text)


class Owner:
    """Whoever has a secret."""


ODD = "9f3a/71<b+c0ffee"
"""A key in a form that no rule knows."""


@pytest.mark.parametrize(
    "shown",
    [
        ODD,
        "9f3a\\/71<b+c0ffee",  # in JSON, as some write it
        "9f3a/71\\u003cb+c0ffee",  # likewise
        "9f3a/71&lt;b+c0ffee",  # in HTML
        "9f3a%2F71%3Cb%2Bc0ffee",  # in a URL
    ],
)
def test_a_secret_of_any_form_is_hidden_in_every_spelling(shown: str) -> None:
    owner = Owner()
    register_secret(ODD, owner)

    assert "no key …, really" == redact(f"no key {shown}, really")


def test_a_secret_is_kept_for_as_long_as_one_who_has_it() -> None:
    first, second = Owner(), Owner()
    register_secret(ODD, first)
    register_secret(ODD, second)
    del first
    assert HIDDEN == redact(ODD)

    del second
    gc.collect()
    assert ODD == redact(ODD)


def test_what_is_too_short_to_be_a_secret_defaces_no_text() -> None:
    owner = Owner()
    register_secret("", owner)
    register_secret("test", owner)

    assert "a test" == redact("a test")


def test_of_two_secrets_the_longer_is_hidden_whole() -> None:
    owner = Owner()
    register_secret("abcdefgh", owner)
    register_secret("abcdefgh-and-more", owner)

    assert HIDDEN == redact("abcdefgh-and-more")


@given(st.text())
def test_redacting_again_changes_nothing(text: str) -> None:
    assert redact(text) == redact(redact(text))


@given(
    before=st.text(st.characters(categories=["L", "Zs"])),
    key=st.text(st.sampled_from("abcXYZ019_-"), min_size=4),
    after=st.text(st.characters(categories=["Zs"])),
)
def test_no_key_survives_any_surroundings(before: str, key: str, after: str) -> None:
    assert f"es_live_{key}" not in redact(f"{before}es_live_{key}{after}")


@given(
    query=st.text(st.sampled_from("abcXYZ019%&=+-._~/:@"), min_size=4),
    around=st.sampled_from(["", '"', "'", " "]),
)
def test_no_query_survives(query: str, around: str) -> None:
    assert f"{around}https://r2.example/f?{HIDDEN}{around}" == redact(
        f"{around}https://r2.example/f?{query}{around}"
    )


def test_excerpt_is_short_and_on_one_line() -> None:
    assert "a b" == excerpt("a\n\n  b")
    assert "x" * 199 + HIDDEN == excerpt("x" * 500)
    assert "key es_live_…" == excerpt("key es_live_secret")


# -- A whole production -----------------------------------------------------------------------------------

KEY = "es_live_only-for-this-test"


def everything_of_ours(*roots: object) -> Iterator[object]:
    """Whatever can be reached from some objects, as far as it is of our making."""
    seen: set[int] = set()
    waiting = list(roots)
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, dict):
            waiting += thing.values()
        elif isinstance(thing, list | tuple | set | frozenset):
            waiting += thing
        elif type(thing).__module__.startswith("eversince_async") and not isinstance(thing, type):
            yield thing
            waiting += getattr(thing, "__dict__", {}).values()
            if attrs.has(type(thing)):
                waiting += [getattr(thing, field.name, None) for field in attrs.fields(type(thing))]


def forms(error: BaseException) -> list[str]:
    """All forms in which an error gets out."""
    return [
        str(error),
        repr(error),
        repr(vars(error)),
        "".join(traceback.format_exception(error)),
        pickle.dumps(error).decode("latin-1"),
    ]


class Search:
    """Collects what gets out, and what must not be in it."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.secrets: set[str] = {KEY.removeprefix("es_live_")}

    def signed(self, url: str | None) -> None:
        assert url is not None
        query = urlsplit(url).query
        assert query, "it is not signed, so there is nothing to find"
        self.secrets |= {query, *(part.partition("=")[2] for part in query.split("&") if len(part) > 20)}

    async def failure(self, call: Any) -> None:
        with pytest.raises(EversinceError) as raised:
            await call
        self.texts += forms(raised.value)

    def found(self) -> list[tuple[str, str]]:
        return [(secret, text[:300]) for secret in self.secrets for text in self.texts if secret in text]


async def test_nothing_secret_gets_out(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """Everything logged at DEBUG by anybody, every repr of ours, and every error in all its forms."""
    caplog.set_level(logging.DEBUG)
    for name in (
        "eversince_async",
        "asyncio",
        "aiohttp",
        "aiohttp.client",
        "aiohttp.access",
        "aiohttp.server",
    ):
        caplog.set_level(logging.DEBUG, name)
    search, faults = Search(), Faults()
    async with Emulator(faults=faults, keys=[KEY], video_bytes=3_000_000) as emulator:
        told: list[object] = []
        eversince = Eversince(
            KEY,
            base_url=emulator.base_url,
            retry=RetryPolicy(attempts=2),
            on_request=told.append,
            on_response=told.append,
            on_retry=told.append,
        )
        async with eversince:
            made: list[object] = [told]
            made += await uploading(eversince, faults, search)
            made += await producing(eversince, faults, search, tmp_path)
            await failing(eversince, faults, search)
            made.append(await eversince.keys.create("CI"))
            search.secrets.add(made[-1].key.removeprefix("es_live_"))  # type: ignore[attr-defined]  # a NewKey
            search.texts += [repr(thing) for thing in everything_of_ours(eversince, made)]
    search.texts += [record.getMessage() for record in caplog.records]
    search.texts += [str(record.exc_text) for record in caplog.records]

    assert any("projects.create" in text for text in search.texts)
    assert len(search.secrets) > 6
    assert [] == search.found()


async def uploading(eversince: Eversince, faults: Faults, search: Search) -> list[object]:
    ticket = await eversince.uploads.request("mug.png", "image/png", 5)
    search.signed(ticket.upload_url)
    for fault in (Reset(), ErrorAnswer(status=403), ErrorAnswer(status=500)):
        with always(faults, "PUT", "/storage/**", fault):
            put = eversince.uploads.put
            await search.failure(put(ticket, b"12345", name="mug.png", content_type="image/png", size=5))
            await search.failure(eversince.uploads.upload(b"12345", name="mug.png"))
    return [ticket, await eversince.uploads.upload(b"12345", name="mug.png")]


async def producing(eversince: Eversince, faults: Faults, search: Search, folder: Path) -> list[object]:
    events: list[object] = []
    workflow = eversince.produce("A film", share=False)
    async with workflow:
        events += [event async for event in workflow]
        production = await workflow
    search.signed(production.assembled_url)
    for fault in (Truncated(), ErrorAnswer(status=403), Reset()):
        with always(faults, "GET", "/media/**", fault):
            await search.failure(production.download(folder / f"{type(fault).__name__}.mp4"))
    await production.download(folder / "film.mp4")
    project = await eversince.projects.get(production.project_id)
    assets = [asset async for asset in eversince.content.iter_assets(project.id)]
    timeline = await eversince.content.timeline(project.id)
    search.texts += [path.read_text("latin-1") for path in folder.glob("*.json")]
    return [production, workflow, events, project, assets, timeline]


async def failing(eversince: Eversince, faults: Faults, search: Search) -> None:
    leaking = f"Bearer {KEY} at https://r2.example/x?{next(iter(search.secrets))}"
    for fault in (
        Reset(),
        Truncated(),
        NotJson(body=leaking),
        NotJson(status=200, body=leaking),
        ErrorAnswer(status=500, message=leaking),
        ErrorAnswer(status=404, code="not_found", message=leaking),
    ):
        with always(faults, "*", "/projects/**", fault):
            await search.failure(eversince.projects.get("proj_1"))
            await search.failure(eversince.output.render("proj_1"))
    async with Eversince(KEY + "-wrong", base_url=eversince._transport.base_url) as stranger:
        await search.failure(stranger.account.credits())


@pytest.mark.parametrize(
    "key", ["legacy-7d1c0ffee", "es_live_a.b/c=tail", "YWxhZGRpbjpvcGVuc2VzYW1l=="], ids=lambda key: key[:8]
)
async def test_a_key_of_an_unusual_form_is_echoed_into_no_error(
    emulator: Emulator, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "eversince_async")
    search, faults = Search(), emulator.faults
    search.secrets = {key, key[-8:]}
    echo = f"there is no key {key}"
    async with Eversince(key, base_url=emulator.base_url, retry=RetryPolicy(attempts=2)) as eversince:
        for fault in (
            NotJson(status=403, body=echo),
            NotJson(status=200, body=echo),
            ErrorAnswer(status=401, code="unauthorized", message=echo),
            ErrorAnswer(status=500, message=echo),
            ErrorAnswer(status=400, code="validation_error", message=f"key: {echo}; other: {echo}"),
        ):
            with always(faults, "*", "/projects/**", fault):
                await search.failure(eversince.projects.get("proj_1"))
    search.texts += [record.getMessage() for record in caplog.records]

    assert 10 < len(search.texts)
    assert [] == search.found()


async def test_a_webhook_secret_is_hidden_in_whatever_is_shown(eversince: Eversince) -> None:
    receiver = WebhookReceiver(eversince, secret=["whsec_of_this_quarter", b"whsec_of_the_next"])

    assert "… or …" == redact("whsec_of_this_quarter or whsec_of_the_next")
    del receiver


@contextmanager
def always(faults: Faults, method: str, path: str, fault: Fault) -> Iterator[None]:
    faults.once(method, path, fault, times=1000)
    yield
    faults._script.clear()


# -- Time ------------------------------------------------------------------------------------------------

MEGABYTE = 1_000_000

HOSTILE = [
    "a",
    "a://",
    "x://" + "a" * 1000,
    "://",
    "a@",
    "x://a@",
    "x://a?",
    "bearer ",
    "bearer" + " " * 1000,
    "basic\t",
    "es_live_",
    "es_live_a ",
    "?",
    "?#",
    " ",
    "\n",
    "'\"<>",
    "a.",
    "x://?",
]
"""What a hostile server may repeat for a megabyte."""


@pytest.mark.parametrize("part", HOSTILE, ids=lambda part: repr(part[:12]))
@pytest.mark.parametrize("ends", [("", ""), ("x://", "?"), ("bearer", ";"), ("", "://x?y")], ids=str)
def test_time_is_linear(part: str, ends: tuple[str, str]) -> None:
    """A text of a megabyte takes some milliseconds, and not minutes, whatever it repeats."""
    text = ends[0] + part * (MEGABYTE // len(part)) + ends[1]

    begin = time.process_time()
    for redacted in (redact, excerpt, shorten, format_value):
        redacted(text)
    assert time.process_time() - begin < 5


@given(st.text("ab:/?#@ '\"<>\n", max_size=60))
def test_a_query_never_survives(text: str) -> None:
    """Nothing of what stands behind a URL's question mark or hash is left."""
    for token in re.split(r"[\s\"'<>]+", redact(text)):
        _, has_url, rest = token.partition("://")
        if has_url and (found := re.search(r"[?#]", rest)):
            assert HIDDEN == rest[found.end() :]


def test_what_is_carried_along_is_bounded() -> None:
    assert len(shorten("x " * MEGABYTE)) == MAX_TEXT
    assert len(excerpt("x " * MEGABYTE)) == 200


def test_a_text_is_not_cut_in_the_middle_of_a_secret() -> None:
    """Where the search ends it leaves off whatever it has not seen to its end."""
    owner = Owner()
    register_secret(ODD, owner)
    signed = f"https://r2.example/a?{'s' * (MAX_REDACTED - 30)} {ODD}"

    assert f"https://r2.example/a?{HIDDEN}{HIDDEN}" == shorten(signed)


@pytest.mark.parametrize(
    "text",
    [
        r'{"u":"https:\/\/s.example\/x?a=1&X-Amz-Signature=hush&b=2"}',
        r'{"u":"https:\/\/s.example\/x?whatever=hush"}',
        "https:\\u002f\\u002fs/x?sig=hush",
        "https&#58;//s/x?sig=hush&amp;y",
        "//s.example/x?X-Amz-Credential=hush",
        "Location: /x?X-Amz-Signature=hush",
        "https://a b/x?Signature=hush",
        "&X-Goog-Signature=hush",
        "X-Amz-Security-Token=hush",
        "access_token=hush",
        "https%3A%2F%2Fh%2Fa%3FX-Amz-Signature%3Dhush%26b%3D1",
        "%3Fsig%3Dhush",
        "X-Amz-Signature%253Dhush",
        "X-Amz-Signature%2525253Dhush",
        "a%25252526sig%2525253Dhush",
        "X-Amz-Signature&#61;hush",
        "?a=1&amp;sig&equals;hush",
        "signature = hush",
        "sig= 'hush'",
        "X-Amz-Signature\\\\\\\\u003dhush",
        "X-Amz-Signature\\u003dhush",
        "X-Amz-Signature='hush'",
        "X-Amz-Signature: hush",
        '{"X-Amz-Signature": "hush"}',
        '{"signature":"hush"}',
        "{'token': 'hush'}",
        r'"{\"X-Amz-Signature\":\"hush\"}"',
        "https://h/it's?a='x'&X-Amz-Signature=hush",
        "GET /a?X-Amz-Signature=hush HTTP/1.1",
    ],
)
def test_a_signature_is_hidden_wherever_it_stands(text: str) -> None:
    assert "hush" not in redact(text)


@pytest.mark.parametrize(
    "text", ["signature: is missing", "the token is 'old'", "design='x'", "no token, no sig"]
)
def test_words_that_are_no_parameters_stay(text: str) -> None:
    assert text == redact(text)


def test_redacting_parameters_takes_no_longer_than_the_text_is_long() -> None:
    began = time.process_time()
    for piece in (
        "token=",
        "sig",
        "x-amz-",
        "x-amz-signature",
        "token'",
        "%3d%25",
        "sig%25",
        "signature=a ",
        r":\/\/",
        r":\/\/?",
    ):
        redact("=" + piece * 20_000)

    assert time.process_time() - began < 5
