"""Public links, each made once.

The list of shares does not show a share's project. So an account makes one share at a time, and knows the
shares it has made: a new share that is not among them is then the one in doubt. Processes that share a
journal take turns by it: there, too, no second share is begun before the first one's outcome is known.
"""

import asyncio
import weakref
from collections import OrderedDict
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, Final, cast

from eversince_async._wire.addresses import is_address
from eversince_async._wire.endpoints import SHARE
from eversince_async.durable.api import moment_to_json
from eversince_async.durable.confirm import send_once
from eversince_async.durable.doubt import AmbiguousOutcome, is_made_before
from eversince_async.durable.executor import EffectExecution
from eversince_async.errors import JournalError, JournalLocked
from eversince_async.governor import GovernorProtocol
from eversince_async.journal import Effect, Journal, Json, ShareInProgress
from eversince_async.limits import PAGE_SHARES
from eversince_async.models._base import UNSET
from eversince_async.models.account import SharedVideo
from eversince_async.models.output import Share
from eversince_async.orchestrator.options import ShareOptions
from eversince_async.orchestrator.runtime import Runtime
from eversince_async.tasks import finish

OTHER_SHARE_POLL_INTERVAL: Final = 1.0
"""Seconds between two polls of another process's share."""

MAX_REMEMBERED: Final = 500
"""Shares that are remembered; only those of the last minutes matter."""


async def share_once(
    runtime: Runtime, project_id: str, options: ShareOptions, execution: EffectExecution
) -> Share:
    """Share a project's video, or adopt the share in doubt.

    Raises:
        OutcomeUnknown: The share stayed in doubt.
        AmbiguousOutcome: Several new shares may be this one.
        EversinceError: As `output.share`.
    """
    while True:
        try:
            async with _known_shares(runtime.governor).lock:
                return await _share(runtime, project_id, options, execution)
        except ShareInProgress as other:
            effect = other.effect
        assert execution.journal is not None, "only a journal raises ShareInProgress"
        await _wait_for_other(runtime, execution.journal, effect)


async def _share(
    runtime: Runtime, project_id: str, options: ShareOptions, execution: EffectExecution
) -> Share:
    share = None
    if execution.in_doubt_since is not None:
        share = await execution.confirm(
            runtime, partial(_find_new_share, runtime, options, execution, _shared_since(execution))
        )
    if share is None:
        began = runtime.current_moment()
        execution.set_baseline(began)

        def send() -> Awaitable[Share]:
            return execution.send(
                runtime,
                lambda api: api.output.share(
                    project_id, title=options.title, description=options.description
                ),
            )

        share = await send_once(runtime, send, partial(_find_new_share, runtime, options, execution, began))
    await _record_share(runtime, execution, share)
    return share


async def _wait_for_other(runtime: Runtime, journal: Journal, effect: Effect) -> None:
    """Wait briefly for another process's share.

    If that process died, resolve the share.
    """
    try:
        await resolve_share(runtime, journal, effect)
    except JournalLocked:
        await asyncio.sleep(OTHER_SHARE_POLL_INTERVAL)


async def resolve_share(runtime: Runtime, journal: Journal, effect: Effect) -> None:
    """Find the outcome of an abandoned share in doubt.

    No process works on the share. Its outcome has to be found before any other share is made, because the
    list of shares names no project.

    Raises:
        JournalLocked: Another process works on the share's job, and will find out.
    """
    job = await journal.acquire(effect.job_id)
    try:
        async with _known_shares(runtime.governor).lock:
            entry = await journal.effect(effect.job_id, effect.name)
            if entry is not None and entry.state == "intent":
                await _resolve(runtime, EffectExecution.from_record(journal, entry))
    finally:
        await finish(_release(journal, job.id))


async def _release(journal: Journal, job_id: str) -> None:
    with suppress(JournalError):  # the next write to the journal fails, too; the lease expires by itself
        await journal.release(job_id)


async def _resolve(runtime: Runtime, execution: EffectExecution) -> None:
    request = execution.field("request")
    texts = {name: request.get(name) for name in ("title", "description")}
    options = ShareOptions(**{name: each.text() for name, each in texts.items() if each is not None})
    try:
        share = await execution.confirm(
            runtime, partial(_find_new_share, runtime, options, execution, _shared_since(execution))
        )
    except AmbiguousOutcome as why:
        await execution.record_in_doubt(why)  # otherwise all other shares would wait for a person's decision
        return
    if share is None:
        await execution.record_not_done()
    else:
        await _record_share(runtime, execution, share)


async def _record_share(runtime: Runtime, execution: EffectExecution, share: Share) -> None:
    result = {"share_url": share.share_url, "video_url": share.video_url}
    if not is_address(share.share_url) or await execution.is_claimed_by_other(share.share_url):
        # The share is made, but such an address does not tell it from others, so it is no claim.
        await execution.record_done(result)
        return
    await execution.record_done(result, claim=share.share_url)
    # Not before it is recorded: until then a share in doubt has to be found again.
    _known_shares(runtime.governor).add(share.share_url)


async def _find_new_share(
    runtime: Runtime, options: ShareOptions, execution: EffectExecution, baseline: Mapping[str, Json]
) -> Share | None:
    """Return an unknown share, newer than the baseline, with these options.

    Raises:
        AmbiguousOutcome: There are several.
    """
    known = _known_shares(runtime.governor)
    page = await runtime.api.account.shares(limit=PAGE_SHARES)
    since = runtime.server_time_of(baseline)
    found = [
        each
        for each in page.shares
        if _matches(each, options, since)
        and each.share_url not in known
        and not await execution.is_claimed_by_other(each.share_url)
    ]
    if len(found) > 1:
        raise AmbiguousOutcome(
            f"{len(found)} new shares may be this one",
            endpoint=SHARE.name,
            find_out="open them: " + ", ".join(map(_openable, found)),
            candidates=[each.share_url for each in found],
        )
    hidden = [row for row in page.unreadable if row.is_item and _may_be_new(row.value, since)]
    if hidden and not found:
        raise AmbiguousOutcome(
            f"of the account's shares {len(hidden)} cannot be read, and may be this one",
            endpoint=SHARE.name,
            find_out="look for it among your shares in the studio",
            candidates=(),
        )
    return Share(share_url=found[0].share_url, video_url=found[0].video_url) if found else None


def _may_be_new(row: Any, since: datetime) -> bool:
    """Return True if an unreadable row may be newer than `since`.

    It may be if it shows no time.
    """
    try:
        return not is_made_before(datetime.fromisoformat(row["created_at"]), since)
    except (TypeError, ValueError, KeyError, IndexError):
        return True


def _openable(share: SharedVideo) -> str:
    return share.share_url if is_address(share.share_url) else f"(one without an address: {share.title})"


def _shared_since(execution: EffectExecution) -> Mapping[str, Json]:
    """Return a share's baseline: the time at which it was begun."""
    if execution.record is None:
        return cast("Mapping[str, Json]", execution.baseline)
    baseline = execution.field("baseline")
    if baseline.is_null or baseline.get("since") is None:
        return {"since": execution.record.intent_at.isoformat()}
    return moment_to_json(baseline)


def recorded_share_of(execution: EffectExecution) -> Share:
    """Return the public link that an earlier run has made."""
    result = execution.field("result")
    return Share(share_url=result["share_url"].text(), video_url=result["video_url"].text_or_none())


def _matches(share: SharedVideo, options: ShareOptions, began: datetime) -> bool:
    if options.title is not UNSET and share.title != options.title:
        return False
    return not is_made_before(share.created_at, began)


class _KnownShares:
    """The shares that this process has made on one account.

    Attributes:
        lock: Held while a share is made.
    """

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.lock = asyncio.Lock()
        self._urls: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, url: str) -> bool:
        return url in self._urls

    def add(self, url: str) -> None:
        self._urls[url] = None
        if len(self._urls) > MAX_REMEMBERED:
            self._urls.popitem(last=False)


_known_by_account: weakref.WeakKeyDictionary[GovernorProtocol, _KnownShares] = weakref.WeakKeyDictionary()


def _known_shares(governor: GovernorProtocol) -> _KnownShares:
    """Return the known shares of an account in the running loop.

    There is one set for each governor, which stands for an account, and each loop.
    """
    known = _known_by_account.get(governor)
    if known is None or known.loop is not asyncio.get_running_loop():
        known = _known_by_account[governor] = _KnownShares()
    return known
