"""Readers of the sharing, rendering and file fields of a row.

Files of rows and the Python API use the same readers.
"""

import math
import os
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any, Final

from eversince_async._file_names import UnusableName, inside
from eversince_async.errors import InvalidRequest
from eversince_async.models._repr import format_value
from eversince_async.orchestrator.options import ShareOptions, quality_of

PAGE: Final = {"share_title": "title", "share_description": "description"}
"""Columns for the text of a public page, and their options."""

_YES: Final = (
    "yes y true t on 1 1.0 x ✓ ✔ ☑ ✅ ja j wahr oui vrai si s verdadero sim verdadeiro vero waar tak "
    "prawda sant sand sann satt kylla tosi ano pravda igen igaz da истина да так істина evet dogru "
    "doğru \u03bd\u03b1\u03b9 \u03b1\u03bb\u03b7\u03b8\u03b7\u03c2 adevarat jah toene taip teisinga "
    "patiess istina točno cert egia benar はい 真 是 예 네 참 \u05db\u05df \u05d0\u05de\u05ea "
    "\u0646\u0639\u0645"
)
_NO: Final = (
    "no n false f off 0 0.0 ✗ ✘ ☐ ❌ nein falsch non faux falso nao nee onwaar nie fałsz falsz nej nei "
    "falskt falsk usann osatt ei epatosi ne nepravda nem hamis nu нет ложь ні хибність hay\u0131r hayir "
    "yanl\u0131s yanlis \u03cc\u03c7\u03b9 \u03c8\u03b5\u03c5\u03b4\u03b7\u03c2 fals vaar klaidinga "
    "aplams neistina netočno faltsua salah いいえ 偽 假 否 아니요 아니오 거짓 "
    "\u05dc\u05d0 \u05e9\u05e7\u05e8 \u0644\u0627"
)
_EMOJI: Final = "\ufe0f"
"""The sign that phones add to a tick to colour it."""


def _plain(word: str) -> str:
    """Return a word without case, accents and surrounding blanks."""
    parts = unicodedata.normalize("NFKD", word.strip().strip(_EMOJI).casefold())
    return unicodedata.normalize("NFC", "".join(sign for sign in parts if not unicodedata.combining(sign)))


_WORDS: Final[Mapping[str, bool]] = {
    _plain(word): meaning for words, meaning in ((_YES, True), (_NO, False)) for word in words.split()
}


def yes_or_no(given: Any) -> bool | None:
    """Return the yes or no of a cell; None for neither.

    People and spreadsheets write these words in many languages.
    """
    if isinstance(given, bool):
        return given
    if isinstance(given, int | float):
        return bool(given) if given in (0, 1) else None
    return _WORDS.get(_plain(given)) if isinstance(given, str) else None


def is_empty(cell: Any) -> bool:
    """Return True if a cell is empty.

    A cell is empty if it has no value, only blanks, or the not-a-number that tables use for an empty cell.
    """
    match cell:
        case None:
            return True
        case str():
            return not cell.strip()
        case float():
            return math.isnan(cell)
        case _:
            return False


_ERROR_WORDS: Final = """
#REF! #NAME? #VALUE! #DIV/0! #N/A #NUM! #NULL! #SPILL! #CALC! #FIELD! #BLOCKED! #CONNECT! #UNKNOWN!
#BUSY! #ERROR! #GETTING_DATA #BEZUG! #WERT! #NV #ZAHL! #\u00dcBERLAUF! #FEHLER! #VALEUR! #NOM? #NOMBRE!
#NUL! #PROPAGATION! #\u00a1REF! #\u00bfNOMBRE? #\u00a1VALOR! #\u00a1DIV/0! #\u00a1NUM! #\u00a1NULO! #N/D
#NOME? #VALORE! #RIF! #NULLO! #VALOR! #N\u00daM! #NULO! #VERW! #NAAM? #WAARDE! #DEEL/0! #N/B #GETAL!
#LEEG! #ADR! #ARG! #LICZBA! #DZIEL/0! #ССЫЛКА! #ИМЯ? #ЗНАЧ! #ДЕЛ/0! #\u041d/Д #ЧИСЛО! #ПУСТО! #NAZWA?
#ROZLANIE! #OBL! #POLE! #NÁZEV? #ODKAZ! #HODNOTA! #ČÍSLO! #DĚLENÍ_NULOU! #NENÍ_K_DISPOZICI #PŘESAH!
#NÁZOV? #DELENIENULOU! #NEDOSTUPNÝ #HIV! #NÉV? #ÉRTÉK! #HIÁNYZIK #SZÁM! #NULLA! #ZÉRÓOSZTÓ! #KIBONTÁS!
#REFERENS! #NAMN? #VÄRDEFEL! #SAKNAS! #OGILTIGT! #SKÄRNING! #DIVISION/0! #REFERENCE! #NAVN? #VÆRDI! #I/T
#VERDI! #VIITTAUS! #NIMI? #ARVO! #PUUTTUU! #LUKU! #TYHJÄ! #JAKO/0! #BAŞV! #AD? #DEĞER! #YOK #SAYI! #BOŞ!
#SAYI/0! #TAŞMA! #\u0391\u039d\u0391\u03a6! #\u039f\u039d\u039f\u039c\u0391? #\u03a4\u0399\u039c\u0397!
#\u0394/\u03a5 #\u0391\u03a1\u0399\u0398! #\u039a\u0395\u039d\u039f! #\u0394\u0399\u0391\u0399\u03a1/0!
#KALK! #FELD! #BLOCKIERT! #VERBINDEN! #UNBEKANNT! #BESETZT! #CHAMP! #DESPEJAR! #DESPEJO!
#\u00a1DESBORDAMIENTO! #\u00a1CALC! #\u00a1CAMPO! #ESPANSIONE! #OVERLOOP! #ПЕРЕНОС! #ВЫЧИСЛ! #PYTHON!
#EXTERNAL! #TIMEOUT! #ПОСИЛАННЯ! #\u0406\u041c'Я? #\u0406\u041c\u2019Я? #ЗНАЧЕННЯ! #ДІЛ/0! #NV!
"""
_ERRORS: Final = frozenset(_ERROR_WORDS.split())
_ERROR: Final = re.compile(
    r"(?:Err|Fehler|Erreur|Errore|Erro|Error|Fout|Fel|Feil|Fejl|B\u0142\u0105d|Chyba|Hiba|Virhe|Hata|Ошибка)"
    r":\s?[0-9]{3}"
    r"|#{2,}"  # the column was too narrow, and the displayed text was saved
)
_UNKNOWN_ERROR: Final = re.compile(r"#[\u00a1\u00bf]?[\w./'\u2019]+[!?]")


def is_spreadsheet_error(cell: Any) -> bool:
    """Return True if a cell holds a spreadsheet's text for an error."""
    if not isinstance(cell, str):
        return False
    word = cell.strip()
    return word.upper() in _ERRORS or _ERROR.fullmatch(word) is not None


def looks_like_an_error(brief: Any) -> bool:
    """Return True if a brief is, or looks like, a spreadsheet error.

    It may look like one in a language whose errors are not listed here.
    """
    if is_spreadsheet_error(brief):
        return True
    word = brief.strip() if isinstance(brief, str) else ""
    return word == word.upper() and _UNKNOWN_ERROR.fullmatch(word) is not None


def page_of(row: Mapping[str, Any], usual: ShareOptions | None) -> ShareOptions | None:
    """Return the public page that a row asks for; None for none.

    Args:
        row: The row, with its `share`, `share_title` and `share_description`.
        usual: The page of rows that do not specify one; None for no page.

    Raises:
        InvalidRequest: `share` is neither yes nor no. It is not taken for a title, which has a column of its
            own; otherwise any unknown word would be made public.
    """
    share, page = row.get("share"), usual
    match share:
        case _ if is_empty(share):
            pass
        case ShareOptions():
            page = share
        case Mapping() if share.keys() <= set(PAGE.values()):
            page = ShareOptions(**{name: _words(f"share.{name}", words) for name, words in share.items()})
        case _:
            answer = yes_or_no(share)
            if answer is None:
                raise InvalidRequest({"share": no_share(share)})
            page = (usual or ShareOptions()) if answer else None
    words = {
        name: _words(column, row[column]) for column, name in PAGE.items() if not is_empty(row.get(column))
    }
    if page is None or not words:
        return page
    return ShareOptions(**{**page.to_json(), **words})


def render_of(row: Mapping[str, Any], usual: str | None) -> str | None:
    """Return the quality that a row asks for; None for no render.

    Args:
        row: The row, whose `render` is a quality, or says whether to render at all.
        usual: The quality of rows that do not specify one.

    Raises:
        InvalidRequest: `render` is not a known word.
    """
    given = row.get("render", usual)
    if given is None or given is usual or is_empty(given):
        return usual if given is not None else None
    answer = yes_or_no(given)
    if answer is None:
        return quality_of(given)
    return (usual or "1080p") if answer else None


def no_share(given: Any) -> str:
    """Return the problem of a `share` that is neither yes nor no."""
    return f"must be yes or no, not {format_value(given, text=40)}; a title goes into share_title"


def _words(column: str, given: Any) -> str:
    if not isinstance(given, str):
        raise InvalidRequest({column: f"must be text, not {format_value(given, text=40)}"})
    return given


def file_of(given: Any, folder: str | None) -> str:
    """Return the path of a row's video.

    Text is data, and must name a file inside the folder. A path object comes from the program itself, and is
    used unchanged.

    Args:
        given: The row's `download`.
        folder: The folder of the batch; None for the current one.

    Raises:
        InvalidRequest: The path leads out of the folder, or its name is not valid on every system.
    """
    if isinstance(given, PurePath):
        return os.fspath(given)
    if not isinstance(given, str):
        raise InvalidRequest({"download": f"must be a file's name, not {format_value(given, text=40)}"})
    within = Path(folder or ".")
    try:
        # A program may give an absolute path; either form shows whether the path leaves the folder.
        name = os.path.relpath(given, within) if os.path.isabs(given) else given
        target = inside(within, name)
        if not _is_inside(target, within):
            raise UnusableName("a link leads out of the folder")
    except ValueError as problem:
        place = "the current folder" if folder is None else repr(folder)
        words = f"must be a file inside {place}, not {format_value(given, text=80)}: {problem}"
        raise InvalidRequest({"download": words}) from None
    return os.path.join(folder or "", name)


def _is_inside(target: Path, folder: Path) -> bool:
    """Return True if a path, with links resolved, is inside a folder."""
    return Path(os.path.realpath(target)).is_relative_to(os.path.realpath(folder))
