"""The checks of requests before they are sent.

They refuse only what every revision refuses, and report all problems at once.
"""

from typing import Any

import pytest

from eversince_async._wire.converter import check, unstructure
from eversince_async.errors import InvalidRequest
from eversince_async.models import (
    UNSET,
    Adoption,
    Brief,
    EstimateRequest,
    Feedback,
    KeyDraft,
    MemoryChange,
    MemoryDraft,
    MessageDraft,
    Operation,
    RenderRequest,
    SettingsChange,
    ShareRequest,
    SkillChange,
    SkillDraft,
    UploadReference,
    UploadRequest,
    UrlReference,
)

UPLOAD = UploadReference(upload_id="upl_1")
PAGE = UrlReference(url="https://example.com", type="url")
IMAGE = UrlReference(url="https://example.com/a.png", type="image")

FINE: list[Any] = [
    Brief(brief="x" * 10_000),  # 8,000 in some documents, so the server judges
    Brief(brief="x", title="x" * 30, idempotency_key="x" * 256),
    Brief(brief="x", craft="humor", mode="some day", aspect_ratio="4:3", webhook_url="http://localhost/"),
    Brief(brief="x", references=[PAGE] * 3 + [IMAGE] * 7),
    Brief(brief="x", references=(UPLOAD,) * 10),
    Brief(brief="x", skills=[]),
    Brief(brief="🎬" * 10_000),
    MessageDraft(message="x" * 10_000),
    SettingsChange(title=None),
    SettingsChange(extra={"new": 1}),
    SkillDraft(name="x" * 100, instructions="x" * 100_000),
    SkillChange(),
    MemoryDraft(title="x" * 100, body="x" * 10_000),
    MemoryChange(is_active=False),
    EstimateRequest(operations=[Operation(tool="generate_image", count=100)] * 50),
    Operation(tool="generate_video", duration=4),
    KeyDraft(name="x" * 100),
    Feedback(type="praise", message="x" * 5_000),
    UploadRequest(file_name="a.mp4", content_type="video/mp4", file_size=500 * 2**20),
    UploadRequest(file_name="a.bin", content_type="application/x-new", file_size=10**12),
]

REFUSED: list[tuple[Any, dict[str, str]]] = [
    (Brief(brief=""), {"brief": "is empty; give at least 1 of its characters"}),
    (
        Brief(brief="x" * 10_001),
        {"brief": "has 10,001 characters; shorten it to 10,000 (8,000 is safe)"},
    ),
    (MessageDraft(message=""), {"message": "is empty; give at least 1 of its characters"}),
    (
        Brief(brief="x", title="x" * 31, idempotency_key="x" * 257),
        {
            "title": "has 31 characters; shorten it to 30",
            "idempotency_key": "has 257 characters; shorten it to 256",
        },
    ),
    (Brief(brief="x", references=[UPLOAD] * 11), {"references": "has 11 items; shorten it to 10"}),
    (
        MessageDraft(message="x", references=[PAGE] * 4),
        {"references": "has 4 of type url; at most 3 are taken"},
    ),
    (
        Brief(brief="x", references=[UPLOAD, UrlReference(url=5, type="image")]),  # type: ignore[arg-type]
        {"references[1].url": "must be text, not int 5"},
    ),
    (
        Brief(brief="x", references=[{"upload_id": "a"}]),  # type: ignore[list-item]
        {"references": "must be a list of UploadReference or UrlReference, not list [{'upload_id': 'a'}]"},
    ),
    (Brief(brief="x", skills="cinema"), {"skills": "must be a list of text, not str 'cinema'"}),
    (Brief(brief=b"x"), {"brief": "must be text, not bytes b'x'"}),  # type: ignore[arg-type]
    (
        Brief(brief="x", title=None),  # type: ignore[arg-type]
        {"title": "must be text, not None; leave it out to send nothing"},
    ),
    (Brief(brief="x", craft_auto=1), {"craft_auto": "must be True or False, not int 1"}),  # type: ignore[arg-type]
    (
        Brief(brief="\ud800"),
        {"brief": "holds half of a surrogate pair, which is no text; decode it properly first"},
    ),
    (
        Brief(brief="x", extra=[1]),  # type: ignore[arg-type]
        {"extra": "must be a mapping of names to values, not list [1]"},
    ),
    (SettingsChange(), {"settings": "give at least one to change"}),
    (SettingsChange(title="x" * 31), {"title": "has 31 characters; shorten it to 30"}),
    (SettingsChange(mode=None), {"mode": "must be text, not None; leave it out to send nothing"}),  # type: ignore[arg-type]
    (MemoryChange(), {"memory": "give at least one field to change"}),
    (
        MemoryDraft(title="x" * 101, body="x" * 10_001),
        {
            "title": "has 101 characters; shorten it to 100",
            "body": "has 10,001 characters; shorten it to 10,000",
        },
    ),
    (SkillChange(name="x" * 101), {"name": "has 101 characters; shorten it to 100"}),
    (KeyDraft(name="x" * 101), {"name": "has 101 characters; shorten it to 100"}),
    (Feedback(type="bug", message="x" * 5_001), {"message": "has 5,001 characters; shorten it to 5,000"}),
    (EstimateRequest(operations=[]), {"operations": "is empty; give at least 1 of its items"}),
    (
        EstimateRequest(operations=[Operation(tool="generate_image")] * 51),
        {"operations": "has 51 items; shorten it to 50"},
    ),
    (
        EstimateRequest(operations=[Operation(tool="x", count=0), Operation(tool="x", count=101)]),
        {"operations[0].count": "is 0; give 1 to 100", "operations[1].count": "is 101; give 1 to 100"},
    ),
    (Operation(tool="x", count=True), {"count": "must be an integer, not bool True"}),
    (Operation(tool="x", duration=float("nan")), {"duration": "is nan; give a finite number"}),
    (
        UploadRequest(file_name="a.png", content_type="image/png", file_size=10 * 2**20 + 1),
        {"file_size": "is 10,485,761 bytes; for image at most 10,485,760 are taken"},
    ),
    (
        UploadRequest(file_name="a.png", content_type="image/png", file_size=-1),
        {"file_size": "is -1; give the number of bytes"},
    ),
    (Adoption(project_id=7), {"project_id": "must be text, not int 7"}),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("request_", FINE, ids=lambda request: repr(request)[:40])
def test_takes_what_some_revision_takes(request_: Any) -> None:
    """A limit counts locally only if no document has a larger one."""
    check(request_)


@pytest.mark.parametrize(("request_", "problems"), REFUSED, ids=lambda value: repr(value)[:40])
def test_refuses_what_every_revision_refuses(request_: Any, problems: dict[str, str]) -> None:
    """Each field is named with its problem and advice."""
    with pytest.raises(InvalidRequest) as caught:
        check(request_)
    assert problems == caught.value.fields


def test_unset_fields_are_not_sent() -> None:
    """UNSET fields are left out, and None is sent as null."""
    assert {"title": None, "mode": "none"} == unstructure(SettingsChange(title=None, mode="none"))
    assert {"brief": "x"} == unstructure(Brief(brief="x"))
    assert {} == unstructure(ShareRequest())


def test_a_render_says_its_quality() -> None:
    """The body is always sent, because leaving it out is not documented."""
    assert {"quality": "1080p"} == unstructure(RenderRequest())


def test_extra_fields_go_along_and_win() -> None:
    """`extra` sends unknown fields as given, and overrides known ones."""
    assert {"brief": "x", "mode": "dream", "seed": 7} == unstructure(
        Brief(brief="x", mode="autonomous", extra={"seed": 7, "mode": "dream"})
    )


def test_unset_says_so_and_is_false() -> None:
    """`UNSET` prints as itself and is false."""
    assert "UNSET" == repr(UNSET)
    assert not UNSET
