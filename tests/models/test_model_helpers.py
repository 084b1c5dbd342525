"""The properties and helpers of models."""

from typing import Any

import pytest

from eversince_async.models import (
    Asset,
    AssetType,
    Message,
    Project,
    ProjectSummary,
    Scene,
    Timeline,
    Track,
    Upload,
    UploadReference,
)


@pytest.mark.parametrize("model", [Project, ProjectSummary])
@pytest.mark.parametrize(
    ("status", "is_active", "is_settled"),
    [
        ("queued", True, False),
        ("rendering", True, False),
        ("idle", False, True),
        ("completed", False, True),
        ("cancelled", False, True),
        ("dreaming", False, False),
    ],
)
def test_a_status_tells_what_to_do(model: Any, status: str, *, is_active: bool, is_settled: bool) -> None:
    """Active statuses hold a slot, settled ones end polling, unknown ones neither."""
    project = model(id="p", status=status)

    assert (is_active, is_settled) == (project.is_active, project.is_settled)


def test_an_empty_message_is_a_marker() -> None:
    """Internal markers have no content."""
    assert Message(id="m", role="assistant", content="").is_marker
    assert not Message(id="m", role="assistant", content="Done.").is_marker


@pytest.mark.parametrize(
    ("volume", "fraction"), [(100.0, 1.0), (35.0, 0.35), (1.0, 1.0), (0.4, 0.4), (0.0, 0.0)]
)
def test_a_volume_above_one_is_a_percentage(volume: float, fraction: float) -> None:
    """`volume_fraction` reads both documented scales; `volume` stays as received."""
    track = Track(id="t", type="music", url="u", duration=1.0, volume=volume, start_time=0.0)

    assert fraction == track.volume_fraction
    assert volume == track.volume


def test_scenes_are_sorted_by_position() -> None:
    """Positions are for sorting only; a scene without a position comes last."""
    scenes = tuple(Scene(id=str(position), position=position) for position in (3, None, 1, 2))

    assert ["1", "2", "3", "None"] == [scene.id for scene in Timeline(scenes=scenes).in_order]


@pytest.mark.parametrize(
    ("type_", "url", "kind"),
    [
        ("image", "https://x/a", AssetType.IMAGE),
        ("image-to-video", "https://x/a.png", AssetType.VIDEO),
        ("hologram", "https://x/a.mp4?sig=1", AssetType.VIDEO),
        (None, "https://x/a.mp3", AssetType.AUDIO),
        (None, "https://x/a", None),
        (None, "https://[broken", None),
    ],
)
def test_an_asset_knows_its_kind(type_: str | None, url: str, kind: AssetType | None) -> None:
    """The last word of an unknown type counts, then the URL's ending."""
    assert kind == Asset(ref="r", url=url, type=type_).kind


def test_an_upload_is_its_own_reference() -> None:
    """The reference of an upload goes straight into a brief."""
    assert UploadReference(upload_id="upl_1") == Upload(upload_id="upl_1").reference
