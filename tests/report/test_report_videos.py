"""Videos on the page, played from their files by relative addresses."""

from __future__ import annotations

import os

from eversince_async.report.gallery import UNFOLDED, address
from eversince_async.report.page import page
from helpers.report_data import HERE, Parsed, entry, overview


def shown_in(folder, *entries):
    return Parsed(page(overview(), entries, folder))


def test_a_video_is_found_from_the_page(tmp_path):
    film = tmp_path / "videos" / "mug.mp4"
    film.parent.mkdir()
    film.touch()

    found = shown_in(tmp_path, entry(files=[film]))

    assert ["./videos/mug.mp4"] == found.values("src")
    assert ["metadata"] == found.values("preload")


def test_a_video_in_a_folder_beside_the_page_is_found_upwards(tmp_path):
    assert "./../videos/mug.mp4" == address(tmp_path / "videos" / "mug.mp4", tmp_path / "reports")


def test_a_name_full_of_marks_is_one_address(tmp_path):
    assert "./a%22%3E%3Cb%20%3F%23%25.mp4" == address(tmp_path / 'a"><b ?#%.mp4', tmp_path)


def test_a_name_that_looks_like_a_scheme_is_a_file(tmp_path):
    assert "./javascript%3Aalert%281%29.mp4" == address(tmp_path / "javascript:alert(1).mp4", tmp_path)


def test_a_name_that_is_no_text_is_an_address_all_the_same(tmp_path):
    assert "./%FF.mp4" == address(tmp_path / os.fsdecode(b"\xff.mp4"), tmp_path)


def test_a_video_that_is_gone_is_said_to_be():
    found = shown_in(HERE, entry(files=[HERE / "mug.mp4"]))

    assert "video" not in found.tags
    assert "The file is no longer where it was downloaded to" in found.text


def test_a_video_that_cannot_be_looked_for_is_said_to_be_gone():
    found = shown_in(HERE, entry(files=[HERE / ("x" * 300 + ".mp4")]))

    assert "The file is no longer where it was downloaded to" in found.text


def test_what_was_not_downloaded_is_on_its_public_page():
    found = shown_in(HERE, entry(share_url="https://eversince.ai/v/1"))

    assert "Not downloaded; see its public page" in found.text
    assert "https://eversince.ai/v/1" in found.values("href")


def test_only_the_first_videos_ask_for_anything_at_once(tmp_path):
    film = tmp_path / "mug.mp4"
    film.touch()

    found = shown_in(tmp_path, *(entry(key=f"{n}", files=[film]) for n in range(40)))

    assert {"metadata": 12, "none": 28} == {
        kind: found.values("preload").count(kind) for kind in ("metadata", "none")
    }
    assert f"{40 - UNFOLDED} more" in found.text


def test_every_player_has_a_name(tmp_path):
    film = tmp_path / "mug.mp4"
    film.touch()

    assert "Video mug" in shown_in(tmp_path, entry(files=[film])).values("aria-label")
