"""What a batch is asked for."""

from collections.abc import AsyncIterable, Callable, Iterable
from typing import Any

import attrs

from eversince_async.batch.item import Intake, PipelineIntake
from eversince_async.journal import Journal
from eversince_async.orchestrator.events import Event
from eversince_async.orchestrator.order import Terms

Listener = Callable[[str, Event], object]
"""Told of what happens: an item's key, and the event."""


@attrs.define(kw_only=True)
class BatchOrder:
    """What a batch is asked for; see `eversince.batch`."""

    items: Iterable[Any] | AsyncIterable[Any]
    intake: Intake | PipelineIntake
    terms: Terms
    journal: Journal | None
    opens_journal: bool
    concurrency: int | None
    retry_failed: bool
    refetch: bool
    allow_other_account: bool
    idempotent_as: str | None
    is_told_to_share: bool
    max_credits: float | None
    on_event: Listener | None
    drain_on_interrupt: bool
