"""Writing to a project: with one of the account's slots, and one of what a day has only so many of."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from datetime import timedelta
from functools import partial
from typing import TypeVar

from eversince_async import clock
from eversince_async.errors import (
    ProjectLimitReached,
    QuotaSpent,
    RateLimited,
)
from eversince_async.governor import QuotaName
from eversince_async.governor.protocol import HeldSlot, TakenOfDay
from eversince_async.limits import REQUEST_WINDOW
from eversince_async.models._base import Response
from eversince_async.orchestrator.effects import Deed
from eversince_async.orchestrator.footing import Footing

R = TypeVar("R", bound=Response)


class Writing(Footing):
    """What makes a project active waits for a slot first, and for tomorrow if need be."""

    @asynccontextmanager
    async def slot(self) -> AsyncGenerator[None, None]:
        """Hold one of the account's active-project slots, waiting for it first; may be nested."""
        outermost = self._lease is None
        await self._take_slot()
        try:
            yield
        finally:
            if outermost:
                self._leave_slot()

    def begins_with(self, lease: HeldSlot) -> None:
        """Take a slot that was acquired already for the first one that is needed."""
        self._given = lease

    async def _take_slot(self) -> HeldSlot:
        if self._given is not None:
            self._lease, self._given = self._given, None
            self._desk.underway.holders.add(self)
        if self._lease is None:
            slots, in_flight = self._desk.governor.slots, self.project_id is not None
            place = self.place or self.effects.place
            has_room = slots.has_room(self.key, self.project_id, place)
            with nullcontext() if has_room else self._desk.watcher.seeking_slot:
                self._lease = await slots.acquire(
                    self.key, project_id=self.project_id, place=place, in_flight=in_flight
                )
            self._desk.underway.holders.add(self)
        return self._lease

    def _leave_slot(self) -> None:
        lease, self._lease = self._lease, None
        self._desk.underway.holders.discard(self)
        if lease is not None:
            lease.release()

    async def _written(self, deed: Deed, write: Callable[[], Awaitable[R]]) -> R:
        """Do what makes the project active, telling its slot what became of it."""
        while True:
            lease = await self._take_slot()
            try:
                with deed.at_departure(partial(_need_room, lease), partial(self._leaves, lease)):
                    answer = await write()
            except _Overtaken:
                self._leave_slot()
            except ProjectLimitReached as refusal:
                refusal.daily = not lease.turned_away()
                self._lease = None
                if refusal.daily:
                    raise
            except BaseException:
                if not deed.may_have_left:
                    lease.refused()
                raise
            else:
                self._note(answer)
                return answer

    def _leaves(self, lease: HeldSlot) -> None:
        lease.sent()
        self.left_at = self._now()
        if self.begun_at is None:
            self.begun_at = self.left_at

    async def _counted(self, quota: QuotaName, deed: Deed, write: Callable[[], Awaitable[R]]) -> R:
        """Do what the day has only so many of."""
        while True:
            taken = await self._of_today(quota)
            try:
                with deed.at_departure(partial(_need_left, taken, deed)):
                    answer = await write()
            except _SpentMeanwhile:
                taken.give_back()
            except BaseException as failure:
                if not self._is_refusal_of_the_day(failure, taken):
                    if not deed.may_have_left:
                        taken.give_back()
                    raise
            else:
                taken.confirmed()
                return answer

    def _is_refusal_of_the_day(self, failure: BaseException, taken: TakenOfDay) -> bool:
        """Whether the day's limit is, or may well be, the reason of a refusal; tells the quota so."""
        match failure:
            case ProjectLimitReached(daily=True):
                taken.refused(failure.retry_after, self._desk.server_now())
            case RateLimited(is_documented=True, is_not_of_the_minute=True):
                if (failure.retry_after or 0.0) > 2 * REQUEST_WINDOW:
                    taken.refused(failure.retry_after, self._desk.server_now())
                else:
                    taken.turned_away(failure.retry_after)
            case _:
                return False
        return True

    async def _of_today(self, quota: QuotaName) -> TakenOfDay:
        """Take one of today's; while there is none, wait for tomorrow without holding a slot."""
        quotas = self._desk.governor.quota
        try:
            return await quotas.take(quota, wait=False, who=self.key)
        except QuotaSpent as spent:
            if not self._terms.wait_for_quota and not _is_over_soon(spent):
                raise
        held = self._lease is not None
        self._leave_slot()
        taken = await self._desk.underway.rest(quotas.take(quota, who=self.key))
        if held:
            try:
                await self._take_slot()
            except BaseException:
                taken.give_back()
                raise
        return taken


class _Overtaken(Exception):
    """Others have taken the slot before the request could leave."""


class _SpentMeanwhile(Exception):
    """The server has said that the day's are spent before the request could leave."""


def _need_room(lease: HeldSlot) -> None:
    if lease.overtaken:
        raise _Overtaken


def _need_left(taken: TakenOfDay, deed: Deed) -> None:
    if taken.overtaken and not deed.may_have_left:  # else this only asks what became of it
        raise _SpentMeanwhile


def _is_over_soon(spent: QuotaSpent) -> bool:
    """Whether it may be no day that has to be waited for: the server did not say which limit it meant."""
    return spent.resets_at is not None and spent.resets_at <= clock.now() + timedelta(seconds=REQUEST_WINDOW)
