"""Two real processes with one file and separate journals."""

from __future__ import annotations

import json
import re
from pathlib import Path


def test_by_a_name_they_make_each_film_once(beside, tmp_path):
    """Three rows make three projects; only the process with --share makes pages."""
    for folder in ("one", "other"):
        Path(tmp_path, folder).mkdir()
        sheet = "key,brief,share\na,A film about seals,yes\nb,One about dunes,\nc,One about mist,\n"
        Path(tmp_path, folder, "films.csv").write_text(sheet)
    name = ("--idempotent-as", "seals", "--json", "--out")

    children = [
        beside.start("batch", "one/films.csv", *name, "one/videos", "--share"),
        beside.start("batch", "other/films.csv", *name, "other/videos"),
    ]
    (one, one_said), (other, other_said) = [child.communicate() for child in children]

    assert [0, 0] == [child.returncode for child in children], one_said + other_said
    told = {each["key"]: each for each in map(json.loads, one.splitlines())}
    also = {each["key"]: each for each in map(json.loads, other.splitlines())}
    assert {"a", "b", "c"} == told.keys() == also.keys()
    assert all(told[key]["project_id"] == also[key]["project_id"] for key in told)
    assert all(each["share_url"] for each in told.values())
    assert not any(each["share_url"] for each in also.values())
    for folder in ("one", "other"):
        assert 3 == len(list(Path(tmp_path, folder, "videos").glob("*.mp4")))
    listed = beside.run("list").out
    assert 3 == len(re.findall(r"proj_\w+", listed)), listed


def test_help_says_what_remains_possible(shell):
    said = " ".join(shell.run("batch", "--help").out.replace("│", " ").split())

    assert "Without it, each machine makes and pays for everything" in said
    assert "how long the server remembers is not documented" in said
