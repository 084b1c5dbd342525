"""A batch is a span, each of its items another, and what an item does is in there."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from eversince_async import Eversince
from eversince_async.emulator import Emulator, Scenario
from helpers.telemetry_export import Exported, events

if TYPE_CHECKING:
    from pathlib import Path

BATCH, ITEM = "eversince batch", "eversince item"


async def test_items_are_children_of_their_batch_and_stages_of_their_item(
    emulator: Emulator, exported: Exported, tmp_path: Path
) -> None:
    async with Eversince(**emulator.connection, telemetry=exported.telemetry()) as eversince:
        with exported.tracer.start_as_current_span("campaign"):
            report = await eversince.batch(
                [{"key": name, "brief": name} for name in "abc"], journal=tmp_path / "films.db"
            )

    (batch,) = exported.named(BATCH)
    items = exported.named(ITEM)
    assert 3 == report.counts["succeeded"]
    assert "campaign" == exported.parent(batch)
    assert {"a", "b", "c"} == {span.attributes["eversince.key"] for span in items}
    assert {BATCH} == {exported.parent(span) for span in items}
    assert {ITEM} == {exported.parent(span) for span in exported.named("eversince create")}
    assert {report_key(outcome) for outcome in report.outcomes} == {
        (span.attributes["eversince.key"], span.attributes["eversince.project_id"]) for span in items
    }
    assert all(("status", {"eversince.status": "idle"}) in events(span) for span in items)


def report_key(outcome: object) -> tuple[str, str]:
    return outcome.key, outcome.project_id  # type: ignore[attr-defined]  # an Outcome


async def test_an_item_that_fails_is_an_error_and_its_batch_is_none(exported: Exported) -> None:
    async with (
        Emulator(scenario=Scenario(failure=1)) as emulator,
        Eversince(**emulator.connection, telemetry=exported.telemetry()) as eversince,
    ):
        await eversince.batch(["A film"])

    (batch,), (item,) = exported.named(BATCH), exported.named(ITEM)
    assert "ERROR" == item.status.status_code.name
    assert "ProjectFailed" == item.attributes["error.type"]
    assert "UNSET" == batch.status.status_code.name
    assert (1, pytest.approx(1000, abs=1000)) == exported.value(
        "eversince.client.workflow.duration", workflow="item", outcome="failed"
    )


async def test_what_an_earlier_run_has_done_is_no_span(
    emulator: Emulator, exported: Exported, tmp_path: Path
) -> None:
    for _ in range(2):
        async with Eversince(**emulator.connection, telemetry=exported.telemetry()) as eversince:
            await eversince.batch(["A film"], journal=tmp_path / "films.db")

    assert {BATCH: 2, ITEM: 1} == Counter(span.name for span in exported.spans if span.name in {BATCH, ITEM})


async def test_a_batch_that_is_left_leaves_no_span_open(emulator: Emulator, exported: Exported) -> None:
    async with (
        Eversince(**emulator.connection, telemetry=exported.telemetry()) as eversince,
        eversince.batch(["A film", "Another"]),
    ):
        await asyncio.sleep(30)

    assert {BATCH: 1, ITEM: 2} == Counter(span.name for span in exported.spans if span.name in {BATCH, ITEM})
    assert {True} == {span.attributes["eversince.cancelled"] for span in exported.named(ITEM)}
