"""What a fresh machine gets: the wheel under test, and the commands that the README prints."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

import eversince_async
from eversince_async import Eversince, _version
from eversince_async._version import own_version

ROOT = Path(__file__).parent.parent


@pytest.mark.skipif("NOX_CURRENT_SESSION" not in os.environ, reason="the checkout is under test, by choice")
def test_the_installed_wheel_is_under_test():
    """Under nox, nothing is imported from the checkout, so what the wheel lacks fails here."""
    assert Path(sysconfig.get_path("purelib")) in Path(eversince_async.__file__).parents


def test_ci_runs_the_test_command_of_the_readme():
    """What the README tells a reader to type is what must pass before anything lands."""
    *_, command = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()

    assert command in (ROOT / "README.md").read_text("utf-8").splitlines()


@pytest.mark.parametrize(
    "trouble", [PackageNotFoundError("eversince-async"), KeyError("Version"), None], ids=repr
)
def test_a_client_is_made_without_the_metadata_of_the_package(monkeypatch, trouble):
    """A frozen, vendored or zipped package has no dist-info, or a broken one."""

    def version(_):
        if trouble is not None:
            raise trouble

    monkeypatch.setattr(_version, "version", version)
    own_version.cache_clear()
    try:
        assert "eversince-async/unknown" == Eversince("es_live_x")._transport._headers["User-Agent"]
    finally:
        own_version.cache_clear()


@pytest.mark.parametrize(
    "code",
    [
        "from eversince_async import Eversince; Eversince('es_live_x')",
        "from eversince_async.telemetry import OpenTelemetry; OpenTelemetry()",
        "from eversince_async.cli import main; assert main(['--version']) == 0",
        "from eversince_async.cli.doctor import _versions; assert 'unknown' in _versions().words",
    ],
    ids=["client", "telemetry", "version", "doctor"],
)
def test_everything_that_tells_the_version_works_from_a_zip(tmp_path, code):
    """As on AWS Lambda or with `zipapp`: imported from an archive, with no metadata anywhere."""
    package = Path(eversince_async.__file__).parent
    archive = tmp_path / "vendored.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in package.rglob("*"):
            if path.suffix not in {".mp4", ".pyc"}:
                file.write(path, Path("eversince_async", path.relative_to(package)))
    hide = (
        "import sys, importlib.metadata as m; real = m.distribution\n"
        "def distribution(name):\n"
        "    if name == 'eversince-async': raise m.PackageNotFoundError(name)\n"
        "    return real(name)\n"
        f"m.distribution = distribution; sys.path.insert(0, {str(archive)!r})\n"
    )
    used = "; import eversince_async; assert 'vendored.zip' in eversince_async.__file__"
    subprocess.run([sys.executable, "-c", hide + code + used], cwd=tmp_path, check=True, timeout=60)
