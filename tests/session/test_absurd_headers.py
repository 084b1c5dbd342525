"""Calls whose responses have absurd headers.

Each call ends with its result or with an error of this package.
"""

import logging
from contextlib import suppress

import pytest

from eversince_async import EversinceError
from helpers.fake_server import Say, ScriptedServer, refusal

NUMBERS = ["1e308", "-1e308", "-1", "0", "NaN", "Infinity", "9" * 400, "0x10", "1_0", "\u0663"]
DATES = [
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "Mon, 01 Jan 0001 00:00:00 GMT",
    "Mon, 01 Jan 0001 00:00:00 +1400",
    "Fri, 31 Dec 9999 23:59:59 -1400",
    "Sun, 15 Mar 2026 12:00:09 +9999999999",
]
HEADERS = [
    *((name, value) for name in ("X-RateLimit-Limit", "X-RateLimit-Remaining") for value in NUMBERS),
    *((name, value) for name in ("X-RateLimit-Reset", "Retry-After") for value in [*NUMBERS, *DATES]),
    *(("Date", value) for value in DATES),
]
GOOD = Say(json={"projects": [{"id": "proj_1", "status": "idle"}], "total": 1})


@pytest.mark.parametrize(("name", "value"), HEADERS)
@pytest.mark.parametrize("status", [200, 429, 503])
async def test_no_header_breaks_a_call(
    server: ScriptedServer, caplog: pytest.LogCaptureFixture, status: int, name: str, value: str
) -> None:
    headers = {"X-RateLimit-Limit": "30", name: value}
    codes = {429: "rate_limited", 503: "service_unavailable"}
    odd = (
        Say(json=GOOD.json, headers=headers)
        if status == 200
        else refusal(status, codes[status], headers=headers)
    )
    server.plays(odd, odd, GOOD)
    async with server.client() as eversince:
        for _ in range(3):
            with suppress(EversinceError):
                page = await eversince.with_options(deadline=3600).projects.list()
                assert "proj_1" == page.projects[0].id
            assert repr(eversince.governor)
            assert repr(eversince.governor.snapshot())

    assert [] == [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize("length", [8_000, 16_000, 60_000])
async def test_long_headers_are_read(server: ScriptedServer, length: int) -> None:
    """Gateways and tracing add headers; most proxies limit them to 64 KiB."""
    server.plays(Say(json=GOOD.json, headers={"X-Trace": "x" * length}))
    async with server.client() as eversince:
        assert 1 == len((await eversince.projects.list()).projects)
