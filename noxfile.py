"""All checks that must pass before a change lands.

`nox` runs them all, `nox -l` lists them. Every session works on the built wheel, never on the checkout: a
file that is missing from the wheel must fail here and not on a user's machine. The versions of Python and of
the libraries are stated only in pyproject.toml.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import nox
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

nox.options.default_venv_backend = "virtualenv"
nox.options.download_python = "never"
nox.options.error_on_external_run = True

ROOT = Path(__file__).parent
PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
LIBRARIES = PROJECT["project"]["dependencies"]
EXTRAS = PROJECT["project"]["optional-dependencies"]
ALL_LIBRARIES = [*LIBRARIES, *itertools.chain(*EXTRAS.values())]


# Pythons


def pythons() -> Iterator[str]:
    """Yield every supported version of Python on this machine, oldest first."""
    supported = SpecifierSet(PROJECT["project"]["requires-python"])
    for minor in range(30):
        version = f"3.{minor}"
        if version in supported and (found := interpreter(version)):
            # A search for pythonX.Y must find this one, not a stub that leads nowhere.
            os.environ["PATH"] = os.pathsep.join([str(found.parent), os.environ["PATH"]])
            yield version


def interpreter(version: str) -> Path | None:
    """Return a released Python of this version that really runs.

    A stub of a version manager may not run.
    """
    name = f"python{version}"
    on_path = (Path(folder, name) for folder in os.get_exec_path())
    managed = Path.home().glob(f".pyenv/versions/{version}.*/bin/{name}")
    candidates = [path for path in itertools.chain(on_path, managed) if path.is_file()]
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        candidates.append(Path(sys.executable))
    return next(filter(runs, candidates), None)


def runs(python: Path) -> bool:
    code = "import sys, ssl, sqlite3; sys.exit(sys.version_info.releaselevel != 'final')"
    try:
        return subprocess.run([python, "-c", code], capture_output=True, check=False).returncode == 0
    except OSError:  # built for another machine, or not executable for this user
        return False


PYTHONS = list(pythons())
OLDEST = PYTHONS[0] if PYTHONS else sys.exit(f"found no Python {PROJECT['project']['requires-python']}")


# Installing


@functools.cache
def built_wheel() -> Path:
    """Build the wheel from the source distribution, once in a nox run."""
    folder = ROOT / "dist"
    shutil.rmtree(folder, ignore_errors=True)
    tools = ROOT / ".nox" / "build"
    subprocess.run([sys.executable, "-m", "virtualenv", "--quiet", tools], check=True)
    python = tools / ("Scripts" if os.name == "nt" else "bin") / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "build"], check=True)
    subprocess.run([python, "-m", "build", "--outdir", folder, ROOT], check=True, stdout=subprocess.DEVNULL)
    return next(folder.glob("*.whl"))


def install(
    session: nox.Session, *groups: str, extras: list[str] | None = None, pins: list[str] | None = None
) -> None:
    """Install the wheel, dependency groups and extras (by default all extras)."""
    extras = list(EXTRAS) if extras is None else extras
    wanted = nox.project.dependency_groups(PROJECT, *groups)
    package = f"{built_wheel()}[{','.join(extras)}]" if extras else str(built_wheel())
    session.install(package, *wanted, *(pins or []))
    # A reused environment may hold an older build of the same version.
    session.install("--force-reinstall", "--no-deps", str(built_wheel()))


def leave_checkout(session: nox.Session) -> None:
    """Leave the checkout, so that its package cannot be imported by accident."""
    session.chdir(session.create_tmp())


# Sessions


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests on every available Python."""
    install(session, "test")
    run_tests(session)


@nox.session(python=OLDEST)
def minimums(session: nox.Session) -> None:
    """Run the tests with the oldest supported libraries."""
    install(session, "test", pins=[oldest(each) for each in ALL_LIBRARIES])
    run_tests(session)


def run_tests(session: nox.Session) -> None:
    leave_checkout(session)
    config = [f"--config-file={ROOT / 'pyproject.toml'}", f"--rootdir={ROOT}"]
    session.run("pytest", *config, "--numprocesses=auto", *chosen_tests(session))


def chosen_tests(session: nox.Session) -> list[str]:
    """Return the tests named after `--` as absolute paths; otherwise all."""
    paths = [str(ROOT / each) if (ROOT / each.split("::")[0]).exists() else each for each in session.posargs]
    if paths:
        return paths
    # Slow tests take real time or try hundreds of cases: a second Python would add nothing.
    is_thorough = session.name in {f"tests-{OLDEST}", "coverage"}
    quick = [] if is_thorough else ["-m", "not slow"]
    # A separate session runs tests/compat/web with its real servers and browsers.
    return [*quick, str(ROOT / "tests"), f"--ignore={ROOT / 'tests' / 'compat' / 'web'}"]


@nox.session(python=OLDEST)
@nox.parametrize("runner", ["pytest-asyncio", "pytest-aiohttp"])
def plugin(session: nox.Session, runner: str) -> None:
    """Run the plugin's tests next to other runners of async tests."""
    install(session, "test", extras=[])
    session.install(runner)
    leave_checkout(session)
    config = [f"--config-file={ROOT / 'pyproject.toml'}", f"--rootdir={ROOT}"]
    scope = ["--override-ini", "asyncio_default_fixture_loop_scope=function"]  # the runners warn without it
    session.run("pytest", *config, *scope, str(ROOT / "tests" / "compat" / "plugin"))


@nox.session(python=OLDEST)
def web(session: nox.Session) -> None:
    """Test the web examples with their frameworks and with a browser."""
    install(session, "test", "web")
    find_browser(session)
    leave_checkout(session)
    config = [f"--config-file={ROOT / 'pyproject.toml'}", f"--rootdir={ROOT}"]
    # Headers as frameworks pass them on: the receivers' tests skip frameworks that are not installed.
    folders = ["tests/compat/web", "tests/webhooks/test_header_shapes.py"]
    tests = session.posargs or ["--numprocesses=auto", *(str(ROOT / each) for each in folders)]
    session.run("pytest", *config, *tests)


BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def find_browser(session: nox.Session) -> None:
    """Install Chromium if possible and allowed; otherwise warn of skipped tests."""
    is_there = any(map(shutil.which, BROWSERS))
    may_install = shutil.which("apt-get") and os.name == "posix" and os.geteuid() == 0
    if may_install and not is_there:
        apt = functools.partial(session.run, "apt-get", "--quiet", external=True, silent=True)
        apt("update", success_codes=[0, 100])
        apt("install", "--yes", "--no-install-recommends", "chromium", success_codes=[0, 100])
    if not any(map(shutil.which, BROWSERS)):
        session.warn(f"the tests of the page need one of {', '.join(BROWSERS)} on PATH, and are skipped")


@nox.session(python=OLDEST, default=False)
def coverage(session: nox.Session) -> None:
    """Report the lines that the tests reach; the figure is no target."""
    install(session, "test")
    session.install("coverage")
    leave_checkout(session)
    pytest = ["-m", "pytest", f"--config-file={ROOT / 'pyproject.toml'}", f"--rootdir={ROOT}"]
    session.run("coverage", "run", "--branch", "--source=eversince_async", *pytest, *chosen_tests(session))
    session.run("coverage", "report", "--skip-covered", "--show-missing")


def oldest(requirement: str) -> str:
    """Return the pin of a requirement's lowest version.

    "aiohttp>=3.10" becomes "aiohttp==3.10".
    """
    parsed = Requirement(requirement)
    floor = next(each.version for each in parsed.specifier if each.operator in {">=", "=="})
    parsed.specifier = SpecifierSet(f"=={floor}")
    return str(parsed)


@nox.session(python=OLDEST, default=False)
def fuzz(session: nox.Session) -> None:
    """Feed a multitude of odd bytes to the readers of foreign data.

    The tests do the same with fewer. EVERSINCE_FUZZ is the factor, EVERSINCE_FUZZ_SEED a number for other
    bytes than the usual ones.
    """
    install(session, "test")
    leave_checkout(session)
    config = [f"--config-file={ROOT / 'pyproject.toml'}", f"--rootdir={ROOT}"]
    tests = session.posargs or [str(ROOT / "tests" / "fuzz")]
    session.run("pytest", *config, *tests, env={"EVERSINCE_FUZZ": os.environ.get("EVERSINCE_FUZZ", "20")})


@nox.session(python=OLDEST, default=False)
def advisories(session: nox.Session) -> None:
    """Check the wheel's dependencies with all extras for known vulnerabilities."""
    install(session)
    pins = session.run("python", "-m", "pip", "freeze", "--exclude", PROJECT["project"]["name"], silent=True)
    session.install("pip-audit")
    leave_checkout(session)
    Path("newest.txt").write_text(str(pins), "utf-8")
    Path("oldest.txt").write_text("\n".join(map(oldest, ALL_LIBRARIES)), "utf-8")
    audits = {name: audit(session, f"{name}.txt") for name in ("newest", "oldest")}
    if audits["oldest"].found:
        session.warn(f"the oldest versions that we allow have known ones: {audits['oldest'].found}")
    if audits["newest"].found:
        session.error(f"there are known vulnerabilities: {audits['newest'].found}")
    if unanswered := {*audits["newest"].unanswered, *audits["oldest"].unanswered}:
        session.skip(f"NOT CHECKED: neither PyPI nor OSV answered about {', '.join(sorted(unanswered))}")


class Audit(NamedTuple):
    """The result for some libraries: advisories found, and libraries without an answer."""

    found: list[str]
    unanswered: list[str]


def audit(session: nox.Session, pins: str) -> Audit:
    """Query PyPI about the pinned libraries, and OSV as a substitute.

    OSV is asked about the libraries for which PyPI does not answer.
    """
    options = ["--requirement", pins, "--no-deps", "--disable-pip", "--progress-spinner=off"]
    found, unanswered = set[str](), pins_in(pins)
    for source in ("pypi", "osv"):
        report = Path(f"{source}-{pins}.json")
        report.unlink(missing_ok=True)
        ask = [
            "pip-audit",
            *options,
            f"--vulnerability-service={source}",
            "--format=json",
            f"--output={report}",
        ]
        session.run(*ask, success_codes=range(256), silent=True)  # 1 may mean no connection
        result = read_audit(report.read_text("utf-8") if report.exists() else "", unanswered)
        found.update(result.found)
        unanswered = result.unanswered
        if not unanswered:
            break
    return Audit(sorted(found), unanswered)


def pins_in(file: str) -> list[str]:
    return [Requirement(line).name for line in Path(file).read_text("utf-8").splitlines()]


def read_audit(report: str, names: list[str]) -> Audit:
    """Parse pip-audit's report; it omits libraries it could not ask about."""
    try:
        entries = json.loads(report)["dependencies"]
    except ValueError:
        entries = []
    answered = {canonicalize_name(each["name"]) for each in entries if "vulns" in each}
    found = [
        f"{each['name']} {each['version']} {vuln['id']} ({', '.join(vuln['fix_versions']) or 'no fix'})"
        for each in entries
        for vuln in each.get("vulns", [])
    ]
    return Audit(found, [name for name in names if canonicalize_name(name) not in answered])


@nox.session(python=OLDEST)
def lint(session: nox.Session) -> None:
    """Check style and layout."""
    session.install(*nox.project.dependency_groups(PROJECT, "lint"))
    session.run("ruff", "check", str(ROOT))
    session.run("ruff", "format", "--check", str(ROOT))


@nox.session(python=OLDEST, default=False)
def house(session: nox.Session) -> None:
    """Count the names, docstrings, folders and circles that ease or hinder reading."""
    install(session, extras=[])
    session.run("python", str(ROOT / ".ci" / "house.py"))
    leave_checkout(session)
    session.run("python", str(ROOT / ".ci" / "routes.py"))


@nox.session(python=OLDEST)
def types(session: nox.Session) -> None:
    """Check the package strictly, and its public types with two type checkers."""
    install(session, "lint", "test", "web")
    session.run("mypy", str(ROOT / "eversince_async"))
    session.run("pyright", str(ROOT / "eversince_async"))
    applications = map(str, sorted((ROOT / "examples" / "web").glob("*.py")))
    session.run("mypy", f"--config-file={ROOT / 'pyproject.toml'}", *applications)
    leave_checkout(session)
    shutil.copy(ROOT / "pyproject.toml", ".")
    shutil.copytree(ROOT / "tests" / "compat" / "typing", "tests/compat/typing", dirs_exist_ok=True)
    session.run("mypy", "tests/compat/typing")
    session.run("pyright", "tests/compat/typing")


@nox.session(python=OLDEST)
def examples(session: nox.Session) -> None:
    """Run every example against an emulator, as a reader would."""
    install(session)
    leave_checkout(session)
    for script in sorted((ROOT / "examples").glob("*.py")):
        session.run("python", str(ROOT / "tests" / "run_example.py"), str(script), silent=True)


@nox.session(python=OLDEST)
def wheel(session: nox.Session) -> None:
    """Check the wheel: its content, and its use in an empty folder."""
    check_contents(session, built_wheel())
    install(session, extras=["cli"])
    leave_checkout(session)
    session.run("python", "-c", "import eversince_async; print(eversince_async.__file__)")
    session.run("eversince", "--help", silent=True)


def check_contents(session: nox.Session, wheel: Path) -> None:
    """Check that the wheel contains the whole package and nothing else."""
    there = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    package = ROOT / "eversince_async"
    files = (path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    wanted = {path.relative_to(ROOT).as_posix() for path in files}
    if there != wanted:
        session.error(
            f"missing from the wheel: {wanted - there or 'nothing'}; too much: {there - wanted or 'nothing'}"
        )
    assert "eversince_async/py.typed" in there
    assert any(re.fullmatch(r"eversince_async/emulator/media/.*\.mp4", name) for name in there)
