"""Fields of rows: nothing is made public or replaced by accident."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eversince_async.batch.fields import file_of, is_spreadsheet_error, page_of, yes_or_no
from eversince_async.batch.items import ItemParser
from eversince_async.errors import InvalidRequest
from eversince_async.orchestrator.options import DEFAULT_SHARE, DeliveryOptions, ShareOptions

SHARED = ItemParser(options={}, delivery=DeliveryOptions(share=DEFAULT_SHARE, download="films/"))
PRIVATE = ItemParser(options={}, delivery=DeliveryOptions())

YES = """
yes Yes TRUE True t y 1 1.0 x X ja JA j WAHR wahr oui VRAI sí SI sì s VERDADERO sim VERDADEIRO VERO WAAR
tak PRAWDA ano да ИСТИНА evet DOĞRU はい 是 SANN satt \u0391\u039b\u0397\u0398\u0397\u03a3
\u03bd\u03b1\u03af ADEVĂRAT ІСТИНА так TÕENE TAIP TOČNO CERT BENAR 예 네 真 \u05db\u05df \u0646\u0639\u0645
✅ ✔\ufe0f ☑\ufe0f
"""
NO = """
no No FALSE False f n 0 0.0 nein NEIN FALSCH falsch non FAUX FALSO não nee ONWAAR nie FAŁSZ nej ne нет
ЛОЖЬ hay\u0131r YANLIŞ いいえ 否 USANN ósatt \u03a8\u0395\u03a5\u0394\u0397\u03a3 \u03cc\u03c7\u03b9 FALS
ХИБНІСТЬ ні VÄÄR NETOČNO SALAH 아니오 거짓 假 偽 \u05dc\u05d0 \u0644\u0627 ❌
"""


@pytest.mark.parametrize("word", [*YES.split(), " yes ", True, 1, 1.0], ids=repr)
def test_yes_is_understood_as_people_and_spreadsheets_write_it(word):
    assert yes_or_no(word) is True


@pytest.mark.parametrize("word", [*NO.split(), " no\t", False, 0, 0.0], ids=repr)
def test_no_is_understood_as_people_and_spreadsheets_write_it(word):
    assert yes_or_no(word) is False
    assert page_of({"share": word, "share_title": "Mug"}, DEFAULT_SHARE) is None


@pytest.mark.parametrize(
    "word", ["A mug", "nope", "vielleicht", "#NAME?", "o", "2", 2, 7.5, ["yes"], {"titel": "x"}]
)
def test_everything_else_is_refused_rather_than_made_public(word):
    for parser in (SHARED, PRIVATE):
        item = parser.parse(0, {"brief": "A film", "share": word})
        assert isinstance(item.error, InvalidRequest)
        assert "share_title" in str(item.error)


@given(st.text() | st.integers() | st.floats() | st.booleans() | st.none() | st.lists(st.text()))
def test_whatever_a_cell_holds_nothing_but_a_yes_publishes(cell):
    item = PRIVATE.parse(0, {"brief": "A film", "share": cell})
    assert item.delivery.share is None or yes_or_no(cell) is True


def test_a_title_has_a_column_of_its_own():
    page = page_of({"share": "ja", "share_title": "Mug", "share_description": "Ours"}, None)
    assert ShareOptions(title="Mug", description="Ours") == page


def test_a_title_publishes_nothing_that_is_not_to_be_shared():
    assert page_of({"share_title": "Mug"}, None) is None
    assert ShareOptions(title="Mug") == page_of({"share_title": "Mug"}, DEFAULT_SHARE)


def test_rows_without_a_word_are_shared_as_the_batch_says():
    for empty in (None, "", "  ", float("nan")):
        assert page_of({"share": empty, "share_title": empty}, None) is None
        assert DEFAULT_SHARE == page_of({"share": empty}, DEFAULT_SHARE)


def test_a_title_that_is_no_text_is_refused():
    item = SHARED.parse(0, {"brief": "A film", "share_title": 7})
    assert "share_title: must be text, not 7" in str(item.error)


# -- Errors of spreadsheets ------------------------------------------------------------------------------

ERRORS = """
#NAZWA? #ADR! #ODKAZ! #NÁZEV? #DĚLENÍ_NULOU! #NENÍ_K_DISPOZICI #HIV! #ÉRTÉK! #HIÁNYZIK #REFERENS!
#SAKNAS! #I/T #VÆRDI! #VIITTAUS! #PUUTTUU! #BAŞV! #YOK #SAYI/0! #\u03a4\u0399\u039c\u0397! #\u0394/\u03a5
#KALK! #CHAMP! #\u00a1DESBORDAMIENTO! #ПЕРЕНОС! Fout:502 Fel:502 B\u0142\u0105d:502 ### ##########
"""


@pytest.mark.parametrize("word", ERRORS.split())
def test_errors_of_spreadsheets_are_known_in_their_languages(word):
    assert is_spreadsheet_error(word)


@pytest.mark.parametrize("brief", ["#NEUERFEHLER!", "#\u00a1LUEGO!", "#COSA?", *ERRORS.split()])
def test_a_brief_in_the_form_of_such_an_error_is_refused(brief):
    assert "an error of a spreadsheet" in str(PRIVATE.parse(0, {"brief": brief}).error)


@pytest.mark.parametrize("row", [" ", "\n\t", {"brief": "\u00a0 "}], ids=repr)
def test_a_brief_of_blanks_is_refused(row):
    assert "brief: is empty; say what to make" in str(PRIVATE.parse(0, row).error)


@pytest.mark.parametrize("brief", ["#Mugs!", "#MUG", "A #MUG! in the sun", "#MUG! #CUP!", "WOW!", "# A mug?"])
def test_a_brief_with_a_hashtag_is_a_brief(brief):
    assert PRIVATE.parse(0, {"brief": brief}).error is None


# -- Files -----------------------------------------------------------------------------------------------

LEADING_OUT = ["../x", "a/../../x", "a/../x", "..", "~/../../x", "..\\x", "a\\..\\..\\x", "nul\0"]


@pytest.mark.parametrize("name", LEADING_OUT)
@pytest.mark.parametrize("folder", ["films/", None])
def test_a_name_that_leads_out_of_the_folder_is_refused(name, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidRequest, match="must be a file inside"):
        file_of(name, folder)


def test_an_absolute_path_is_taken_inside_the_folder_only(tmp_path):
    folder = str(tmp_path / "films") + os.sep
    assert f"{folder}x.mp4" == file_of(f"{folder}x.mp4", folder)
    with pytest.raises(InvalidRequest, match="must be a file inside"):
        file_of(str(tmp_path / "x.mp4"), folder)


def test_a_link_does_not_lead_out_of_the_folder(tmp_path):
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "link").symlink_to(tmp_path)
    (tmp_path / "films" / "x.mp4").symlink_to(tmp_path / "briefs.csv")
    for name in ("link/x.mp4", "x.mp4"):
        with pytest.raises(InvalidRequest, match="must be a file inside"):
            file_of(name, str(tmp_path / "films"))


def test_a_path_object_is_the_programs_own():
    item = SHARED.parse(0, {"brief": "A film", "download": Path("/elsewhere/x.mp4")})
    assert (None, "/elsewhere/x.mp4") == (item.error, item.delivery.download)


@given(st.text())
def test_whatever_a_cell_holds_stays_inside(name):
    item = SHARED.parse(0, {"brief": "A film", "download": name})
    folder, target = os.path.realpath("films"), os.path.realpath(item.delivery.download or "films")
    assert item.error is not None or Path(target).is_relative_to(folder)
