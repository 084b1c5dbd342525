"""What `nox` judges by itself: which Pythons count, and what is known of the libraries."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import tomllib
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parent.parent


def _as_it_is(*_, **__):
    return lambda function: function


@pytest.fixture(scope="module")
def noxfile(tmp_path_factory):
    """The module `noxfile.py`, without nox, which is not where the tests run; it finds this Python only."""
    nox = ModuleType("nox")
    nox.options = SimpleNamespace()
    nox.project = SimpleNamespace(load_toml=lambda path: tomllib.loads(Path(path).read_text("utf-8")))
    nox.session = nox.parametrize = _as_it_is
    nox.Session = object
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "nox", nox)
        patch.setenv("PATH", os.path.dirname(sys.executable))  # and importing it changes that
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        spec = importlib.util.spec_from_file_location("noxfile", ROOT / "noxfile.py")
        module = importlib.util.module_from_spec(spec)
        patch.setitem(sys.modules, "noxfile", module)
        spec.loader.exec_module(module)
        yield module


# -- Pythons ----------------------------------------------------------------------------------------------


def make_python(folder, level, name="python3.14"):
    """A Python that says it is a release of some level."""
    folder.mkdir()
    python = folder / name
    code = f"import sys; sys.version_info = type('', (), {{'releaselevel': {level!r}}}); exec(sys.argv[1])"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{code}" "$2"\n')
    python.chmod(0o755)
    return python


needs_a_shell = pytest.mark.skipif(os.name != "posix", reason="the stand-in is a shell script")


@needs_a_shell
@pytest.mark.parametrize("level", ["alpha", "beta", "candidate"])
def test_a_prerelease_of_python_does_not_count(noxfile, tmp_path, level):
    assert not noxfile.runs(make_python(tmp_path / "bin", level))


@needs_a_shell
def test_a_final_release_of_python_counts(noxfile, tmp_path):
    assert noxfile.runs(make_python(tmp_path / "bin", "final"))


@needs_a_shell
def test_a_final_release_is_found_behind_a_prerelease(noxfile, tmp_path, monkeypatch):
    early, final = make_python(tmp_path / "1", "candidate"), make_python(tmp_path / "2", "final")
    monkeypatch.setenv("PATH", os.pathsep.join([str(early.parent), str(final.parent)]))

    assert final == noxfile.interpreter("3.14")


@needs_a_shell
@pytest.mark.parametrize("mode", [0o644, 0o755], ids=oct)
def test_what_is_no_program_is_passed_over(noxfile, tmp_path, mode):
    stub = tmp_path / "python3.14"
    stub.write_bytes(b"\0nothing that runs")
    stub.chmod(mode)

    assert not noxfile.runs(stub)


def test_every_python_of_the_classifiers_is_looked_for(noxfile):
    supported = SpecifierSet(noxfile.PROJECT["project"]["requires-python"])
    prefix = "Programming Language :: Python :: "
    versions = [
        each.removeprefix(prefix) for each in noxfile.PROJECT["project"]["classifiers"] if prefix in each
    ]

    assert "3.14" in versions
    assert all(version in supported for version in versions)


# -- Libraries --------------------------------------------------------------------------------------------


def test_every_library_has_a_floor_that_can_be_pinned(noxfile):
    assert all("==" in noxfile.oldest(each) for each in noxfile.ALL_LIBRARIES)


def test_the_floor_of_aiohttp_is_that_of_its_fixed_advisories(noxfile):
    """3.14.3 mends a parser that malformed answers made read beyond its buffer, 3.14.4 smuggled requests."""
    aiohttp = next(each for each in map(Requirement, noxfile.LIBRARIES) if each.name == "aiohttp")

    assert not aiohttp.specifier.contains("3.14.3")
    assert aiohttp.specifier.contains("3.14.4")


CLEAN = {"name": "attrs", "version": "24.1", "vulns": []}
KNOWN = {"name": "aiohttp", "version": "3.9", "vulns": [{"id": "CVE-1", "fix_versions": ["3.9.1", "3.10"]}]}
UNFIXED = {"name": "Backoff", "version": "2.2.1", "vulns": [{"id": "CVE-2", "fix_versions": []}]}
PASSED_OVER = {"name": "anyio", "skip_reason": "Dependency not found on PyPI"}


def read(noxfile, *entries, names):
    return noxfile.read_audit(json.dumps({"dependencies": entries, "fixes": []}), names)


def test_a_library_without_advisories_is_answered(noxfile):
    assert ([], []) == read(noxfile, CLEAN, names=["attrs"])


def test_an_advisory_is_told_with_what_mends_it(noxfile):
    told = read(noxfile, KNOWN, UNFIXED, names=["aiohttp", "backoff"])

    assert ["aiohttp 3.9 CVE-1 (3.9.1, 3.10)", "Backoff 2.2.1 CVE-2 (no fix)"] == told.found
    assert [] == told.unanswered


def test_a_library_that_was_passed_over_is_not_answered(noxfile):
    """The tool then says that it knows of no vulnerability, and exits 0."""
    assert ["anyio"] == read(noxfile, CLEAN, PASSED_OVER, names=["attrs", "anyio"]).unanswered


def test_a_library_that_was_left_out_is_not_answered(noxfile):
    assert ["rich"] == read(noxfile, CLEAN, names=["attrs", "rich"]).unanswered


@pytest.mark.parametrize("report", ["", "Traceback (most recent call last):", "{", '{"dependencies": ['])
def test_a_report_that_cannot_be_read_answers_nothing(noxfile, report):
    assert ([], ["attrs"]) == noxfile.read_audit(report, ["attrs"])


class Session:
    """As much of a session as the audit needs: a tool that answers by source and file."""

    def __init__(self, reports):
        self.reports = reports
        self.asked = []

    def run(self, *command, **_):
        options = dict(each.split("=", 1) for each in command if "=" in each)
        source = options["--vulnerability-service"]
        self.asked.append(source)
        if (report := self.reports[source]) is not None:
            Path(options["--output"]).write_text(json.dumps({"dependencies": report}), "utf-8")


@pytest.mark.parametrize(
    ("reports", "asked", "verdict"),
    [
        ({"pypi": [CLEAN, KNOWN]}, ["pypi"], (["aiohttp 3.9 CVE-1 (3.9.1, 3.10)"], [])),
        ({"pypi": [CLEAN], "osv": [{**KNOWN, "vulns": []}]}, ["pypi", "osv"], ([], [])),
        ({"pypi": None, "osv": [CLEAN]}, ["pypi", "osv"], ([], ["aiohttp"])),
        ({"pypi": None, "osv": None}, ["pypi", "osv"], ([], ["attrs", "aiohttp"])),
    ],
    ids=["answered", "by two together", "half", "unreachable"],
)
def test_the_second_source_is_asked_for_what_the_first_leaves(
    noxfile, tmp_path, monkeypatch, reports, asked, verdict
):
    monkeypatch.chdir(tmp_path)
    Path("pins.txt").write_text("attrs==24.1\naiohttp==3.9", "utf-8")
    session = Session(reports)

    assert verdict == noxfile.audit(session, "pins.txt")
    assert asked == session.asked
