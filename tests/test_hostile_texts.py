"""The time that a text of the server's may take is linear in its length, wherever such a text is looked at.

One that repeats the right words for a tenth of a megabyte must take milliseconds; a quadratic search takes
minutes, during which the event loop stands still.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from eversince_async import ValidationFailed, WebhookError
from eversince_async._redaction import excerpt, redact, shorten, without_query
from eversince_async._wire import addresses, documents
from eversince_async._wire.converter import structure
from eversince_async._wire.json_codec import dumps, loads, read_with_json
from eversince_async._wire.responses import WireResponse, retry_after
from eversince_async.journal import redaction
from eversince_async.models import Asset, ProjectPage
from eversince_async.models._repr import format_value
from eversince_async.polling import observation
from eversince_async.report import formatting
from eversince_async.webhooks.signature import verify_signature

if TYPE_CHECKING:
    from collections.abc import Callable

LENGTH = 100_000
SECONDS = 2.0
"""Of CPU time: some hundred times what the slowest takes, and a tenth of what a quadratic search would."""

PARTS = [
    "a",
    "A",
    "aA",
    "a://",
    "x://" + "a" * 1000,
    "x://a:b@",
    "http://a/",
    "http://a?b=",
    "?a=b&",
    "#;",
    "a=",
    "a; b: ",
    "bearer ",
    "bearer" + " " * 1000,
    "es_live_",
    "es_live_a ",
    "<!doctype ",
    "<Error><Code> ",
    " ",
    "\n",
    "\r",
    "'\"<>",
    "a.",
    "-",
    "1",
    "1e",
    ", ",
    "[request ",
    "é",
    "\ud800",
]
"""What is repeated."""

ENDS = [("", ""), ("x://", "?"), ("http://a/", "\n"), ("a", "!")]
"""What stands before and behind."""


def _verify(text: str) -> None:
    for timestamp, signature in ((text, "sha256=" + "0" * 64), ("1700000000", text)):
        with suppress(WebhookError):
            verify_signature("secret", timestamp, b"{}", signature)


def _parse(text: str) -> None:
    with suppress(addresses.AddressRefused):
        addresses.parse(text)


def _heed(text: str) -> None:
    names = ("Date", "Retry-After", "X-Request-Id", "X-RateLimit-Limit", "X-RateLimit-Reset")
    headers = dict.fromkeys(names, text)
    WireResponse.read(200, headers, b"")
    retry_after(headers)


def _load(text: str) -> None:
    for load in (loads, read_with_json):
        with suppress(ValueError):
            load(text.encode("utf-8", "replace"))


def _read(text: str) -> None:
    odd = {"id": text, "status": text, "created_at": text, text: text}
    structure({"projects": [odd, text, {"id": "p", "status": "idle", "created_at": text}]}, ProjectPage)


def _kind(text: str) -> None:
    body = text.encode("utf-8", "replace")
    documents.is_decided(body)
    documents.kind_of_document(body)
    documents.error_code(body)


READERS: dict[str, Callable[[str], Any]] = {
    "redact": redact,
    "shorten": shorten,
    "excerpt": excerpt,
    "without_query": without_query,
    "shown in a repr": format_value,
    "shown in a report": formatting.printable,
    "shown as a link": formatting.link_url,
    "stored as observed": redaction.redact_observed,
    "stored to be sent again": redaction.redact_for_resend,
    "stored as public": lambda text: redaction.redact_observed({"share_url": text}),
    "stored as claimed": redaction.claim_key,
    "place of a video": observation.url_without_query,
    "kind of an asset": lambda text: Asset(url=text, type=text).kind,
    "fields of a refusal": lambda text: ValidationFailed(text, status=400).fields,
    "headers": _heed,
    "address": _parse,
    "redirect": lambda text: addresses.describe_redirect("https://api.example/v1", "/projects", text),
    "kind of a body": _kind,
    "JSON": _load,
    "JSON text": lambda text: _load(dumps(text.encode("utf-8", "replace").decode()).decode()),
    "model": _read,
    "webhook": _verify,
}
"""Whatever looks at a text from outside."""


@pytest.mark.parametrize("reader", READERS)
def test_time_is_linear(reader: str) -> None:
    read = READERS[reader]
    for part in PARTS:
        for before, behind in ENDS:
            text = before + part * (LENGTH // len(part)) + behind
            begin = time.process_time()
            with suppress(UnicodeEncodeError):
                read(text)
            assert time.process_time() - begin < SECONDS, (part, before, behind)
