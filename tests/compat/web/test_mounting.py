"""The receiver's ASGI application, mounted in frameworks that the examples do not use."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from applications import SECRET, uvicorn_serving

from eversince_async import Eversince, PollSchedule, WebhookReceiver
from eversince_async.lifecycle import ACTIVE
from eversince_async.testing import sign_webhook

PATH = "/webhooks/eversince"


def in_litestar(receiver: WebhookReceiver) -> Any:
    litestar = pytest.importorskip("litestar", reason="litestar is not installed; nox -s web has it")
    handlers = pytest.importorskip("litestar.handlers")

    @litestar.get("/")
    async def page() -> str:
        return "the application's own"

    mounted = handlers.asgi(PATH, is_mount=True, copy_scope=True)(receiver.asgi)
    return litestar.Litestar([page, mounted])


def in_quart(receiver: WebhookReceiver) -> Any:
    quart = pytest.importorskip("quart", reason="quart is not installed; nox -s web has it")
    app = quart.Quart("films")

    @app.get("/")
    async def page() -> str:
        return "the application's own"

    of_quart = app.asgi_app

    async def dispatch(scope: Any, receive: Any, send: Any) -> None:
        await (receiver.asgi if scope.get("path") == PATH else of_quart)(scope, receive, send)

    app.asgi_app = dispatch
    return app


@asynccontextmanager
async def mounted(make: Callable[[WebhookReceiver], Any], eversince: Eversince) -> AsyncIterator[str]:
    receiver = WebhookReceiver(eversince, secret=SECRET)
    async with uvicorn_serving(make(receiver)) as url:
        yield url


EACH = pytest.mark.parametrize("make", [in_litestar, in_quart])


@EACH
async def test_deliveries_come_through(make, emulator):
    body = json.dumps({"id": "proj_1", "event": "status_changed", "status": "idle"}).encode()
    async with (
        Eversince(**emulator.connection) as eversince,
        mounted(make, eversince) as url,
        aiohttp.ClientSession() as http,
    ):
        statuses = []
        for secret in (SECRET, "whsec_other"):
            async with http.post(f"{url}{PATH}", data=body, headers=sign_webhook(secret, body)) as answer:
                statuses.append(answer.status)
        async with http.get(url) as answer:
            own = await answer.text()

    assert [200, 401] == statuses
    assert "the application's own" == own


@EACH
async def test_a_production_hears_of_its_project_by_them(make, emulator):
    """It looks only when it is told to; by itself it would look once an hour."""
    seldom = PollSchedule(spare=0, intervals=dict.fromkeys(ACTIVE, 3600.0))
    async with (
        Eversince(**emulator.connection, schedule=seldom) as eversince,
        mounted(make, eversince) as url,
    ):
        film = await eversince.produce("A film", webhook_url=f"{url}{PATH}")

    assert film.video_url is not None
    assert sum(film.timings.values()) < 600
