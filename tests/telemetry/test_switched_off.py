"""Without telemetry nothing of OpenTelemetry is imported, and other tracers will do as well."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from eversince_async import Eversince
from helpers.fake_server import Reset, Say, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from eversince_async.emulator import Emulator
    from eversince_async.orchestrator.tracing import StageInfo, Telemetry, WorkflowStarted
    from eversince_async.session.tracing import CallInfo


def python(program: str) -> str:
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return run.stdout.strip()


def test_using_the_client_imports_nothing_of_it() -> None:
    program = """
import sys
from eversince_async import Eversince
from eversince_async.emulator import Emulator
from eversince_async.testing import run

async def story():
    async with Emulator() as emulator, Eversince(**emulator.connection) as eversince:
        await eversince.produce("A film")

run(story())
print([name for name in sys.modules if name.startswith(("opentelemetry", "eversince_async.telemetry"))])
"""
    assert "[]" == python(program)


def test_without_the_extra_the_import_says_what_to_install() -> None:
    program = """
import sys
sys.modules["opentelemetry"] = None
try:
    import eversince_async.telemetry
except ModuleNotFoundError as error:
    print(error)
"""
    assert "pip install 'eversince-async[otel]'" in python(program)


async def test_without_providers_nothing_happens(server: ScriptedServer) -> None:
    """The API alone, as libraries bring it along, does nothing."""
    from eversince_async.telemetry import OpenTelemetry

    server.plays(Say(json={"id": "proj_1", "status": "idle"}))
    async with server.client(telemetry=OpenTelemetry(propagate=True)) as eversince:
        assert "proj_1" == (await eversince.projects.get("proj_1")).id
    assert "traceparent" not in server.seen[0].headers


class Notebook:
    """A tracer of an application's own."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def tracer_for(self, **_: Any) -> Notebook:
        return self

    @contextmanager
    def call(self, call: CallInfo) -> Iterator[Page]:
        self.lines.append(f"> {call.endpoint}")
        yield Page(self.lines)
        self.lines.append(f"< {call.endpoint}")

    @contextmanager
    def stage(self, stage: StageInfo) -> Iterator[None]:
        self.lines.append(f"> {stage.stage}")
        yield
        self.lines.append(f"< {stage.stage}")

    @contextmanager
    def workflow(self, workflow: WorkflowStarted) -> Iterator[Any]:
        self.lines.append(f"> {workflow.name}")
        yield lambda event: 1 / 0
        self.lines.append(f"< {workflow.name}")


class Page:
    def __init__(self, lines: list[str]) -> None:
        self.lines = lines

    def headers(self) -> Mapping[str, str]:
        return {"X-Page": "7", "Authorization": "Bearer mine"}

    def request(self, record: Any) -> None:
        self.lines.append(f"request {record.attempt}")

    def response(self, record: Any) -> None:
        raise RuntimeError("a tracer's mistake")

    def failure(self, record: Any) -> None:
        self.lines.append(f"failure {type(record.error).__name__}")

    def retry(self, record: Any) -> None:
        self.lines.append(f"retry {type(record.error).__name__}")


async def test_any_tracer_with_these_methods_will_do(server: ScriptedServer) -> None:
    notebook = Notebook()
    telemetry: Telemetry = notebook
    server.plays(Reset(), Say(json={"id": "proj_1", "status": "idle"}))
    async with server.client(telemetry=telemetry) as eversince:
        await eversince.projects.get("proj_1")

    assert [
        "> projects.get",
        "request 1",
        "failure ConnectionFailed",
        "retry ConnectionFailed",
        "request 2",
        "< projects.get",
    ] == notebook.lines
    assert "7" == server.seen[1].headers["x-page"]
    assert "Bearer mine" != server.seen[1].headers["authorization"]


async def test_mistakes_of_a_listener_break_no_workflow(emulator: Emulator) -> None:
    notebook = Notebook()
    async with Eversince(**emulator.connection, telemetry=notebook) as eversince:
        film = await eversince.produce("A film")

    assert film.share_url
    assert "< production" == notebook.lines[-1]
