"""Tests of the values that reach the disk.

They hold all that is needed to send again, and no secret.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eversince_async.errors import JournalError
from eversince_async.journal.redaction import (
    canonical_json,
    claim_key,
    digest,
    is_unredacted,
    redact_for_resend,
    redact_observed,
)
from eversince_async.models.projects import Mode

PRESIGNED = [
    "https://b.r2.example/k.mp4?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=5ec1e7",
    "https://storage.example/k?GoogleAccessId=x@y&Expires=1&Signature=5ec1e7",
    "https://account.blob.example/k?sv=2024&sig=5ec1e7",
    "https://cdn.example/k?Policy=5ec1e7&Key-Pair-Id=K",
    "https://cdn.example/k?access_token=5ec1e7",
    "https://cdn.example/k?accessToken=5ec1e7",
    "https://cdn.example/k?h=5ec1e7TyuiopAsdfghjklZxcvbnm1234567890",
    "https://cdn.example/k#token=5ec1e7",
]
ADDRESSES = [
    "https://www.youtube.com/watch?v=dQw4w9WgXcQ&t=42s",
    "https://shop.example/search?q=mug&page=2",
    "https://shop.example/mug#colours",
    "https://shop.example/?keyword=mug&monkey=1&design=x",
    "see https://a.example/x?y=1, and why? because…",
]


@pytest.mark.parametrize("url", PRESIGNED)
def test_a_presigned_query_is_never_stored(url):
    kept = redact_for_resend({"references": [{"url": url, "type": "image"}]})

    assert "5ec1e7" not in canonical_json(kept)
    assert not is_unredacted(kept)
    assert "5ec1e7" not in canonical_json(redact_observed(url))


@pytest.mark.parametrize("text", ADDRESSES)
def test_a_query_that_is_part_of_the_address_is_kept_for_sending(text):
    assert text == redact_for_resend(text)
    assert is_unredacted(redact_for_resend({"brief": text}))


def test_a_fresh_signature_makes_no_other_spec():
    first, second = PRESIGNED[0], PRESIGNED[0].replace("5ec1e7", "0ther")

    assert digest(redact_for_resend(first)) == digest(redact_for_resend(second))


def test_uploads_are_kept_by_their_id():
    request = {"message": "Use this", "references": [{"upload_id": "upl_1"}]}

    assert request == redact_for_resend(request)
    assert is_unredacted(redact_for_resend(request))


def test_what_came_back_loses_every_query():
    assert {"assembled_url": "https://cdn.example/v.mp4", "n": [1, None, True]} == redact_observed(
        {"assembled_url": "https://cdn.example/v.mp4?v=1#t=2", "n": (1, None, True)}
    )


@pytest.mark.parametrize("rule", [redact_for_resend, redact_observed])
def test_the_address_of_a_public_page_is_kept_whole_but_never_a_credential(rule):
    page = "https://eversince.example/watch?v=0123456789abcdefghijklmnopqrstuv#t=2"

    assert {"share_url": page} == rule({"share_url": page})
    for joint in "?#&":
        signed = {"share_url": f"https://eversince.example/watch?v=1{joint}X-Amz-Signature=hunter2"}
        assert {"share_url": "https://eversince.example/watch"} == rule(signed)
    assert (
        "hunter2" not in rule({"share_url": "https://me:hunter2@a.example/s?v=es_live_hunter2"})["share_url"]
    )


@pytest.mark.parametrize("rule", [redact_for_resend, redact_observed])
def test_keys_credentials_and_fields_that_are_secrets_are_stored_by_nobody(rule):
    kept = canonical_json(
        rule(
            {
                "text": "es_live_hunter2",
                "url": "https://me:hunter2@a.example/x",
                "api_key": "hunter2",
                "Webhook_Secret": "hunter2",
            }
        )
    )

    assert "hunter2" not in kept


def test_claims_on_addresses_stay_apart_and_the_same():
    assert claim_key("https://e.example/s?v=1") == claim_key("https://e.example/s?v=1")
    assert claim_key("https://e.example/s?v=1") != claim_key("https://e.example/s?v=2")
    assert "msg_1" == claim_key("msg_1")


def test_enums_are_stored_as_their_values():
    assert '{"mode":"autonomous"}' == canonical_json(redact_for_resend({"mode": Mode.AUTONOMOUS}))


@pytest.mark.parametrize("value", [object(), {1: 2}, b"bytes", float("nan"), {"a": {1, 2}}])
def test_what_is_no_json_is_refused(value):
    with pytest.raises(JournalError, match="as JSON"):
        canonical_json(redact_for_resend(value))


def test_nesting_without_end_is_refused():
    loop = []
    loop.append(loop)

    with pytest.raises(JournalError, match="too deeply"):
        redact_for_resend(loop)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(JSON)
def test_storing_what_was_stored_changes_nothing(value):
    for rule in (redact_for_resend, redact_observed):
        once = rule(value)
        assert canonical_json(once) == canonical_json(rule(once))
