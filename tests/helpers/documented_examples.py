"""The examples of the documentation, verbatim, from `samples/`; and how a placeholder is filled in.

The pages show values, the catalogue mostly says what would stand there: "ISO 8601 | null". Each example
begins with a line `### <model> <method> <path> [<status>]`; `timeline:Timeline` is a Timeline inside an
envelope, under that name.
"""

import json
import re
from pathlib import Path
from typing import Any

import attrs

SAMPLES = Path(__file__).parents[1] / "models" / "samples"

FILLED = {
    "ISO 8601": "2026-04-16T10:30:00Z",
    "number": 3,
    "object": {},
    "string[]": ["string"],
    "boolean": True,
}


@attrs.frozen
class Example:
    page: str
    model: str
    envelope: str | None
    call: str
    body: Any

    def __str__(self) -> str:
        return f"{self.page}: {self.call} {self.model}"


def examples() -> list[Example]:
    return [example for page in sorted(SAMPLES.glob("*.txt")) for example in _examples(page)]


def _examples(page: Path) -> list[Example]:
    found = []
    for part in page.read_text().split("### ")[1:]:
        heading, _, text = part.partition("\n")
        model, _, call = heading.partition(" ")
        envelope, _, model = model.rpartition(":")
        # "[{…} | {…}]": what may stand in a list is taken to be in it.
        body = json.loads(text.replace("} | {", "}, {"))
        found.append(Example(page.stem, model, envelope or None, call, body))
    return found


def filled(body: Any, *, null: bool) -> Any:
    """The example with its placeholders filled in; `null` where that is one of the choices, if wanted."""
    match body:
        case dict():
            return {name: filled(value, null=null) for name, value in body.items()}
        case list():
            return [filled(item, null=null) for item in body]
        case str():
            choices = re.sub(r" ?\([^)]*\)", "", body).split(" | ")
            if null and "null" in choices:
                return None
            return FILLED.get(choices[0], choices[0])
        case _:
            return body
