"""Markup that cannot be broken out of: texts are escaped where they are put in, by the one function here."""

import html
from collections.abc import Iterable
from typing import Final, TypeAlias


class Markup(str):
    """Text that is markup already; only this module makes it of anything but literals."""

    __slots__ = ()


Child: TypeAlias = "str | Iterable[str] | None"
"""Markup, or text to be escaped, or several; None is nothing."""

EMPTY: Final = Markup()

ELSEWHERE: Final = {"target": "_blank", "rel": "noopener noreferrer"}
"""Attributes of a link that leads out of the page."""

_VOID: Final = frozenset({"br", "input", "meta"})


def tag(name: str, /, *children: Child, **attributes: str | float | bool | None) -> Markup:
    """An element.

    Args:
        name: Its name.
        *children: What is in it.
        **attributes: Its attributes. Underscores become hyphens, and one at the end, for words that Python
            has reserved, is dropped. None and False leave an attribute out; True gives it no value.
    """
    begin = f"<{name}{_attributes(attributes)}>" if attributes else f"<{name}>"
    if name in _VOID:
        return Markup(begin)
    return Markup(f"{begin}{join(*children)}</{name}>")


def join(*children: Child) -> Markup:
    """Several, one after the other."""
    return Markup("".join(map(_escape, children)))


def _escape(child: Child) -> str:
    match child:
        case Markup():
            return child
        case str():
            return html.escape(child)
        case None:
            return ""
        case several:
            return "".join(map(_escape, several))


def _attributes(given: dict[str, str | float | bool | None]) -> str:
    parts: list[str] = []
    for name, value in given.items():
        if value is None or value is False:
            continue
        spelled = name.rstrip("_").replace("_", "-")
        parts.append(f" {spelled}" if value is True else f' {spelled}="{html.escape(str(value))}"')
    return "".join(parts)
