"""Safe markup: texts are escaped where they are inserted, only here."""

import html
from collections.abc import Iterable
from typing import Final, TypeAlias


class Markup(str):
    """Text that is already markup; other modules make it of literals only."""

    __slots__ = ()


Child: TypeAlias = "str | Iterable[str] | None"
"""Markup, or text to be escaped, or several of them; None stands for nothing."""

EMPTY: Final = Markup()

ELSEWHERE: Final = {"target": "_blank", "rel": "noopener noreferrer"}
"""Attributes of a link that leaves the page."""

_VOID: Final = frozenset({"br", "input", "meta"})


def tag(name: str, /, *children: Child, **attributes: str | float | bool | None) -> Markup:
    """Build an element.

    Args:
        name: The element's name.
        *children: The element's content.
        **attributes: The attributes. Underscores become hyphens, and a trailing one, for names that Python
            reserves, is dropped. None and False omit an attribute; True gives it no value.
    """
    begin = f"<{name}{_attributes(attributes)}>" if attributes else f"<{name}>"
    if name in _VOID:
        return Markup(begin)
    return Markup(f"{begin}{join(*children)}</{name}>")


def join(*children: Child) -> Markup:
    """Join several children, one after the other."""
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


def _attributes(attributes: dict[str, str | float | bool | None]) -> str:
    parts: list[str] = []
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        spelled = name.rstrip("_").replace("_", "-")
        parts.append(f" {spelled}" if value is True else f' {spelled}="{html.escape(str(value))}"')
    return "".join(parts)
