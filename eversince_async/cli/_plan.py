"""The plan of a batch, printed before anything is made."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs

from eversince_async.batch.plan import Plan, PlannedItem
from eversince_async.cli._batch_file import BatchFile
from eversince_async.cli._client import connect
from eversince_async.cli._output import is_terminal, write_line
from eversince_async.cli._tables import print_rows
from eversince_async.cli._terminal_text import unbroken
from eversince_async.journal import Journal
from eversince_async.journal.copies import copy_to_read

SHOWN = 100
"""The most rows of a plan printed on a terminal; a pipe gets all of them."""


@asynccontextmanager
async def read_only(path: Path | None) -> AsyncGenerator[Journal | None, None]:
    """Open a private copy of a journal; yield None without a path."""
    if path is None:
        yield None
        return
    async with copy_to_read(path) as journal:
        yield journal


@attrs.frozen(kw_only=True)
class Asked:
    """The options of a batch that its plan needs, as for `eversince.batch`."""

    folder: Path | None
    share: bool | None
    retry_failed: bool
    allow_other_account: bool
    idempotent_as: str | None


async def plan_of(sheet: BatchFile, journal: Path | None, asked: Asked) -> Plan:
    """Return the plan for a batch of these rows.

    Raises:
        EversinceError: The request for the account's balance fails.
    """
    async with connect() as eversince:
        return await eversince.plan(
            sheet,
            journal=journal,
            download=asked.folder,
            share=asked.share,
            retry_failed=asked.retry_failed,
            allow_other_account=asked.allow_other_account,
            idempotent_as=asked.idempotent_as,
        )


def print_plan(plan: Plan) -> None:
    """Print a plan for people: a line per row, then the totals."""
    shown = plan.items[:SHOWN] if is_terminal() else plan.items
    print_rows(
        ("row", "stands", "asks for", "may cost"),
        [(item.key, item.state, _request_of(item), _cost(item)) for item in shown],
    )
    if len(shown) < len(plan.items):
        write_line(f"… and {len(plan.items) - len(shown):,} more")
    for name, words in plan.lines():
        write_line(unbroken(f"{name + ':':<14}{words}"))


def _request_of(item: PlannedItem) -> str:
    wanted = ["no render" if item.render is None else item.render]
    wanted += ["public page"] if item.share else []
    return ", ".join(wanted + ([item.download] if item.download is not None else []))


def _cost(item: PlannedItem) -> str:
    if item.problem is not None:
        return str(item.problem)
    if not item.costs:
        return "nothing"
    return "unknown" if item.cost is None else str(item.cost)
