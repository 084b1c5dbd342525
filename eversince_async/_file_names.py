"""File names made from data, such as ids, keys and titles.

The ids are a server's; the keys and titles are those of a sheet.

A name is one component, is valid on every usual system, and leads out of no folder.
"""

import hashlib
import re
import unicodedata
from collections.abc import Container, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final

LONGEST: Final = 255
"""Bytes of the longest file name on all usual file systems."""

BESIDE: Final = ".part.json"
"""The longest ending that our own files add to a name."""

_UNFINISHED: Final = (".part", BESIDE)

MARK: Final = "~"
"""The mark before the digest of an unusable text.

A text is unusable if it cannot be a name as it is. No other name of ours has the mark."""

_DIGITS: Final = 16
_FORBIDDEN: Final = frozenset('/\\:*?"<>|' + MARK)
_DEVICE: Final = re.compile(r"(?i)(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³]) *(?:\..*)?")
_UNSEEN: Final = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0]")
"""Characters of no width that are neither controls nor formats.

Some file systems ignore them."""


class UnusableName(ValueError):
    """A text that cannot be a file name.

    The error's text gives the reason.
    """


def file_name(text: str, ending: str = "", *, taken: Container[str] | None = None) -> str:
    """Return a text as a file name, with a digest where necessary.

    A text that can be a name stays as it is; any other becomes a similar text with a digest. The same text
    always has the same name, and two texts have two, also where names are distinguished neither by case nor
    by the way an accent is written. For that reason a text with capital letters gets a digest, too, unless
    `taken` is known.

    Args:
        text: Any text at all.
        ending: The ending of the name, such as `.mp4`.
        taken: The other names that exist, as `fold_name` returns them; None if they are not known.
    """
    name = _resembling(text)
    is_plain = name == text and _fits(name + ending)
    if is_plain and (fold_name(name) == name if taken is None else fold_name(name + ending) not in taken):
        return name + ending
    digest = MARK + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
    room = LONGEST - len((digest + ending + BESIDE).encode())
    return name.encode()[:room].decode("utf-8", "ignore") + digest + ending


def fold_name(name: str) -> str:
    """Return the common form of names that some file system equates.

    It ignores case, the spelling of accents, and unseen characters.
    """
    return unicodedata.normalize("NFC", _UNSEEN.sub("", unicodedata.normalize("NFD", name)).casefold())


def inside(folder: Path, given: str) -> Path:
    """Return a path from a sheet, which must lie within a folder.

    Links are not checked: a link within the folder may lead out of it, so check before you write.

    Raises:
        UnusableName: The path leads out of the folder, a part of it cannot be a name everywhere, or it
            has the name of an unfinished download.
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
    """Yield the reasons, in words, why a text cannot be a name."""
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
    """Return a similar text without the characters that names cannot have."""
    composed = unicodedata.normalize("NFC", text[: 2 * LONGEST])
    name = "".join(
        "_" if sign in _FORBIDDEN or unicodedata.category(sign) in _ODD else sign for sign in composed
    ).strip(" ")
    if name[:1] in {".", "-"}:  # hidden, or an option for a program that is called with it
        name = "_" + name[1:]
    name = name.rstrip(". ") or "_"
    return f"_{name}" if _DEVICE.fullmatch(name) else name


def _fits(name: str) -> bool:
    return len((name + BESIDE).encode("utf-8", "surrogatepass")) <= LONGEST
