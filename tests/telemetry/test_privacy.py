"""What is nobody else's business goes neither into spans nor along with requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from opentelemetry import baggage, context

from eversince_async import Eversince, ValidationFailed
from eversince_async.transfers import store
from helpers.fake_server import KEY, Say, ScriptedServer, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from eversince_async.emulator import Emulator
    from helpers.telemetry_export import Exported

PROJECT = Say(json={"id": "proj_1", "status": "idle"})


@pytest.fixture
def with_baggage() -> Iterator[None]:
    token = context.attach(baggage.set_baggage("customer", "confidential"))
    yield
    context.detach(token)


@pytest.fixture
def sent_to_stores(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, str]]]:
    """The method and headers of every request to a presigned URL."""
    sent: list[tuple[str, dict[str, str]]] = []

    async def note(_: aiohttp.ClientSession, __: object, params: Any) -> None:
        sent.append((params.method, dict(params.headers)))

    open_session = store._open_store_session

    def watched(*trusted: Any) -> aiohttp.ClientSession:
        session = open_session(*trusted)
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(note)
        trace.freeze()
        session.trace_configs.append(trace)
        return session

    monkeypatch.setattr(store, "_open_store_session", watched)
    return sent


async def test_the_server_is_not_told_of_traces_by_default(
    server: ScriptedServer, exported: Exported, with_baggage: None
) -> None:
    server.plays(PROJECT)
    async with server.client(telemetry=exported.telemetry()) as eversince:
        await eversince.projects.get("proj_1")

    assert not {"traceparent", "tracestate", "baggage"} & set(server.seen[0].headers)


async def test_the_server_can_be_told_of_the_trace_and_of_nothing_else(
    server: ScriptedServer, exported: Exported, with_baggage: None
) -> None:
    server.plays(PROJECT)
    async with server.client(telemetry=exported.telemetry(propagate=True)) as eversince:
        await eversince.projects.get("proj_1")

    (span,) = exported.attempts
    headers = server.seen[0].headers
    ours = f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-"
    assert ours == headers["traceparent"][: len(ours)]
    assert "baggage" not in headers
    assert f"Bearer {KEY}" == headers["authorization"]


async def test_presigned_urls_are_never_told(
    emulator: Emulator,
    exported: Exported,
    sent_to_stores: list[tuple[str, dict[str, str]]],
    tmp_path: Path,
) -> None:
    async with Eversince(**emulator.connection, telemetry=exported.telemetry(propagate=True)) as eversince:
        with exported.tracer.start_as_current_span("request to the application"):
            upload = await eversince.uploads.upload(b"\x89PNG\r\n\x1a\n", name="mug.png")
            await eversince.produce(
                "A film", references=[upload.reference], download=tmp_path / "mug.mp4", share=False
            )

    assert {"PUT", "GET"} == {method for method, _ in sent_to_stores}
    for _, headers in sent_to_stores:
        assert not {"traceparent", "tracestate", "baggage"} & {name.lower() for name in headers}


async def test_no_secret_is_exported(emulator: Emulator, exported: Exported, tmp_path: Path) -> None:
    async with Eversince(**emulator.connection, telemetry=exported.telemetry(propagate=True)) as eversince:
        upload = await eversince.uploads.upload(b"\x89PNG\r\n\x1a\n", name="mug.png")
        film = await eversince.produce(
            "A confidential brief", references=[upload.reference], download=tmp_path / "mug.mp4"
        )
        async for _ in eversince.projects.iter(title="secret plans"):
            pass

    told = "\n".join(span.to_json() for span in exported.spans)
    assert film.project_id in told
    for secret in (emulator.connection["api_key"], "confidential", "secret", "?", "X-Amz", "ignature"):
        assert secret not in told


async def test_texts_of_errors_are_redacted(server: ScriptedServer, exported: Exported) -> None:
    server.plays(
        refusal(400, "validation_error", "bad url https://store.example/a.png?X-Amz-Signature=abc es_live_x1")
    )
    async with server.client(telemetry=exported.telemetry()) as eversince:
        with pytest.raises(ValidationFailed):
            await eversince.projects.create("A film")

    told = "\n".join(span.to_json() for span in exported.spans)
    assert "https://store.example/a.png" in told
    assert "X-Amz-Signature" not in told
    assert "es_live_x1" not in told
