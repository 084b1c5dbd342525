"""Names of files made from data: ids of a server, keys and titles of a sheet.

A name is one component, on every usual system, and leads out of no folder.
"""

import hashlib
import re
import unicodedata
from collections.abc import Container, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final

LONGEST: Final = 255
"""Bytes the name of a file may have on all usual file systems."""

BESIDE: Final = ".part.json"
"""The longest ending that we put behind a name for files of ours."""

_UNFINISHED: Final = (".part", BESIDE)

MARK: Final = "~"
"""What stands before the digest of a text that cannot be a name as it is; no other name of ours has it."""

_DIGITS: Final = 16
_FORBIDDEN: Final = frozenset('/\\:*?"<>|' + MARK)
_DEVICE: Final = re.compile(r"(?i)(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³]) *(?:\..*)?")
_UNSEEN: Final = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0]")
"""Signs of no width that are neither controls nor formats; some file systems take no notice of them."""


class UnusableName(ValueError):
    """Something cannot be the name of a file; its words say why."""


def file_name(text: str, ending: str = "", *, taken: Container[str] | None = None) -> str:
    """A text as the name of a file: itself where it can be one, else what it resembles and a digest.

    The same text always has the same name, and two texts have two, also where names are told apart neither
    by case nor by how an accent is written. For that a text with capital letters bears a digest, too, unless
    it is known what else there is.

    Args:
        text: Any text at all.
        ending: What the name ends with, such as `.mp4`.
        taken: The other names there are, as `fold_name` gives them; None if they are not known.
    """
    name = _resembling(text)
    is_plain = name == text and _fits(name + ending)
    if is_plain and (fold_name(name) == name if taken is None else fold_name(name + ending) not in taken):
        return name + ending
    digest = MARK + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
    room = LONGEST - len((digest + ending + BESIDE).encode())
    return name.encode()[:room].decode("utf-8", "ignore") + digest + ending


def fold_name(name: str) -> str:
    """What two names have in common that are one on some file system: case, accents, unseen signs."""
    return unicodedata.normalize("NFC", _UNSEEN.sub("", unicodedata.normalize("NFD", name)).casefold())


def inside(folder: Path, given: str) -> Path:
    """A path that somebody wrote into a sheet, within a folder: it is refused where it is not.

    A link within the folder that leads out of it is none of this: look before you write.

    Raises:
        UnusableName: It leads out, or has a part that cannot be a name everywhere.
    """
    windows = PureWindowsPath(given)
    if PurePosixPath(given).is_absolute() or windows.drive or windows.root:
        raise UnusableName("must be a path in the folder, not one from the root")
    parts = given.split("/")
    for part in parts:
        if (problem := next(_problems(part), None)) is not None:
            raise UnusableName(problem)
    if fold_name(parts[-1]).endswith(_UNFINISHED):
        raise UnusableName("has the name of an unfinished download; two of them would be written to one file")
    return folder.joinpath(*parts)


def _problems(part: str) -> Iterator[str]:
    """What keeps a text from being a name, in words."""
    shown = ascii(part)
    if part == "..":
        yield "leads out of the folder"
    if part in {"", "."}:
        yield "names no file"
    for sign in part:
        if sign in _FORBIDDEN - {MARK} or unicodedata.category(sign) in _ODD:
            yield f"has {sign!a} in {shown}, which not every system takes in names"
    if part != part.strip(" ") or part.endswith("."):
        yield f"has a blank or a dot at an end of {shown}, which not every system keeps"
    if _DEVICE.fullmatch(part):
        yield f"has {shown}, which is the name of a device on Windows"
    if not _fits(part):
        yield f"has a name that is too long: at most {LONGEST - len(BESIDE)} bytes are good everywhere"


_ODD: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def _resembling(text: str) -> str:
    """A text without what no name has."""
    composed = unicodedata.normalize("NFC", text[: 2 * LONGEST])
    name = "".join(
        "_" if sign in _FORBIDDEN or unicodedata.category(sign) in _ODD else sign for sign in composed
    ).strip(" ")
    if name[:1] in {".", "-"}:  # hidden, or an option of whatever is called with it
        name = "_" + name[1:]
    name = name.rstrip(". ") or "_"
    return f"_{name}" if _DEVICE.fullmatch(name) else name


def _fits(name: str) -> bool:
    return len((name + BESIDE).encode("utf-8", "surrogatepass")) <= LONGEST
