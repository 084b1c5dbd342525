"""Only recent deliveries signed with the secret count as genuine."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eversince_async import (
    ConfigurationError,
    SignatureMismatch,
    TimestampOutsideTolerance,
    verify_signature,
)
from eversince_async.testing import sign_webhook
from helpers.webhook_deliveries import OTHER_SECRET, SECRET, payload, signature

NOW = datetime(2026, 5, 18, 10, 30, tzinfo=UTC)
SECONDS = str(int(NOW.timestamp()))
BODY = payload()


def verify(timestamp: str | None = SECONDS, body: bytes = BODY, **changes: object) -> None:
    arguments: dict[str, Any] = {"secret": SECRET, "now": NOW, **changes}
    if "signature" not in arguments:
        arguments["signature"] = signature(timestamp or "", body)
    verify_signature(timestamp=timestamp, body=body, **arguments)


def test_the_documented_scheme_is_taken():
    """The signature is HMAC-SHA256 over timestamp, dot and raw body.

    The expected value was computed by other means.
    """
    verify_signature(
        "secret",
        "1715900000",
        b'{"event":"idle"}',
        "sha256=bd527c0e2efb331e684f7386239ba1eecf5f5d9f00abdba475868cc99f33e85f",
        tolerance=None,
    )


@pytest.mark.parametrize("body", [bytes, bytearray, memoryview])
def test_a_body_is_any_kind_of_bytes(body):
    verify(body=body(BODY), signature=signature(SECONDS, BODY))


def test_a_parsed_body_is_refused_as_a_mistake_of_the_caller():
    """A decoded or parsed body is not what was signed."""
    with pytest.raises(TypeError, match="raw bytes as they were received, not str"):
        verify(body=BODY.decode(), signature="sha256=")


@pytest.mark.parametrize("signed_with", [SECRET, OTHER_SECRET])
def test_one_of_several_secrets_will_do(signed_with):
    """While one secret replaces another, both are right."""
    verify(secret=[SECRET, OTHER_SECRET], signature=signature(SECONDS, BODY, signed_with))


def test_a_secret_may_be_bytes():
    verify(secret=SECRET.encode())


@pytest.mark.parametrize("secret", ["", b"", [], ["good", ""]])
def test_no_secret_is_no_verification(secret):
    """Anyone can sign with an empty secret."""
    with pytest.raises(ConfigurationError, match="secret"):
        verify(secret=secret)


def test_hex_digits_and_scheme_may_be_of_any_case():
    verify(signature=signature(SECONDS, BODY).upper())


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (None, "X-Eversince-Signature header is missing"),
        ("", "does not begin with sha256="),
        (signature(SECONDS, BODY).removeprefix("sha256="), "does not begin with sha256="),
        (signature(SECONDS, BODY).replace("sha256", "sha512"), "does not begin with sha256="),
        ("sha256=", "64 hex digits"),
        (signature(SECONDS, BODY)[:-2], "64 hex digits"),
        (signature(SECONDS, BODY) + "00", "64 hex digits"),
        (signature(SECONDS, BODY)[:-1] + " ", "64 hex digits"),
        ("sha256=" + "zz" * 32, "64 hex digits"),
        ("sha256=" + "٣" * 64, "64 hex digits"),
        ("sha256=" + "\udcff" * 64, "64 hex digits"),
        ("sha256=" + "00" * 32, "not the one the secret gives"),
        (signature(SECONDS, BODY, OTHER_SECRET), "not the one the secret gives"),
        (signature(SECONDS, BODY + b" "), "not the one the secret gives"),
        (signature(str(int(SECONDS) + 1), BODY), "not the one the secret gives"),
    ],
)
def test_any_other_signature_is_a_mismatch_that_says_why(given, problem):
    with pytest.raises(SignatureMismatch, match=problem):
        verify(signature=given)


def test_a_missing_timestamp_is_a_mismatch():
    with pytest.raises(SignatureMismatch, match="X-Eversince-Timestamp header is missing"):
        verify(timestamp=None)


@pytest.mark.parametrize("signature", [None, "sha256=" + "00" * 32, "sha256=x"])
def test_no_message_tells_a_secret(signature):
    with pytest.raises(SignatureMismatch) as refusal:
        verify(signature=signature)

    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize(
    "timestamp",
    [
        SECONDS,
        SECONDS + ".25",
        SECONDS + "000",
        "2026-05-18T10:30:00Z",
        "2026-05-18T10:30:00.123456+00:00",
        "2026-05-18T12:30:00+02:00",
        "2026-05-18T10:30:00",
        "20260518T103000Z",
    ],
)
def test_timestamps_are_seconds_milliseconds_or_iso_8601(timestamp):
    """The documentation names no unit.

    A time without an offset is in UTC.
    """
    verify(timestamp=timestamp, tolerance=1)


@pytest.mark.parametrize("skew", [-300, -299, 0, 299, 300])
def test_clocks_may_differ_by_the_tolerance_in_both_directions(skew):
    verify(timestamp=str(int(SECONDS) + skew))


@pytest.mark.parametrize(
    ("skew", "problem"), [(-301, "signed 301 s ago; 300 s are"), (+301, "signed 301 s in the future")]
)
def test_what_is_older_or_newer_is_outside_tolerance(skew, problem):
    with pytest.raises(TimestampOutsideTolerance, match=problem):
        verify(timestamp=str(int(SECONDS) + skew))


@pytest.mark.parametrize(
    "timestamp",
    [
        "",
        "yesterday",
        "-5",
        "1e9",
        "NaN",
        "9" * 17,
        "9" * 16,
        "0x10",
        "٣" * 10,
        "\ud800",
        "2026-13-01T00:00:00Z",
    ],
)
def test_a_signed_timestamp_that_cannot_be_read_is_outside_tolerance(timestamp):
    """Its signer knows the secret, so it is no mismatch."""
    right = sign_webhook(SECRET, BODY, timestamp)["X-Eversince-Signature"]
    with pytest.raises(TimestampOutsideTolerance, match="neither seconds nor milliseconds nor ISO 8601"):
        verify(timestamp=timestamp, signature=right)


@pytest.mark.parametrize("timestamp", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0"])
def test_times_at_the_ends_of_the_calendar_are_outside_tolerance(timestamp):
    with pytest.raises(TimestampOutsideTolerance, match="the delivery was signed"):
        verify(timestamp=timestamp)


@pytest.mark.parametrize("timestamp", ["0", "soon"])
def test_without_a_tolerance_any_age_will_do(timestamp):
    verify(timestamp=timestamp, tolerance=None)


@pytest.mark.parametrize("tolerance", [-1, float("nan")])
def test_a_tolerance_that_is_none_is_a_mistake(tolerance):
    with pytest.raises(ConfigurationError, match="tolerance is seconds"):
        verify(tolerance=tolerance)


def test_a_mismatch_is_told_before_a_wrong_age():
    """The age of a forged delivery means nothing."""
    with pytest.raises(SignatureMismatch):
        verify(timestamp="0", signature=signature("1", BODY))


async def test_by_default_the_loops_wall_clock_says_what_time_it_is():
    headers = sign_webhook(SECRET, BODY)
    verify_signature(SECRET, headers["X-Eversince-Timestamp"], BODY, headers["X-Eversince-Signature"])


@given(
    timestamp=st.text(max_size=30) | st.none(),
    given=st.text(max_size=80)
    | st.text("0123456789abcdefABCDEF", min_size=64, max_size=64).map("sha256={}".format),
    body=st.binary(max_size=50),
)
def test_whatever_is_made_up_is_a_mismatch(timestamp, given, body):
    with pytest.raises(SignatureMismatch):
        verify_signature([SECRET, OTHER_SECRET], timestamp, body, given)


@given(timestamp=st.text(max_size=30), body=st.binary(max_size=50), tolerance=st.floats(0, 1e12))
def test_whatever_is_signed_is_taken_or_of_a_wrong_age(timestamp, body, tolerance):
    """No text of a timestamp breaks the verification."""
    headers = sign_webhook(SECRET, body, timestamp)
    verify_signature(SECRET, timestamp, body, headers["X-Eversince-Signature"], tolerance=None)
    with suppress(TimestampOutsideTolerance):
        verify_signature(SECRET, timestamp, body, headers["X-Eversince-Signature"], tolerance)


# -- For users' tests -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("as it is", "as it is"),
        (1715900000, "1715900000"),
        (1715900000.25, "1715900000.25"),
        (NOW + timedelta(seconds=5), "2026-05-18T10:30:05+00:00"),
    ],
)
def test_sign_webhook_writes_timestamps_as_they_are_given(given, written):
    assert written == sign_webhook(SECRET, BODY, given)["X-Eversince-Timestamp"]


@pytest.mark.parametrize("body", [BODY, BODY.decode()])
def test_sign_webhook_signs_as_the_server_does(body):
    assert {
        "Content-Type": "application/json",
        "X-Eversince-Timestamp": SECONDS,
        "X-Eversince-Signature": signature(SECONDS, BODY),
    } == sign_webhook(SECRET, body, NOW.timestamp())
