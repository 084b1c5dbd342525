"""Whatever the data, it names one file, in its folder, on any system."""

from __future__ import annotations

import unicodedata
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from eversince_async._file_names import BESIDE, LONGEST, UnusableName, file_name, fold_name, inside

ODD = st.one_of(
    st.text(),
    st.text(alphabet="aA\u00e4\u0308/\\.:~ -\0\n\x1b\u202e\ud800\ufe0f", max_size=12),
    st.sampled_from(
        ["CON", "nul.x", "COM1 .txt", "lpt¹", "..", ".", "", "~", "a" * 300, "ü" * 200, "😀" * 99]
    ),
)


@given(ODD)
def test_any_text_gives_one_component(text: str) -> None:
    name = file_name(text, ".mp4")

    assert PurePosixPath("f", name).parts == ("f", name)
    assert PureWindowsPath("f", name).parts == ("f", name)
    assert name not in {".", ".."}
    assert name.endswith(".mp4")
    assert not any(unicodedata.category(sign) in {"Cc", "Cf", "Cs"} for sign in name)
    assert len((name + BESIDE).encode()) <= LONGEST
    assert name.split(".")[0].rstrip().lower() not in {"con", "nul", "aux", "prn", "com1", "lpt¹"}


@given(ODD, ODD)
def test_two_texts_have_two_names_on_any_file_system(one: str, other: str) -> None:
    assume(one != other)

    assert fold_name(file_name(one)) != fold_name(file_name(other))


@given(st.lists(ODD, unique=True))
def test_names_beside_each_other_differ_also_when_they_keep_their_capitals(texts: list[str]) -> None:
    taken: set[str] = set()
    for text in texts:
        taken.add(fold_name(file_name(text, ".mp4", taken=taken)))

    assert len(texts) == len(taken)


@pytest.mark.parametrize("text", ["proj_1", "mug", "spring sale", "grün", "東京", "v1.2", "a.b"])
def test_what_can_be_a_name_is_one_as_it_is(text: str) -> None:
    assert f"{text}.mp4" == file_name(text, ".mp4")


def test_capitals_stay_where_the_others_are_known() -> None:
    assert "SKU-1.mp4" == file_name("SKU-1", ".mp4", taken=set())
    assert "SKU-1.mp4" != file_name("SKU-1", ".mp4", taken={fold_name("sku-1.mp4")})


def test_nobody_makes_up_a_text_that_is_named_as_another() -> None:
    assert file_name("A") != file_name(file_name("A"))


@pytest.mark.parametrize("text", ["CON", "nul", "aux.tar", "COM9", "com¹", "CONIN$", "con ", "lpt1 .x"])
def test_no_name_is_a_device_of_windows(text: str) -> None:
    stem = file_name(text, ".mp4").split(".")[0]

    assert stem.rstrip().lower() not in {"con", "nul", "aux", "com9", "com¹", "conin$", "lpt1"}


@pytest.mark.parametrize(
    "given", ["film.mp4", "of/today/film.mp4", "A/B.mp4", "~/x.mp4", "-x.mp4", "größe.mp4"]
)
def test_a_path_in_the_folder_is_one(given: str) -> None:
    assert Path("out", given) == inside(Path("out"), given)


@pytest.mark.parametrize(
    "given",
    [
        "../x",
        "v/../../x",
        "/x",
        "//host/x",
        "C:x",
        "C:\\x",
        "\\x",
        "v\\x",
        "..\\x",
        "v//x",
        "./x",
        "v/",
        "",
        ".",
    ],
)
def test_what_leads_out_is_refused(given: str) -> None:
    with pytest.raises(UnusableName):
        inside(Path("out"), given)


@pytest.mark.parametrize(
    "given",
    ["a\0b", "a\nb", "\x1b[31m", "\ud800", "\u202egp4", "CON", "v/nul.mp4", "x.", " x", "x ", "x:y", "x?"],
)
def test_what_is_no_name_is_refused(given: str) -> None:
    with pytest.raises(UnusableName):
        inside(Path("out"), given)


@pytest.mark.parametrize("given", ["x.mp4.part", "v/x.PART", "x.part.json"])
def test_what_an_unfinished_download_is_called_is_no_name_for_a_finished_one(given: str) -> None:
    with pytest.raises(UnusableName, match="unfinished download"):
        inside(Path("out"), given)


@pytest.mark.parametrize("given", ["x" * 250, "ü" * 125], ids=len)
def test_what_is_too_long_is_refused(given: str) -> None:
    with pytest.raises(UnusableName):
        inside(Path("out"), given)


@given(st.one_of(ODD, st.text(alphabet="a./\\:~", max_size=9)))
def test_what_is_not_refused_stays_inside(text: str) -> None:
    try:
        path = inside(Path("/out"), text)
    except UnusableName:
        return
    assert path.is_relative_to("/out")
    assert ".." not in path.parts
