"""Whatever an answer of the API's is, a caller gets a result or an error of ours."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from multidict import CIMultiDict

from eversince_async import ApiError, EversinceError, InvalidResponse, models, pace
from eversince_async._wire import addresses, endpoints
from eversince_async._wire.json_codec import loads, read_with_json
from eversince_async._wire.responses import WireResponse, parse_error, parse_result, retry_after
from eversince_async.models import Model, Request, Response
from eversince_async.models._base import ItemList
from helpers.fuzz_data import ODD_TEXTS, any_text, bounded, damaged, documents, fuzzed, odd_text

pytestmark = pytest.mark.slow

ENDPOINTS = [each for each in vars(endpoints).values() if isinstance(each, endpoints.Endpoint)]
ENDPOINTS_OF_ONE_SUCCESS = [each for each in ENDPOINTS if each.success[1:] != (200,)]
MODELS = [
    model
    for name in models.__all__
    if isinstance(model := getattr(models, name), type) and issubclass(model, Model)
]
ANSWERS: list[Any] = [
    model for model in MODELS if not issubclass(model, Request) and model not in {Model, Response}
]
RETURNS: list[Any] = [object, *ANSWERS, *(ItemList[model] for model in ANSWERS)]
NAMES = sorted(
    {field.name for model in MODELS for field in attrs.fields(model)} | {"error", "code", "message"}
)

names = st.sampled_from(NAMES)


def as_json(value: Any) -> bytes:
    return json.dumps(value, allow_nan=False).encode()


@st.composite
def bodies(draw: st.DrawFn, returns: Any) -> bytes:
    """A body: rubbish, any JSON, or an answer of about the right shape, whole or damaged."""
    own = [field.name for field in attrs.fields(returns)] if attrs.has(returns) else NAMES
    value = documents(names, 6)
    shaped = st.fixed_dictionaries({}, optional=dict.fromkeys(own, value)).map(as_json)
    body = draw(
        st.binary(max_size=60) | documents(names).map(as_json) | shaped | st.lists(value).map(as_json)
    )
    return draw(damaged(body)) if draw(st.integers(0, 3)) == 0 else body


HEADERS = [
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "Retry-After",
    "Date",
    "Location",
]
headers = st.dictionaries(
    st.sampled_from([*HEADERS, "X-Request-Id", "Content-Type", "Content-Length", "Content-Encoding"]),
    odd_text | st.integers().map(str) | st.floats().map(str) | st.datetimes().map(str),
)


@fuzzed(50)
@given(data=st.data())
def test_any_answer_is_a_result_or_an_error_of_ours(data: st.DataObject) -> None:
    returns = data.draw(st.sampled_from(RETURNS))
    endpoint = data.draw(
        st.sampled_from(ENDPOINTS if hasattr(returns, "existed") else ENDPOINTS_OF_ONE_SUCCESS)
    )
    body, head = data.draw(bodies(returns)), CIMultiDict(data.draw(headers))
    status = data.draw(st.sampled_from([200, 201, 202, 204, 206]))

    with bounded(len(body)):
        try:
            result = parse_result(WireResponse.read(status, head, body), endpoint, returns)
        except InvalidResponse as error:
            told = str(error)
        else:
            told = repr(result)
    assert len(told) < 100_000


@fuzzed(30)
@given(data=st.data())
def test_any_refusal_is_an_error_of_ours(data: st.DataObject) -> None:
    endpoint = data.draw(st.sampled_from(ENDPOINTS))
    envelope = st.fixed_dictionaries({"error": documents(names)}).map(as_json)
    body = data.draw(st.binary(max_size=200) | envelope | bodies(object))
    status = data.draw(st.integers(100, 599) | st.sampled_from([400, 401, 402, 403, 404, 409, 413, 429, 500]))

    with bounded(len(body)):
        error = parse_error(WireResponse.read(status, CIMultiDict(data.draw(headers)), body), endpoint)

    if not 200 <= status < 300:
        assert isinstance(error, ApiError)
        told = f"{error}{error!r}{error.args}"
        assert "es_live_hostile" not in told
        assert "X-Amz-Signature=abc" not in told


@fuzzed(60)
@given(headers)
def test_any_headers_are_read(given_: dict[str, str]) -> None:
    head = CIMultiDict(given_)

    with bounded(10_000):
        receipt = WireResponse.read(200, head, b"").receipt
        wait = retry_after(head)

    assert wait is None or 0 <= wait < 1e9
    limit = receipt.rate_limit
    assert limit.limit is None or 1 <= limit.limit
    assert limit.remaining is None or 0 <= limit.remaining
    assert limit.resets_in is None or 0 <= limit.resets_in < 1e6
    assert receipt.request_id is None or len(receipt.request_id) <= 200


@fuzzed(60)
@given(odd_text | st.floats().map(str), odd_text | st.tuples(st.floats().map(str), odd_text).map(" ".join))
def test_any_pace_is_followed_or_not(speed: str, epoch: str) -> None:
    """Any server may say that it is an emulator in compressed time."""
    with bounded(10_000):
        heard = pace.Pace.from_headers(CIMultiDict({pace.SPEED: speed, pace.EPOCH: epoch}), 1_800_000_000.0)

    assert heard is None or 0 < heard.speed <= pace.FASTEST


@fuzzed(60)
@given(st.binary(max_size=300) | documents(names).map(as_json).flatmap(damaged))
def test_both_readers_of_json_agree(body: bytes) -> None:
    results: list[Any] = []
    assume(b"\\u" not in body)  # they differ in what they do with halves of surrogate pairs
    for load in (loads, read_with_json):
        with bounded(len(body)):
            try:
                results.append(load(body))
            except ValueError:
                results.append(ValueError)

    assert (results[0] is ValueError) == (results[1] is ValueError)


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":['], ids=["lists", "objects", "both"])
def test_no_depth_is_too_deep(opening: bytes) -> None:
    body = opening * (200_000 // len(opening))
    for load in (loads, read_with_json):
        with bounded(len(body)), pytest.raises(ValueError):
            load(body)


# -- Addresses --------------------------------------------------------------------------------------------

PIECES = [
    *(
        "http://",
        "https://",
        "HTTPS://",
        "ftp://",
        "//",
        "/",
        "\\",
        "@",
        ":",
        "?",
        "#",
        ".",
        "..",
        "%2e",
        "%00",
    ),
    *("[::1]", "[::ffff:127.0.0.1]", "[", "]", "127.1", "0x7f.1", "017700000001", "2130706433", "localhost"),
    *("a.example", "ä.example", "xn--a", "1.2.3.4.5", "256.1", "999999999999999999", ":0", ":65536", ":443"),
    *("user:pw", "\t", "\n", " ", "\0", "\ud800", "\u202e", "a" * 300, "0" * 300, "." * 300),
]
policies = st.builds(addresses.AddressPolicy, https_only=st.booleans(), allows_private=st.booleans())
spelt = st.lists(st.sampled_from(PIECES) | any_text, max_size=7).map("".join)


@fuzzed(100)
@given(spelt, spelt, policies)
def test_any_address_is_taken_apart_or_refused(
    text: str, location: str, policy: addresses.AddressPolicy
) -> None:
    with bounded(len(text)), suppress(addresses.AddressRefused):
        address = policy.check(text)
        assert address.text == text
        assert policy.allows_private or not address.is_private
        assert repr(address)
        policy.check(address.target(location), linked_from=address)


@fuzzed(60)
@given(spelt | st.sampled_from(ODD_TEXTS))
def test_any_redirect_of_the_api_is_described(location: str) -> None:
    with bounded(len(location)):
        told = addresses.describe_redirect("https://api.example/api/v1", "/projects?limit=1", location)

    assert "redirects" in told


@fuzzed(25)
@given(spelt | odd_text)
def test_any_base_url_is_taken_or_refused(text: str) -> None:
    from eversince_async import Eversince

    with bounded(len(text)), suppress(EversinceError):
        Eversince("es_live_x", base_url=text)
