"""Responses: headers as facts, refusals as errors, bodies as results."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from eversince_async import (
    ApiError,
    Forbidden,
    InsufficientCredits,
    InternalError,
    InvalidResponse,
    NotFound,
    PayloadTooLarge,
    Project,
    ProjectLimitReached,
    RateLimit,
    RateLimited,
    ServerError,
    ServiceUnavailable,
    StatusConflict,
    TooManyRequests,
    Unauthorized,
    ValidationFailed,
    WrongStatus,
)
from eversince_async._wire.endpoints import (
    ADOPT_PROJECT,
    CANCEL_PROJECT,
    CREATE_PROJECT,
    GET_CREDITS,
    GET_PROJECT,
    GET_TIMELINE,
    LIST_VARIATIONS,
    Endpoint,
)
from eversince_async._wire.responses import (
    LONGEST_RESET,
    LONGEST_RETRY_AFTER,
    MAX_REQUESTS,
    WireResponse,
    parse_error,
    parse_result,
    rate_limit,
    retry_after,
)
from eversince_async.models import ItemList
from eversince_async.models.content import Timeline, Variation
from eversince_async.models.projects import AdoptedProject, CreatedProject

NOON = 1_773_576_000  # 15 March 2026, 12:00:00 UTC
DATE = "Sun, 15 Mar 2026 12:00:00 GMT"


def answer(status: int = 200, body: Any = None, headers: Mapping[str, str] | None = None) -> WireResponse:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return WireResponse.read(status, CIMultiDict(headers or {}), raw)


def envelope(status: int, code: str, message: str = "no") -> WireResponse:
    return answer(status, {"error": {"code": code, "message": message, "status": status}})


ABSURD_DATES = [
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "Mon, 01 Jan 0001 00:00:00 GMT",
    "Mon, 01 Jan 0001 00:00:00 +1400",
    "Fri, 31 Dec 9999 23:59:59 -1400",
    "Thu, 01 Jan 1970 00:00:00 GMT",
    "Sun, 15 Mar 2026 12:00:09 +9999999999",
    "Sun, 99 Mar 2026 99:99:99 GMT",
    "9" * 60_000,
]


def http(moment: datetime) -> str:
    return format_datetime(moment.replace(tzinfo=UTC), usegmt=True)


# -- Rate headers -----------------------------------------------------------------------------------------


def test_rate_headers_are_read_against_the_answers_date() -> None:
    headers = {
        "X-RateLimit-Limit": "30",
        "X-RateLimit-Remaining": "29",
        "X-RateLimit-Reset": str(NOON + 42),
        "Date": DATE,
    }

    assert (
        RateLimit(
            limit=30,
            remaining=29,
            resets_at=datetime(2026, 3, 15, 12, 0, 42, tzinfo=UTC),
            resets_in=42.0,
        )
        == answer(headers=headers).receipt.rate_limit
    )


def test_rate_headers_may_be_missing() -> None:
    assert RateLimit() == rate_limit({})


def test_header_names_have_no_case() -> None:
    assert 30 == answer(headers={"x-ratelimit-limit": "30"}).receipt.rate_limit.limit


@pytest.mark.parametrize(
    "reset", ["0", "-5", "60", "1e300", "nan", "inf", "soon", "", str((NOON + 42) * 1000), "9" * 400]
)
def test_absurd_resets_are_ignored(reset: str) -> None:
    """Relative seconds, milliseconds and non-numbers are dropped.

    No value is better than nonsense.
    """
    read = rate_limit({"X-RateLimit-Reset": reset, "X-RateLimit-Limit": "30", "Date": DATE})

    assert RateLimit(limit=30) == read


def test_reset_in_the_past_is_now() -> None:
    assert 0.0 == rate_limit({"X-RateLimit-Reset": str(NOON - 3), "Date": DATE}).resets_in


def test_reset_without_a_date_is_read_against_our_clock() -> None:
    resets_in = rate_limit({"X-RateLimit-Reset": str(datetime.now(UTC).timestamp() + 42)}).resets_in

    assert resets_in is not None
    assert 40 < resets_in <= 42


@pytest.mark.parametrize("count", ["-1", "many", "nan", "", "∞", "1e308", "1e7", "9" * 5000])
def test_absurd_counts_are_ignored(count: str) -> None:
    assert RateLimit() == rate_limit({"X-RateLimit-Limit": count, "X-RateLimit-Remaining": count})


def test_a_limit_of_nothing_is_absurd_and_nothing_left_is_not() -> None:
    assert RateLimit(remaining=0) == rate_limit({"X-RateLimit-Limit": "0", "X-RateLimit-Remaining": "0"})


@pytest.mark.parametrize("date", ABSURD_DATES)
def test_an_absurd_date_of_the_answer_is_ignored(date: str) -> None:
    """Relative times are then read against the local clock."""
    reset = str(datetime.now(UTC).timestamp() + 42)
    resets_in = rate_limit({"X-RateLimit-Reset": reset, "Date": date}).resets_in

    assert resets_in is not None
    assert 40 < resets_in <= 42


HEADERS = ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Date", "Retry-After"]


@given(st.dictionaries(st.sampled_from(HEADERS), st.text() | st.floats().map(str) | st.datetimes().map(http)))
def test_no_header_breaks_reading(headers: dict[str, str]) -> None:
    limit = answer(headers=headers).receipt.rate_limit
    wait = retry_after(headers)

    assert wait is None or 0 <= wait <= LONGEST_RETRY_AFTER
    assert limit.limit is None or 1 <= limit.limit <= MAX_REQUESTS
    assert limit.remaining is None or 0 <= limit.remaining <= MAX_REQUESTS
    assert limit.resets_in is None or 0 <= limit.resets_in <= LONGEST_RESET


@pytest.mark.parametrize("text", ["x" * 60_000, "req_\udcff\udc80", "a\u202eb"])
def test_a_request_id_can_be_shown(text: str) -> None:
    """The id stands in errors and logs: it is short and printable."""
    request_id = answer(headers={"X-Request-Id": text}).receipt.request_id

    assert request_id is not None
    assert len(request_id.encode()) <= 600


# -- Retry-After ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("-3", None),
        ("1e308", LONGEST_RETRY_AFTER),
        ("9" * 60, LONGEST_RETRY_AFTER),
        ("Fri, 31 Dec 2199 23:59:59 GMT", LONGEST_RETRY_AFTER),
        ("Fri, 31 Dec 9999 23:59:59 GMT", None),
        ("Mon, 01 Jan 0001 00:00:00 GMT", None),
        ("Sun, 15 Mar 2026 12:00:09 GMT", 9.0),
        ("Sunday, 15-Mar-26 12:00:09 GMT", 9.0),
        ("Sun Mar 15 12:00:09 2026", 9.0),
        ("Sun, 15 Mar 2026 11:59:00 GMT", 0.0),
        ("soon", None),
        ("", None),
        ("nan", None),
        ("inf", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, seconds: float | None) -> None:
    assert seconds == retry_after({"Retry-After": text, "Date": DATE})


def test_retry_after_may_be_missing() -> None:
    assert retry_after({}) is None


def test_retry_after_as_a_date_without_a_date_is_read_against_our_clock() -> None:
    assert 0.0 == retry_after({"Retry-After": "Thu, 01 Jan 2026 00:00:09 GMT"})


# -- Errors -----------------------------------------------------------------------------------------------

DOCUMENTED: list[tuple[int, str, type[ApiError]]] = [
    (400, "validation_error", ValidationFailed),
    (401, "unauthorized", Unauthorized),
    (402, "insufficient_credits", InsufficientCredits),
    (403, "forbidden", Forbidden),
    (404, "not_found", NotFound),
    (409, "conflict", StatusConflict),
    (413, "payload_too_large", PayloadTooLarge),
    (429, "rate_limited", RateLimited),
    (429, "project_limit", ProjectLimitReached),
    (500, "internal_error", InternalError),
    (503, "service_unavailable", ServiceUnavailable),
    (503, "rate_limited", ServiceUnavailable),
]


@pytest.mark.parametrize(("status", "code", "error"), DOCUMENTED)
def test_documented_errors(status: int, code: str, error: type[ApiError]) -> None:
    found = parse_error(envelope(status, code), GET_CREDITS)

    assert error is type(found)
    assert found is not None
    assert (status, code, "no") == (found.status, found.code, found.message)


@pytest.mark.parametrize(("status", "_", "error"), {row[0]: row for row in DOCUMENTED[::-1]}.values())
def test_unknown_code_falls_to_its_status(status: int, _: str, error: type[ApiError]) -> None:
    expected = RateLimited if status == 429 else error

    assert expected is type(parse_error(envelope(status, "brand_new"), GET_CREDITS))


@pytest.mark.parametrize(("status", "_", "error"), {row[0]: row for row in DOCUMENTED[::-1]}.values())
def test_without_an_envelope_the_status_decides(status: int, _: str, error: type[ApiError]) -> None:
    found = parse_error(answer(status, b"<html>\n  <h1>Gateway</h1></html>"), GET_CREDITS)

    assert found is not None
    assert (RateLimited if status == 429 else error) is type(found)
    assert found.code is None
    assert "not the documented error envelope: <html> <h1>Gateway</h1></html>" == found.message


@pytest.mark.parametrize(
    ("status", "error"),
    [(405, ApiError), (415, ApiError), (418, ApiError), (302, ApiError), (502, ServerError)],
)
def test_other_statuses_are_the_general_error(status: int, error: type[ApiError]) -> None:
    assert error is type(parse_error(envelope(status, "whatever"), GET_CREDITS))


def test_code_of_another_family_does_not_change_the_class() -> None:
    assert NotFound is type(parse_error(envelope(404, "rate_limited"), GET_CREDITS))
    assert RateLimited is type(parse_error(envelope(429, "not_found"), GET_CREDITS))


def test_429_of_either_code_is_too_many_requests() -> None:
    assert isinstance(parse_error(envelope(429, "project_limit"), GET_CREDITS), TooManyRequests)
    assert isinstance(parse_error(envelope(429, "rate_limited"), GET_CREDITS), TooManyRequests)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'"error"',
        b"{}",
        b'{"error": null}',
        b'{"error": "no"}',
        b'{"error": {}}',
        b'{"error": {"code": 7, "message": "no"}}',
        b'{"error": {"code": "not_found"}}',
        b'{"error": ["code", "message"]}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
    ids=lambda body: repr(body[:30]),
)
def test_odd_bodies_are_no_envelope(body: bytes) -> None:
    found = parse_error(answer(404, body), GET_CREDITS)

    assert NotFound is type(found)
    assert found is not None
    assert found.code is None
    assert len(found.message) < 300


def test_other_success_than_documented_is_judged_by_its_body() -> None:
    """A 201 with a project is one; an empty 204 is none."""
    assert parse_error(answer(201, PROJECT), GET_PROJECT) is None
    assert parse_error(answer(204, b""), GET_PROJECT) is None

    assert "proj_1" == parse_result(answer(203, PROJECT), GET_PROJECT, Project).id
    with pytest.raises(InvalidResponse) as caught:
        parse_result(answer(204, b""), GET_PROJECT, Project)
    assert "$" == caught.value.path


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 408, 409, 413, 421, 425, 429, 451, 500, 503])
def test_only_the_envelope_is_the_api_s_own_answer(status: int) -> None:
    page = parse_error(answer(status, b"<html>gateway</html>"), GET_CREDITS)
    own = parse_error(envelope(status, "some_code"), GET_CREDITS)

    assert page is not None
    assert own is not None
    assert (False, True) == (page.is_documented, own.is_documented)


def test_an_envelope_of_another_status_is_not_the_api_s_own_answer() -> None:
    """A gateway has changed the status or the body."""
    body = b'{"error": {"code": "not_found", "message": "no", "status": 404}}'
    found = parse_error(answer(502, body), GET_CREDITS)

    assert found is not None
    assert not found.is_documented


def test_an_envelope_need_not_repeat_its_status() -> None:
    found = parse_error(answer(404, b'{"error": {"code": "not_found", "message": "no"}}'), GET_CREDITS)

    assert found is not None
    assert found.is_documented


@pytest.mark.parametrize("status", [b"null", b'"404"', b"true", b"[404]", b"{}", b"404.5"])
def test_an_envelope_like_those_of_gateways_is_not_the_api_s_own_answer(status: bytes) -> None:
    """Web hosts send such envelopes.

    They have no status, and codes of their own.
    """
    body = b'{"error": {"code": "EDGE_TIMEOUT", "message": "no", "status": ' + status + b"}}"
    for each in (body, b'{"error": {"code": "404", "message": "The page could not be found"}}'):
        found = parse_error(answer(404, each), GET_CREDITS)

        assert found is not None
        assert not found.is_documented


def test_fields_of_a_validation_error() -> None:
    message = "brief: brief is required; mode: mode must be one of: autonomous, collaborative; also odd"
    found = parse_error(envelope(400, "validation_error", message), CREATE_PROJECT)

    assert isinstance(found, ValidationFailed)
    assert {
        "brief": "brief is required",
        "mode": "mode must be one of: autonomous, collaborative",
    } == found.fields


def test_400_about_a_field_is_no_wrong_status() -> None:
    found = parse_error(envelope(400, "validation_error", "message: message is required"), CANCEL_PROJECT)

    assert ValidationFailed is type(found)


def test_400_about_no_field_is_a_wrong_status_where_the_status_counts() -> None:
    found = parse_error(envelope(400, "validation_error", "Project cannot be cancelled now"), CANCEL_PROJECT)

    assert WrongStatus is type(found)


def test_400_about_no_field_is_no_wrong_status_elsewhere() -> None:
    found = parse_error(envelope(400, "validation_error", "Request body must be valid JSON"), CREATE_PROJECT)

    assert ValidationFailed is type(found)


# -- Results ----------------------------------------------------------------------------------------------

PROJECT = {"id": "proj_1", "status": "idle", "brand_new": [1]}


def test_result_carries_its_receipt() -> None:
    project = parse_result(answer(200, PROJECT, {"X-Request-Id": "req_1"}), GET_PROJECT, Project)

    assert project.receipt is not None
    assert ("req_1", 200) == (project.receipt.request_id, project.receipt.status)


def test_unknown_fields_are_kept() -> None:
    assert {"brand_new": [1]} == parse_result(answer(200, PROJECT), GET_PROJECT, Project).extra


@pytest.mark.parametrize(("status", "existed"), [(202, False), (200, True)])
def test_create_says_whether_the_project_existed(status: int, existed: bool) -> None:  # noqa: FBT001 - a parameter
    created = parse_result(answer(status, {"id": "p", "status": "queued"}), CREATE_PROJECT, CreatedProject)

    assert existed is created.existed


@pytest.mark.parametrize(("status", "existed"), [(201, False), (200, True)])
def test_adopt_says_whether_it_was_adopted(status: int, existed: bool) -> None:  # noqa: FBT001 - a parameter
    adopted = parse_result(answer(status, {"id": "p", "status": "idle"}), ADOPT_PROJECT, AdoptedProject)

    assert existed is adopted.existed


def test_existed_never_comes_from_the_body() -> None:
    body = {"id": "p", "status": "queued", "existed": True, "receipt": "mine"}

    assert parse_result(answer(202, body), CREATE_PROJECT, CreatedProject).existed is False


def test_unwrapped_list() -> None:
    body = {"variations": [{"id": "var_1", "title": "Main", "aspect_ratio": "16:9", "is_active": True}]}

    variations = parse_result(answer(200, body), LIST_VARIATIONS, ItemList[Variation])
    assert ["var_1"] == [each.id for each in variations]


def test_what_stands_beside_an_unwrapped_list_is_kept() -> None:
    body = {"variations": [{"id": "var_1"}, 7], "active": "var_1"}
    variations = parse_result(
        answer(200, body, {"X-Request-Id": "req_1"}), LIST_VARIATIONS, ItemList[Variation]
    )

    assert {"active": "var_1"} == variations.extra
    assert variations.receipt is not None
    assert "req_1" == variations.receipt.request_id
    assert ["$.variations[1]"] == [each.path for each in variations.unreadable]


def test_what_stands_beside_an_unwrapped_object_is_kept() -> None:
    """It is kept apart from the object's own unknown fields."""
    body = {"timeline": {"scenes": [7], "mood": "calm"}, "version": 3}
    timeline = parse_result(answer(200, body, {"X-Request-Id": "req_1"}), GET_TIMELINE, Timeline)

    assert ({"version": 3}, {"mood": "calm"}) == (timeline.envelope, timeline.extra)
    assert timeline.receipt is not None
    assert "req_1" == timeline.receipt.request_id
    assert ["$.timeline.scenes[0]"] == [each.path for each in timeline.unreadable]


@pytest.mark.parametrize(
    ("endpoint", "returns", "body", "path"),
    [
        (GET_PROJECT, Project, b"<html>", "$"),
        (GET_PROJECT, Project, b"", "$"),
        (GET_PROJECT, Project, b"[]", "$"),
        (GET_PROJECT, Project, b"null", "$"),
        (GET_PROJECT, Project, b'{"id": "p"}', "$.status"),
        (GET_PROJECT, Project, b'{"id": 7, "status": "idle"}', "$.id"),
        (GET_TIMELINE, Timeline, b"{}", "$.timeline"),
        (GET_TIMELINE, Timeline, b"[]", "$"),
        (GET_TIMELINE, Timeline, b'{"timeline": []}', "$.timeline"),
        (LIST_VARIATIONS, ItemList[Variation], b'{"variations": {}}', "$.variations"),
        (LIST_VARIATIONS, ItemList[Variation], b"{}", "$.variations"),
        (GET_PROJECT, Project, b'{"id": "p", "status": NaN}', "$"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_unreadable_answers_say_where(endpoint: Endpoint, returns: Any, body: bytes, path: str) -> None:
    with pytest.raises(InvalidResponse) as raised:
        parse_result(answer(200, body, {"X-Request-Id": "req_1"}), endpoint, returns)

    assert (path, endpoint.name, "req_1") == (
        raised.value.path,
        raised.value.endpoint,
        raised.value.request_id,
    )


def test_object_takes_any_json() -> None:
    assert PROJECT == parse_result(answer(200, PROJECT), GET_PROJECT, object)


def test_object_takes_an_empty_body_as_none() -> None:
    assert parse_result(answer(204, b""), GET_PROJECT, object) is None


# -- Foreign responses ------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [{}, {"message": "maintenance"}, {"error": "busy", "data": None}])
def test_an_object_without_a_field_of_what_was_asked_for_is_none_of_it(body: object) -> None:
    with pytest.raises(InvalidResponse) as raised:
        parse_result(answer(200, body), GET_PROJECT, Project)

    assert "$" == raised.value.path


def test_an_object_with_one_of_them_says_what_it_lacks() -> None:
    with pytest.raises(InvalidResponse) as raised:
        parse_result(answer(200, {"status": "idle"}), GET_PROJECT, Project)

    assert "$.id" == raised.value.path
