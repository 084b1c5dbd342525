"""Readers of files of briefs.

They yield the records with their line numbers, and report records that cannot be read.
"""

import io
import json
from collections.abc import Iterator
from typing import Any, Literal

from eversince_async._wire.json_codec import finite, no_number
from eversince_async.batch.fields import is_empty
from eversince_async.cli._batch_file_fields import column_name, is_known, unknown
from eversince_async.cli._csv import Record, of_csv
from eversince_async.cli._encoding import Complain, decode_lines

Format = Literal["csv", "jsonl"]


def read_records(
    stream: io.BufferedReader, form: Format, encoding: str, complain: Complain, name: str = "the file"
) -> Iterator[Record]:
    """Yield the records of a file in order, and report unreadable ones.

    Raises:
        InvalidRequest: The file is not text at all.
        LookupError: There is no such encoding.
        UnicodeError: The file cannot be decoded from some place on.
    """
    lines = decode_lines(stream, encoding, name, complain)
    return of_csv(lines, complain) if form == "csv" else _of_jsonl(lines, complain)


# -- JSON Lines -----------------------------------------------------------------------------------------


def _of_jsonl(lines: Iterator[str], complain: Complain) -> Iterator[Record]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = json.loads(
                line, object_pairs_hook=_check_unique, parse_constant=no_number, parse_float=finite
            )
        except (ValueError, RecursionError) as error:
            complain(number, f"is no JSON: {error}")
            continue
        if isinstance(found, str):
            found = {"brief": found}
        if not isinstance(found, dict):
            complain(number, 'must be an object such as {"brief": "A film"}, or the brief as a text')
            continue
        cells, heads = dict[str, Any](), dict[str, str]()
        for head, value in found.items():
            name = column_name(head)
            if not is_known(name):
                complain(number, unknown(name))
            elif heads.setdefault(name, head) != head:
                complain(number, f"{heads[name]!r} and {head!r} are one column")
            elif not is_empty(value):
                cells[name] = value
        yield Record(number, cells)


def _check_unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} stands there twice")
    return found
