"""`eversince doctor`: checks of the set-up, with advice."""

import os
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Final, Literal

import attrs

from eversince_async._version import own_version
from eversince_async.cli._client import connect
from eversince_async.cli._errors import describe_error, exit_code_for
from eversince_async.cli._exit_codes import ExitCode
from eversince_async.cli._loop import speed
from eversince_async.cli._options import AsJson, Debug
from eversince_async.cli._output import write_line
from eversince_async.cli._tables import print_json
from eversince_async.cli._terminal_text import unbroken
from eversince_async.errors import ConfigurationError, EversinceError
from eversince_async.limits import CREDITS_TO_CREATE
from eversince_async.session.transport import BASE_URL, check_api_key, check_base_url

_PACKAGES: Final = ("aiohttp", "anyio", "attrs", "cattrs", "backoff", "cyclopts", "rich", "orjson")


@attrs.frozen
class Finding:
    """The result of one check.

    Attributes:
        what: The thing that was checked.
        verdict: `ok`, `note` or `bad`.
        words: The result in words, with advice.
    """

    what: str
    verdict: Literal["ok", "note", "bad"]
    words: str


async def doctor_(*, as_json: AsJson = False, debug: Debug = False) -> ExitCode:
    """Check key, address and versions, with advice.

    The command sends one harmless request, and spends no credits.

    Args:
        as_json: Print the result as JSON.
        debug: Show tracebacks and what is sent.
    """
    del debug  # the dispatcher reads it when it prints errors
    findings = [_versions(), *_settings()]
    code = ExitCode.CONFIGURATION
    if all(finding.verdict != "bad" for finding in findings):
        code, answered = await _server()
        findings += answered
    if as_json:
        print_json([attrs.asdict(finding) for finding in findings])
    else:
        for finding in findings:
            write_line(unbroken(f"{finding.verdict:<4}  {finding.what}: {finding.words}"))
    return code


def _versions() -> Finding:
    found = (f"{package} {_version(package)}" for package in _PACKAGES)
    return Finding(
        "versions",
        "ok",
        f"Python {platform.python_version()} on {sys.platform}, eversince-async {own_version()}, "
        f"{', '.join(found)}",
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _settings() -> Iterator[Finding]:
    """Yield findings on the environment variables, never the key itself."""
    key = os.environ.get("EVERSINCE_API_KEY")
    try:
        check_api_key(key)
        looks_right = (key or "").startswith("es_live_")
        yield (
            Finding("key", "ok", "EVERSINCE_API_KEY is set")
            if looks_right
            else Finding("key", "note", "EVERSINCE_API_KEY does not begin with es_live_; was it cut?")
        )
    except ConfigurationError as error:
        yield Finding("key", "bad", str(error))
    url = os.environ.get("EVERSINCE_BASE_URL")
    try:
        checked = check_base_url(url or BASE_URL)
        yield Finding("address", "ok", checked + (" (EVERSINCE_BASE_URL)" if url else ""))
        factor = speed()
        if factor is not None:
            note = f"{factor:g} seconds pass in one; the emulator must run at the same speed"
            yield Finding("speed", "note", note)
    except ConfigurationError as error:
        yield Finding("address", "bad", str(error))


async def _server() -> tuple[ExitCode, list[Finding]]:
    """Check that the server responds and accepts the key."""
    try:
        async with connect() as eversince:
            credits_left = await eversince.account.credits()
            rate = eversince.rate_limit
    except EversinceError as error:
        return exit_code_for(error), [Finding("server", "bad", describe_error(error))]
    findings = [Finding("server", "ok", "it answers, and takes the key")]
    if rate is not None and rate.limit is not None:
        findings.append(Finding("requests", "ok", f"{rate.remaining} of {rate.limit} left in this minute"))
    left = credits_left.credits_balance
    findings.append(
        Finding("credits", "ok", f"{left:g}")
        if left >= CREDITS_TO_CREATE
        else Finding("credits", "note", f"{left:g}, too few for a video; see `eversince credits`")
    )
    return ExitCode.DONE, findings
