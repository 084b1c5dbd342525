"""Making a public link once.

The list of shares does not say which project a share is of. So an account makes one at a time, and knows
which it has made: then a new one that nobody knows of is the one that is in doubt. Processes that share a
journal take turns by it: there, too, no second share is begun before the first is known to be made or not.
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
from eversince_async.errors import JournalError, JournalLocked
from eversince_async.governor import AccountGovernor
from eversince_async.journal import Effect, Journal, Json, ShareUnderWay
from eversince_async.limits import PAGE_SHARES
from eversince_async.models._base import UNSET
from eversince_async.models.account import SharedVideo
from eversince_async.models.output import Share
from eversince_async.orchestrator.desk import Desk, begun
from eversince_async.orchestrator.doubt import Ambiguous, is_made_before
from eversince_async.orchestrator.effects import Deed
from eversince_async.orchestrator.observing import once
from eversince_async.orchestrator.order import ShareOptions
from eversince_async.tasks import finish

ELSEWHERE: Final = 1.0
"""Seconds between looks at a share that is under way elsewhere."""

KNOWN: Final = 500
"""Shares that are remembered; only those of the last minutes matter."""


async def shared_once(desk: Desk, project_id: str, options: ShareOptions, deed: Deed) -> Share:
    """Share a project's video; when it is in doubt whether that was done, adopt the share that is there.

    Raises:
        OutcomeUnknown: It stayed in doubt.
        Ambiguous: Several new shares may be it.
        EversinceError: As `output.share`.
    """
    while True:
        try:
            async with _made_of(desk.governor).one_at_a_time:
                return await _shared(desk, project_id, options, deed)
        except ShareUnderWay as other:
            effect = other.effect
        assert deed.journal is not None, "it is the journal's objection"
        await _wait_for(desk, deed.journal, effect)


async def _shared(desk: Desk, project_id: str, options: ShareOptions, deed: Deed) -> Share:
    share = None
    if deed.in_doubt_since is not None:
        share = await deed.find(desk, partial(_new_share, desk, options, deed, _since(deed)))
    if share is None:
        began = desk.begins()
        deed.begins_at(began)

        def send() -> Awaitable[Share]:
            return deed.send(
                desk,
                lambda api: api.output.share(
                    project_id, title=options.title, description=options.description
                ),
            )

        share = await once(desk, send, partial(_new_share, desk, options, deed, began))
    await _made(desk, deed, share)
    return share


async def _wait_for(desk: Desk, journal: Journal, effect: Effect) -> None:
    """Wait a little for another share, or find out what became of it if whoever made it has died."""
    try:
        await settle_share(desk, journal, effect)
    except JournalLocked:
        await asyncio.sleep(ELSEWHERE)


async def settle_share(desk: Desk, journal: Journal, effect: Effect) -> None:
    """Find out what became of a share in doubt that nobody works on.

    That has to be done before any other is made, because the list of shares names no project.

    Raises:
        JournalLocked: Somebody works on its job, and will find out.
    """
    job = await journal.acquire(effect.job_id)
    try:
        async with _made_of(desk.governor).one_at_a_time:
            entry = await journal.effect(effect.job_id, effect.name)
            if entry is not None and entry.state == "intent":
                await _settled(desk, Deed.of(journal, entry))
    finally:
        await finish(_let_go(journal, job.id))


async def _let_go(journal: Journal, job_id: str) -> None:
    with suppress(JournalError):  # whoever writes next learns of it; the lease runs out by itself
        await journal.release(job_id)


async def _settled(desk: Desk, deed: Deed) -> None:
    request = deed.field("request")
    asked = {name: request.get(name) for name in ("title", "description")}
    options = ShareOptions(**{name: each.text() for name, each in asked.items() if each is not None})
    try:
        share = await deed.find(desk, partial(_new_share, desk, options, deed, _since(deed)))
    except Ambiguous as why:
        await deed.cannot_be_told(why)  # or all others would wait until a person has looked
        return
    if share is None:
        await deed.did_not_happen()
    else:
        await _made(desk, deed, share)


async def _made(desk: Desk, deed: Deed, share: Share) -> None:
    kept = {"share_url": share.share_url, "video_url": share.video_url}
    if not is_address(share.share_url) or await deed.belongs_to_another(share.share_url):
        await deed.ended(kept)  # made it is, but by such an address nobody could tell it from others
        return
    await deed.ended(kept, claim=share.share_url)
    _made_of(desk.governor).add(share.share_url)  # not before: what is not written down is to be found again


async def _new_share(
    desk: Desk, options: ShareOptions, deed: Deed, baseline: Mapping[str, Json]
) -> Share | None:
    """A share that nobody knows of, made since the baseline, as this one would look.

    Raises:
        Ambiguous: There are several.
    """
    made = _made_of(desk.governor)
    page = await desk.api.account.shares(limit=PAGE_SHARES)
    since = desk.began(baseline)
    found = [
        each
        for each in page.shares
        if _may_be(each, options, since)
        and each.share_url not in made
        and not await deed.belongs_to_another(each.share_url)
    ]
    if len(found) > 1:
        raise Ambiguous(
            f"{len(found)} new shares may be this one",
            endpoint=SHARE.name,
            find_out="open them: " + ", ".join(map(_openable, found)),
            candidates=[each.share_url for each in found],
        )
    hidden = [row for row in page.unreadable if row.is_item and _may_be_new(row.value, since)]
    if hidden and not found:
        raise Ambiguous(
            f"of the account's shares {len(hidden)} cannot be read, and may be this one",
            endpoint=SHARE.name,
            find_out="look for it among your shares in the studio",
            candidates=(),
        )
    return Share(share_url=found[0].share_url, video_url=found[0].video_url) if found else None


def _may_be_new(row: Any, since: datetime) -> bool:
    """Whether a row that cannot be read was made since then, or does not say when."""
    try:
        return not is_made_before(datetime.fromisoformat(row["created_at"]), since)
    except (TypeError, ValueError, KeyError, IndexError):
        return True


def _openable(share: SharedVideo) -> str:
    return share.share_url if is_address(share.share_url) else f"(one without an address: {share.title})"


def _since(deed: Deed) -> Mapping[str, Json]:
    """The baseline of a share: when it was begun."""
    if deed.entry is None:
        return cast("Mapping[str, Json]", deed.baseline)
    kept = deed.field("baseline")
    if kept.is_null or kept.get("since") is None:
        return {"since": deed.entry.intent_at.isoformat()}
    return begun(kept)


def made_before(deed: Deed) -> Share:
    """The public link that an earlier run has made."""
    made = deed.field("result")
    return Share(share_url=made["share_url"].text(), video_url=made["video_url"].text_or_none())


def _may_be(share: SharedVideo, options: ShareOptions, began: datetime) -> bool:
    if options.title is not UNSET and share.title != options.title:
        return False
    return not is_made_before(share.created_at, began)


class _Made:
    """The shares this process has made on one account.

    Attributes:
        one_at_a_time: Held while one is made.
    """

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.one_at_a_time = asyncio.Lock()
        self._urls: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, url: str) -> bool:
        return url in self._urls

    def add(self, url: str) -> None:
        self._urls[url] = None
        if len(self._urls) > KNOWN:
            self._urls.popitem(last=False)


_of_accounts: weakref.WeakKeyDictionary[AccountGovernor, _Made] = weakref.WeakKeyDictionary()


def _made_of(governor: AccountGovernor) -> _Made:
    """One for each account, that is for each governor, and each loop it lives in."""
    made = _of_accounts.get(governor)
    if made is None or made.loop is not asyncio.get_running_loop():
        made = _of_accounts[governor] = _Made()
    return made
