"""What rows say of publishing, rendering and files: read once, for files of rows and for Python."""

import math
import os
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any, Final

from eversince_async._file_names import UnusableName, inside
from eversince_async.errors import InvalidRequest
from eversince_async.models._shown import shown
from eversince_async.orchestrator.order import ShareOptions, quality_of

PAGE: Final = {"share_title": "title", "share_description": "description"}
"""Columns for what a public page shows."""

_YES: Final = (
    "yes y true t on 1 1.0 x ✓ ✔ ☑ ja j wahr oui vrai si s verdadero sim verdadeiro vero waar tak prawda "
    "sant sand kylla tosi ano pravda igen igaz da истина да evet dogru doğru はい 是 예"
)
_NO: Final = (
    "no n false f off 0 0.0 ✗ ✘ ☐ nein falsch non faux falso nao nee onwaar nie fałsz falsz nej nei falskt "
    "falsk ei epatosi ne nepravda nem hamis nu нет ложь hay\u0131r hayir yanl\u0131s yanlis いいえ 否 아니요"
)


def _plain(word: str) -> str:
    """A word without its case, accents and the blanks around it."""
    parts = unicodedata.normalize("NFKD", word.strip().casefold())
    return unicodedata.normalize("NFC", "".join(sign for sign in parts if not unicodedata.combining(sign)))


_WORDS: Final[Mapping[str, bool]] = {
    _plain(word): meaning for words, meaning in ((_YES, True), (_NO, False)) for word in words.split()
}


def yes_or_no(given: Any) -> bool | None:
    """What a cell says, as people and spreadsheets of many languages write it; None if it is neither."""
    if isinstance(given, bool):
        return given
    if isinstance(given, int | float):
        return bool(given) if given in (0, 1) else None
    return _WORDS.get(_plain(given)) if isinstance(given, str) else None


def is_empty(cell: Any) -> bool:
    """Whether a cell says nothing: no value, blanks, or the not-a-number that tables have for it."""
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
#REF! #NAME? #VALUE! #DIV/0! #N/A #NUM! #NULL! #SPILL! #CALC! #FIELD! #BLOCKED! #CONNECT! #UNKNOWN! #BUSY!
#ERROR! #GETTING_DATA #BEZUG! #WERT! #NV #ZAHL! #\u00dcBERLAUF! #FEHLER! #VALEUR! #NOM? #NOMBRE! #NUL!
#PROPAGATION! #\u00a1REF! #\u00bfNOMBRE? #\u00a1VALOR! #\u00a1DIV/0! #\u00a1NUM! #\u00a1NULO! #N/D #NOME?
#VALORE! #RIF! #NULLO! #VALOR! #N\u00daM! #NULO! #VERW! #NAAM? #WAARDE! #DEEL/0! #N/B #GETAL! #LEEG! #ADR!
#ARG! #LICZBA! #DZIEL/0! #ССЫЛКА! #ИМЯ? #ЗНАЧ! #ДЕЛ/0! #\u041d/Д #ЧИСЛО! #ПУСТО!
"""
_ERRORS: Final = frozenset(_ERROR_WORDS.split())
_ERROR: Final = re.compile(r"(?:Err|Fehler|Erreur|Errore):\s?[0-9]{3}")


def is_spreadsheet_error(cell: Any) -> bool:
    """Whether a cell holds what a spreadsheet shows for a formula that failed."""
    if not isinstance(cell, str) or cell.strip()[:1] not in {"#", "E", "F"}:
        return False
    word = cell.strip()
    return word.upper() in _ERRORS or _ERROR.fullmatch(word) is not None


def page_of(row: Mapping[str, Any], usual: ShareOptions | None) -> ShareOptions | None:
    """What public page a row asks for.

    Args:
        row: Its `share`, `share_title` and `share_description`.
        usual: The page of rows that do not say; None for none.

    Raises:
        InvalidRequest: `share` is neither yes nor no. A title has a column of its own, or any word that we
            do not know would be made public.
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
            wanted = yes_or_no(share)
            if wanted is None:
                raise InvalidRequest({"share": no_share(share)})
            page = (usual or ShareOptions()) if wanted else None
    words = {
        name: _words(column, row[column]) for column, name in PAGE.items() if not is_empty(row.get(column))
    }
    if page is None or not words:
        return page
    return ShareOptions(**{**page.to_json(), **words})


def render_of(row: Mapping[str, Any], usual: str | None) -> str | None:
    """The quality that a row asks for; None for no render.

    Args:
        row: Its `render`: a quality, or whether to render at all.
        usual: The quality of rows that do not say.

    Raises:
        InvalidRequest: It is no word that we know.
    """
    given = row.get("render", usual)
    if given is None or given is usual or is_empty(given):
        return usual if given is not None else None
    wanted = yes_or_no(given)
    if wanted is None:
        return quality_of(given)
    return (usual or "1080p") if wanted else None


def no_share(given: Any) -> str:
    """What is wrong with a `share` that is neither yes nor no."""
    return f"must be yes or no, not {shown(given, text=40)}; a title goes into share_title"


def _words(column: str, given: Any) -> str:
    if not isinstance(given, str):
        raise InvalidRequest({column: f"must be text, not {shown(given, text=40)}"})
    return given


def file_of(given: Any, folder: str | None) -> str:
    """Where a row's video goes.

    Text is data, and names a file inside the folder. A path object is the program's own, and is taken as
    it is.

    Args:
        given: The row's `download`.
        folder: That of the batch; None: the current one.

    Raises:
        InvalidRequest: It leads out of the folder, or cannot be a file's name everywhere.
    """
    if isinstance(given, PurePath):
        return os.fspath(given)
    if not isinstance(given, str):
        raise InvalidRequest({"download": f"must be a file's name, not {shown(given, text=40)}"})
    within = Path(folder or ".")
    try:
        # A program may say all of the path; what leads out of the folder is seen in either form.
        named = os.path.relpath(given, within) if os.path.isabs(given) else given
        target = inside(within, named)
        if not _is_inside(target, within):
            raise UnusableName("a link leads out of the folder")
    except ValueError as problem:
        place = "the current folder" if folder is None else repr(folder)
        words = f"must be a file inside {place}, not {shown(given, text=80)}: {problem}"
        raise InvalidRequest({"download": words}) from None
    return os.path.join(folder or "", named)


def _is_inside(target: Path, folder: Path) -> bool:
    """Whether a path stays in a folder, wherever links lead."""
    return Path(os.path.realpath(target)).is_relative_to(os.path.realpath(folder))
