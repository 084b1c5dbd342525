"""Each workflow is a span, its stages are its children, and the calls are in them."""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING

import pytest
from opentelemetry.trace import SpanKind, StatusCode

from eversince_async import Eversince, Limits, ProjectFailed, Timeouts, WaitTimedOut
from eversince_async.emulator import Emulator, Scenario
from eversince_async.telemetry._spans import spanning
from helpers.telemetry_export import events, seconds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from helpers.telemetry_export import Exported


@pytest.fixture
async def eversince(emulator: Emulator, exported: Exported) -> AsyncIterator[Eversince]:
    async with Eversince(**emulator.connection, telemetry=exported.telemetry()) as eversince:
        yield eversince


async def test_stages_are_children_and_last_as_long_as_they_do(
    eversince: Eversince, exported: Exported
) -> None:
    film = await eversince.produce("A film")

    (production,) = exported.named("eversince production")
    stages = [span for span in exported.spans if exported.parent(span) == production.name]
    assert {"create", "settle", "render", "share"} <= {
        span.name.removeprefix("eversince ") for span in stages
    }
    for stage, duration in film.timings.items():
        (span,) = exported.named(f"eversince {stage}")
        assert duration == pytest.approx(seconds(span))
    assert film.project_id == production.attributes["eversince.project_id"]
    assert "production" == production.attributes["eversince.workflow"]


async def test_calls_are_in_their_stages(eversince: Eversince, exported: Exported) -> None:
    await eversince.produce("A film")

    parents = {span.name.removeprefix("eversince "): exported.parent(span) for span in exported.calls}
    for call, stage in {
        "projects.create": "eversince create",
        "output.render": "eversince render",
        "output.share": "eversince share",
    }.items():
        assert stage == parents[call]


async def test_looks_serve_everybody_and_belong_to_nobody(eversince: Eversince, exported: Exported) -> None:
    with exported.tracer.start_as_current_span("request to the application"):
        await eversince.produce("A film")

    looks = [span for span in exported.calls if span.attributes.get("eversince.lane") == "poll"]
    assert {None} == {span.parent for span in looks}


async def test_what_happens_is_told_on_the_workflow(eversince: Eversince, exported: Exported) -> None:
    await eversince.produce("A film")

    (production,) = exported.named("eversince production")
    statuses = [attributes["eversince.status"] for name, attributes in events(production) if name == "status"]
    assert ["queued", "running"] == statuses[:2]
    assert "rendering" in statuses
    assert "idle" == statuses[-1]


async def test_waits_are_told_on_the_workflow_that_waits(emulator: Emulator, exported: Exported) -> None:
    telemetry = exported.telemetry()
    async with Eversince(
        **emulator.connection, telemetry=telemetry, limits=Limits(active_projects=1)
    ) as eversince:
        await asyncio.gather(eversince.produce("One"), eversince.produce("Another"))

    waits = [
        [attributes["eversince.wait.kind"] for name, attributes in events(span) if name == "waiting"]
        for span in exported.named("eversince production")
    ]
    assert [[], ["slot"]] == waits


async def test_events_can_still_be_followed(eversince: Eversince, exported: Exported) -> None:
    async with eversince.produce("A film") as workflow:
        followed = [event async for event in workflow]

    assert followed
    assert 1 == len(exported.named("eversince production"))


async def test_a_failed_project_fails_stage_and_workflow(exported: Exported) -> None:
    async with (
        Emulator(scenario=Scenario(failure=1)) as emulator,
        Eversince(**emulator.connection, telemetry=exported.telemetry()) as eversince,
    ):
        with pytest.raises(ProjectFailed):
            await eversince.produce("A film")

    for name in ("eversince settle", "eversince production"):
        (span,) = exported.named(name)
        assert StatusCode.ERROR == span.status.status_code
        assert "ProjectFailed" == span.attributes["error.type"]


async def test_a_stage_that_ran_out_of_time_is_an_error(eversince: Eversince, exported: Exported) -> None:
    with pytest.raises(WaitTimedOut):
        await eversince.produce("A film", timeouts=Timeouts(settle=5))

    (span,) = exported.named("eversince settle")
    assert "WaitTimedOut" == span.attributes["error.type"]
    assert 5.0 == pytest.approx(seconds(span))


async def test_a_cancelled_workflow_is_no_error_and_leaves_no_span_open(
    eversince: Eversince, exported: Exported
) -> None:
    with exported.tracer.start_as_current_span("request to the application") as outer:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await eversince.produce("A film")
        await eversince.account.credits()

    for name in ("eversince settle", "eversince production"):
        (span,) = exported.named(name)
        assert StatusCode.UNSET == span.status.status_code
        assert span.attributes["eversince.cancelled"] is True
    (later,) = exported.named("eversince account.credits")
    assert outer.get_span_context().span_id == later.parent.span_id


async def test_started_workflows_are_children_of_where_they_were_started(
    eversince: Eversince, exported: Exported
) -> None:
    with exported.tracer.start_as_current_span("request to the application"):
        workflow = eversince.start("A film")
    await workflow

    (production,) = exported.named("eversince production")
    assert "request to the application" == exported.parent(production)


@pytest.mark.parametrize("name", ["wait", "render", "share"])
async def test_single_steps_are_workflows_of_their_own(
    eversince: Eversince, exported: Exported, name: str
) -> None:
    created = await eversince.projects.create("A film")
    await eversince.wait(created.id)
    await eversince.render(created.id)
    await eversince.share(created.id)

    workflows = [span for span in exported.spans if (span.attributes or {}).get("eversince.workflow") == name]
    assert [f"eversince {name}"] == [span.name for span in workflows]
    assert created.id == workflows[0].attributes["eversince.project_id"]


async def test_stages_of_a_conversation_are_traced(eversince: Eversince, exported: Exported) -> None:
    async with eversince.converse("A film") as conversation:
        async for turn in conversation:
            await turn.approve()
            break
        await conversation.turn()

    assert exported.named("eversince create")
    assert exported.named("eversince message")


def test_a_workflow_that_is_thrown_away_ends_its_span_in_silence(
    exported: Exported, caplog: pytest.LogCaptureFixture
) -> None:
    """As when a loop is closed around it: whoever closes it is not in its context."""

    def workflow() -> Iterator[None]:
        with spanning(exported.tracer, "thrown away", SpanKind.INTERNAL, {}):
            yield

    thrown_away = workflow()
    contextvars.copy_context().run(next, thrown_away)
    thrown_away.close()  # type: ignore[attr-defined]  # it is a generator

    (span,) = exported.spans
    assert span.attributes["eversince.cancelled"] is True
    assert [] == caplog.records
