"""What a fresh machine gets: the wheel under test, and the commands that the README prints."""

import os
import sysconfig
from pathlib import Path

import pytest

import eversince_async

ROOT = Path(__file__).parent.parent


@pytest.mark.skipif("NOX_CURRENT_SESSION" not in os.environ, reason="the checkout is under test, by choice")
def test_the_installed_wheel_is_under_test():
    """Under nox, nothing is imported from the checkout, so what the wheel lacks fails here."""
    assert Path(sysconfig.get_path("purelib")) in Path(eversince_async.__file__).parents


def test_ci_runs_the_test_command_of_the_readme():
    """What the README tells a reader to type is what must pass before anything lands."""
    *_, command = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()

    assert command in (ROOT / "README.md").read_text("utf-8").splitlines()
