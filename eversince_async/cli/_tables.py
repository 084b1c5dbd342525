"""The printing of results: JSON, lines for a pipe, or tables."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from eversince_async._wire.converter import unstructure
from eversince_async.cli._output import is_terminal, to_text, write_line
from eversince_async.models._base import Model


def print_json(value: Any) -> None:
    """Print models, and mappings and lists of them, as JSON."""
    write_line(json.dumps(_plain(value), indent=2, ensure_ascii=False))


def print_table(facts: Mapping[str, object]) -> None:
    """Print `name: value` lines, without values that are None."""
    known = {name: value for name, value in facts.items() if value is not None}
    width = max((len(name) for name in known), default=0) + 1
    for name, value in known.items():
        write_line(f"{name + ':':<{width}} {' '.join(_word(value).split())}")


def print_rows(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table on a terminal, or lines of tab-separated cells elsewhere.

    The lines have no head line.
    """
    words = [[_word(value) for value in row] for row in rows]
    if not is_terminal():
        for row in words:
            write_line("\t".join(" ".join(word.split()) for word in row))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in words:
        table.add_row(*(to_text(word) for word in row))
    Console().print(table)


def _word(value: object) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Model):
        return unstructure(value)
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value if value is None or isinstance(value, bool | int | float) else str(value)
