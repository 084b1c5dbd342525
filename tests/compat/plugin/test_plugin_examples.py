"""The testing examples are users' test files, and pass under every runner."""

import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "examples" / "testing").glob("test_*.py"))


def statements(path: Path) -> int:
    """Return the number of lines that are neither empty nor the docstring."""
    return len([line for line in path.read_text("utf-8").splitlines()[1:] if line.strip()])


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_passes(run_tests, pytester, example):
    shutil.copy(example.with_name("film_desk.py"), pytester.path)
    shutil.copy(example, pytester.path)

    assert {"passed": 1} == run_tests().outcomes


def test_ten_lines_prove_a_failed_project_in_a_tenth_of_a_second(run_tests, pytester):
    (example,) = [path for path in EXAMPLES if path.stem == "test_failed_project"]
    shutil.copy(example.with_name("film_desk.py"), pytester.path)
    for number in range(8):  # this machine may be busy with other work
        shutil.copy(example, pytester.path / f"test_again_{number}.py")

    run = run_tests("", "--import-mode=importlib", ini="pythonpath = .")

    assert statements(example) <= 10
    assert {"passed": 8} == run.outcomes
    assert min(run.cpu_seconds) < 0.1


@pytest.mark.parametrize(
    "block",
    re.findall(r"^```py\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL),
)
def test_readme(run_tests, block):
    """Each test file in the README passes.

    The README marks them `py`; `python` marks code to be run as it is.
    """
    run = run_tests(block)

    assert {"passed"} == set(run.outcomes)
