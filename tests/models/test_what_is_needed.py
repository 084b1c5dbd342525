"""The required fields of objects in responses.

All other fields may be missing, null or odd.
"""

from typing import Any

import pytest

from eversince_async._wire.converter import structure, unstructure
from eversince_async.errors import InvalidResponse
from eversince_async.models import (
    AgentMemory,
    CreatedProject,
    GenerationModel,
    ItemList,
    Message,
    MessagePage,
    NewKey,
    RenderStarted,
    Request,
    Timeline,
    Track,
)
from helpers.payloads import ALL, fields, is_required

NEEDED = {
    "AdoptedProject": ["id"],
    "Asset": ["url"],
    "AssetPage": ["assets"],
    "CancelledProject": ["id"],
    "CreatedProject": ["id"],
    "Credits": ["credits_balance"],
    "Estimate": ["total_credits"],
    "GenerationModel": ["id"],
    "Key": ["id"],
    "Memory": ["id"],
    "MemoryAnswer": ["memory"],
    "MemoryList": ["memories"],
    "Message": ["id"],
    "MessagePage": ["messages"],
    "NewKey": ["key"],
    "Overlay": ["id"],
    "Project": ["id", "status"],
    "ProjectPage": ["projects"],
    "ProjectSummary": ["id", "status"],
    "RenderStarted": ["id"],
    "Scene": ["id"],
    "SentMessage": ["id"],
    "Share": ["share_url"],
    "SharePage": ["shares"],
    "SharedVideo": ["share_url"],
    "Skill": ["id"],
    "SkillAnswer": ["skill"],
    "SkillList": ["skills"],
    "StudioProject": ["project_id"],
    "StudioProjectPage": ["projects"],
    "Track": ["id"],
    "Upload": ["upload_id"],
    "UploadTicket": ["upload_url", "r2_key"],
    "Variation": ["id"],
    "Voice": ["name"],
    "WebhookEvent": ["id", "status"],
}
"""The required fields by class; a class that is not listed needs none."""


def test_only_that_is_needed_without_which_the_object_is_useless() -> None:
    found = {
        model.__name__: [field.name for field in fields(model) if is_required(field)]
        for model in ALL
        if not issubclass(model, Request)
    }
    assert {name: needed for name, needed in found.items() if needed} == NEEDED


def test_a_message_without_content_is_a_marker() -> None:
    page = structure({"messages": [{"id": "m1", "content": None}, {"id": "m2", "content": "x"}]}, MessagePage)

    assert [True, False] == [message.is_marker for message in page.messages]
    assert () == page.unreadable


def test_a_section_that_is_no_object_loses_no_other() -> None:
    memory = structure({"sections": {"plan": "none", "assets": {"content": "voices"}}}, AgentMemory)

    assert ["assets"] == list(memory.sections)
    assert ["$.sections.plan"] == [each.path for each in memory.unreadable]


def test_a_fractional_count_loses_no_model() -> None:
    models = structure([{"id": "kling-3.0", "max_reference_images": 2.5}], ItemList[GenerationModel])

    assert (None, {"max_reference_images": 2.5}) == (models[0].max_reference_images, models[0].extra)


def test_a_track_that_says_little_is_still_a_track() -> None:
    timeline = structure({"audio": {"tracks": [{"id": "t1", "volume": "loud"}]}}, Timeline)

    assert timeline.audio is not None
    assert [Track(id="t1", extra={"volume": "loud"})] == list(timeline.audio.tracks)
    assert timeline.audio.tracks[0].volume_fraction is None


@pytest.mark.parametrize("odd", [{}, {"status": None}, {"status": 7}, {"status": {"is": "queued"}}])
def test_a_project_that_was_paid_for_is_known_by_its_id_alone(odd: dict[str, Any]) -> None:
    assert ("proj_1", None) == (
        (created := structure({"id": "proj_1", **odd}, CreatedProject)).id,
        created.status,
    )


def test_a_write_that_was_taken_is_known_by_its_id() -> None:
    """Without this field, the response could come from a proxy."""
    assert RenderStarted(id="proj_1") == structure({"id": "proj_1"}, RenderStarted)
    with pytest.raises(InvalidResponse):
        structure({"ok": True}, RenderStarted)


def test_a_new_key_is_not_lost_with_its_id() -> None:
    assert "es_live_new" == structure({"key": "es_live_new", "id": 7, "created_at": 7}, NewKey).key


def test_what_was_kept_is_written_again() -> None:
    """So a journal remembers the whole response."""
    said = {"id": "m1", "content": "x", "source": 7}

    assert said == unstructure(structure(said, Message))
