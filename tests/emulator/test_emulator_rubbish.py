"""The emulator responds to any input with the documented envelope.

It never responds with a 500.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eversince_async.emulator import API_KEY, Emulator, Limits
from eversince_async.emulator.revision import RULES
from eversince_async.emulator.routes import Router
from eversince_async.testing import VirtualTimeLoop
from helpers.emulator_client import EVERYWHERE, Calls, calling

OPERATIONS = Router(RULES["2026-05"]).names

# fmt: off - a list to read, not a column
FIELDS = [
    "brief",
    "title",
    "mode",
    "aspect_ratio",
    "craft",
    "craft_auto",
    "skills",
    "agent_model",
    "webhook_url",
    "idempotency_key",
    "references",
    "extract_content",
    "message",
    "quality",
    "project_id",
    "file_name",
    "content_type",
    "file_size",
    "r2_key",
    "content",
    "enabled",
    "name",
    "instructions",
    "is_active",
    "body",
    "operations",
    "type",
    "expected_output",
    "reasoning_mode",
    "upload_id",
    "url",
    "tool",
    "count",
    "duration",
]
# fmt: on
NAMES = st.sampled_from(FIELDS)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**30, max_value=10**40)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        ["autonomous", "16:9", "1080p", "https://a.example", "\ud800", "\x00", "image/jpeg", "cinema"]
    )
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=12,
)
BODIES = st.dictionaries(NAMES, VALUES, max_size=6).map(lambda body: json.dumps(body).encode()) | st.binary(
    max_size=60
)
IDS = st.sampled_from(["none", "proj", "%F0", "%2F", "..", "%00", "a b".replace(" ", "%20"), "x" * 300, "💡"])
QUERIES = st.sampled_from(
    [
        "",
        "?limit=%FF",
        "?limit=1&limit=x",
        "?status=%00&title=%ED%A0%80",
        "?before=&after=",
        "?" + "a=1&" * 1500,
        "?offset=" + "9" * 5000,
        "?variation_id=x",
        "?type=&gender=",
        "?=&&&;",
    ]
)


@given(
    operation=st.sampled_from(OPERATIONS),
    method=st.none() | st.sampled_from(["DELETE", "PATCH", "PUT", "GET", "POST", "OPTIONS", "TRACE"]),
    id_=IDS,
    query=QUERIES,
    body=BODIES,
    status=st.sampled_from(["idle", "running", "failed"]),
)
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_request_makes_it_fail(
    operation: str, method: str | None, id_: str, query: str, body: bytes, status: str
) -> None:
    """Every operation responds to any input with its envelope or a success.

    The input is any body, path, query and project.
    """

    async def ask() -> None:
        options = {"limits": Limits(requests_per_minute=None), "webhook_secret": "s"}
        async with calling(Emulator(revision="2026-05", **options)) as call:  # type: ignore[arg-type] - as given
            known, path = operation.split(" ")
            project_id = call.emulator.add_project(status=status, rendered=True).id
            target = path.replace(":id", project_id if id_ == "proj" else id_)
            answer = await send(call, method or known, f"/api/v1{target}{query}", body)
            assert answer["status"] < 500, answer

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(ask())


async def send(call: Calls, method: str, target: str, body: bytes, *headers: str) -> dict[str, Any]:
    """Send one handwritten request and parse the response."""
    lines = [
        f"{method} {target} HTTP/1.1",
        "Host: localhost",
        "Connection: close",
        f"Authorization: Bearer {API_KEY}",
        f"Content-Length: {len(body)}",
        *headers,
    ]
    return split(await call.raw("\r\n".join([*lines, "", ""]).encode() + body))


def split(answer: bytes) -> dict[str, Any]:
    """Return status, headers and JSON of a response.

    An error must have the envelope.
    """
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert all(name.lower() in {each.lower() for each in headers} for name in EVERYWHERE), answer
    status = int(first.split(" ")[1])
    parsed = json.loads(body)
    if status >= 400:
        assert {"error"} == parsed.keys()
        assert {"code", "message", "status"} == parsed["error"].keys()
        assert status == parsed["error"]["status"]
    return {"status": status, "headers": headers, "body": parsed}


@pytest.mark.parametrize(
    "body",
    [
        b"nonsense",
        b"[]",
        b'"x"',
        b"null",
        b'{"brief": NaN}',
        b'{"brief": Infinity}',
        b'{"brief": "\\ud800"}',
        b'{"brief": "\xff"}',
        b'\xef\xbb\xbf{"brief": "x"}',
        '{"brief": "x"}'.encode("utf-16"),
        b'{"brief": ' + b"[" * 200_000,
        b'{"a":' * 100_000,
        b'{"brief": ' + b"9" * 10_000 + b"}",
        b'{"brief": 1e999}',
        b'{"brief": "x"',
        b"brief=x",
    ],
)
async def test_a_body_that_is_no_json_object_is_400(call: Calls, body: bytes) -> None:
    reply = await call("POST", "/projects", data=body)

    assert (400, "validation_error") == reply.refusal


async def test_of_duplicate_keys_the_last_counts_and_the_content_type_does_not_matter(call: Calls) -> None:
    reply = await call(
        "POST", "/projects", data=b'{"brief": 1, "brief": "x"}', headers={"Content-Type": "text/x"}
    )

    assert 202 == reply.status


@pytest.mark.parametrize(
    ("target", "answer"),
    [
        ("/", 404),
        ("/api/v1", 404),
        ("/api/v1/", 404),
        ("/api/v1/nowhere", 404),
        ("/api/v1/projects/", 404),
        ("/api/v1//projects", 404),
        ("/api/v1/projects//timeline", 404),
        ("/api/v1/projects/%ff", 404),
        ("/api/v1/projects/%2e%2e/timeline", 404),
        ("/api/v1/projects/%", 404),
        ("/api/v2/projects", 404),
        ("//", 404),
        ("http://localhost/api/v1/projects", 200),
        ("/api/v1/projects?" + "x" * 5000, 200),
        ("/api/v1/projects?" + "&".join("abc"), 200),
        ("/share/none", 404),
        ("/media/x", 404),
        ("/storage/", 405),
    ],
)
async def test_odd_targets_are_answered(call: Calls, target: str, answer: int) -> None:
    assert answer == (await send(call, "GET", target, b""))["status"]


@pytest.mark.parametrize(
    "request_",
    [
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nBad Header: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
        b"GET /" + b"y" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
)
async def test_what_is_no_http_gets_the_envelope_too(call: Calls, request_: bytes) -> None:
    assert 400 <= split(await call.raw(request_))["status"] < 500


HEAD = (
    b"POST /api/v1/projects HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    b"Authorization: Bearer " + API_KEY.encode() + b"\r\n"
)


async def test_a_broken_transfer_encoding_is_400(call: Calls) -> None:
    chunks = split(await call.raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n"))
    gzip = split(await call.raw(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd"))

    assert (400, 400) == (chunks["status"], gzip["status"])


async def test_a_client_may_wait_for_100_continue(call: Calls) -> None:
    body = b'{"brief": "x"}'
    waiting = f"Expect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n".encode()

    first, _, rest = (await call.raw(HEAD + waiting, body)).partition(b"\r\n\r\n")

    assert b"HTTP/1.1 100 Continue" == first
    assert 202 == split(rest)["status"]


async def test_a_client_that_asks_first_is_refused_before_it_sends_too_much(call: Calls) -> None:
    waiting = f"Expect: 100-continue\r\nContent-Length: {2**21}\r\n\r\n".encode()

    assert 413 == split(await call.raw(HEAD + waiting))["status"]


async def test_another_method_is_405_with_the_allowed_ones(call: Calls) -> None:
    reply = await call("DELETE", "/projects")

    assert (405, "method_not_allowed") == reply.refusal
    assert "POST, GET" == reply.headers["Allow"]


async def test_every_answer_has_the_headers(call: Calls) -> None:
    answers = [
        await call("GET", "/account/credits"),
        await call("GET", "/account/credits", key=None),
        await call("GET", "/nowhere"),
        await call("DELETE", "/projects"),
        await call("POST", "/projects", json={}),
        await call("GET", call.emulator.places.api + "/elsewhere"),
    ]

    assert [200, 401, 404, 405, 400, 404] == [answer.status for answer in answers]
    assert all(name in answer.headers for name in EVERYWHERE for answer in answers)
    assert 6 == len({answer.headers["X-Request-Id"] for answer in answers})


async def test_a_mistake_of_its_own_is_a_500_and_in_the_log(
    call: Calls, caplog: pytest.LogCaptureFixture
) -> None:
    call.emulator.account.credits = "not a number"  # type: ignore[assignment] - the intended mistake

    with caplog.at_level(logging.ERROR, "eversince_async.emulator"):
        reply = await call("POST", "/projects", json={"brief": "x"})

    assert (500, "internal_error") == reply.refusal
    assert ["the emulator failed on POST /projects"] == [record.getMessage() for record in caplog.records]
