"""Making a public link once.

The list of shares does not say which project a share is of. So an account makes one at a time, and knows
which it has made: then a new one that nobody knows of is the one that is in doubt.
"""

import asyncio
import weakref
from collections import OrderedDict
from collections.abc import Awaitable
from datetime import datetime, timedelta
from typing import Final

from eversince_async import clock
from eversince_async._wire.endpoints import SHARE
from eversince_async.errors import OutcomeUnknown
from eversince_async.governor import Governor
from eversince_async.journal import JobChange
from eversince_async.limits import PAGE_SHARES
from eversince_async.models._base import UNSET
from eversince_async.models.account import SharedVideo
from eversince_async.models.output import Share
from eversince_async.orchestrator.desk import Desk
from eversince_async.orchestrator.effects import Deed
from eversince_async.orchestrator.observing import once
from eversince_async.orchestrator.order import ShareOptions

SKEW: Final = timedelta(seconds=60)
"""How far the server's clock may be behind ours."""

KNOWN: Final = 500
"""Shares that are remembered; only those of the last minutes matter."""


async def shared_once(desk: Desk, project_id: str, options: ShareOptions, deed: Deed) -> Share:
    """Share a project's video; when it is in doubt whether that was done, adopt the share that is there.

    Raises:
        OutcomeUnknown: It stayed in doubt, or several new shares may be it.
        EversinceError: As `output.share`.
    """
    made = _made_of(desk.governor)
    async with made.one_at_a_time:
        began = clock.now()
        if deed.entry is not None and deed.in_doubt_since is not None:
            began = deed.entry.intent_at

        def send() -> Awaitable[Share]:
            return deed.send(
                desk,
                lambda api: api.output.share(
                    project_id, title=options.title, description=options.description
                ),
            )

        async def effect() -> Share | None:
            page = await desk.api.account.shares(limit=PAGE_SHARES)
            found = [
                each
                for each in page.shares
                if _may_be(each, options, began)
                and each.share_url not in made
                and not await deed.belongs_to_another(each.share_url)
            ]
            if len(found) > 1:
                raise OutcomeUnknown(
                    f"{len(found)} new shares may be this one",
                    endpoint=SHARE.name,
                    find_out="open them: " + ", ".join(each.share_url for each in found),
                )
            return Share(share_url=found[0].share_url, video_url=found[0].video_url) if found else None

        share = await deed.find(desk, effect) if deed.in_doubt_since is not None else None
        if share is None:
            share = await once(desk, send, effect)
        made.add(share.share_url)
        await deed.ended(
            {"share_url": share.share_url, "video_url": share.video_url},
            claim=share.share_url,
            job=JobChange(stage="shared"),
        )
    return share


def _may_be(share: SharedVideo, options: ShareOptions, began: datetime) -> bool:
    if options.title is not UNSET and share.title != options.title:
        return False
    return share.created_at is None or share.created_at >= began - SKEW


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


_of_accounts: weakref.WeakKeyDictionary[Governor, _Made] = weakref.WeakKeyDictionary()


def _made_of(governor: Governor) -> _Made:
    """One for each account, that is for each governor, and each loop it lives in."""
    made = _of_accounts.get(governor)
    if made is None or made.loop is not asyncio.get_running_loop():
        made = _of_accounts[governor] = _Made()
    return made
