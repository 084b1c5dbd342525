"""Writing to a project: with one of the account's slots, and one of what a day has only so many of."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from datetime import timedelta
from functools import partial
from typing import TypeVar

from eversince_async import clock
from eversince_async.durable.executor import EffectExecution
from eversince_async.errors import (
    ProjectLimitReached,
    QuotaExhausted,
    RateLimited,
)
from eversince_async.governor import QuotaName
from eversince_async.governor.protocol import QuotaReservationProtocol, SlotLeaseProtocol
from eversince_async.limits import REQUEST_WINDOW
from eversince_async.models._base import Response
from eversince_async.orchestrator.tracker import ProjectTracker

R = TypeVar("R", bound=Response)


class Admission(ProjectTracker):
    """What makes a project active waits for a slot first, and for tomorrow if need be."""

    @asynccontextmanager
    async def slot(self) -> AsyncGenerator[None, None]:
        """Hold one of the account's active-project slots, waiting for it first; may be nested."""
        outermost = self._slot_lease is None
        await self._acquire_slot()
        try:
            yield
        finally:
            if outermost:
                self._release_slot()

    def begins_with(self, lease: SlotLeaseProtocol) -> None:
        """Take a slot that was acquired already for the first one that is needed."""
        self._given = lease

    async def _acquire_slot(self) -> SlotLeaseProtocol:
        if self._given is not None:
            self._slot_lease, self._given = self._given, None
            self._runtime.registry.holders.add(self)
        if self._slot_lease is None:
            slots, in_flight = self._runtime.governor.slots, self.project_id is not None
            place = self.place or self.effects.place
            has_room = slots.has_room(self.key, self.project_id, place)
            with nullcontext() if has_room else self._runtime.poller.waiting_for_slot:
                self._slot_lease = await slots.acquire(
                    self.key, project_id=self.project_id, place=place, in_flight=in_flight
                )
            self._runtime.registry.holders.add(self)
        return self._slot_lease

    def _release_slot(self) -> None:
        lease, self._slot_lease = self._slot_lease, None
        self._runtime.registry.holders.discard(self)
        if lease is not None:
            lease.release()

    async def with_slot(self, execution: EffectExecution, write: Callable[[], Awaitable[R]]) -> R:
        """Do what makes the project active, telling its slot what became of it."""
        while True:
            lease = await self._acquire_slot()
            try:
                with execution.at_departure(partial(_need_room, lease), partial(self._leaves, lease)):
                    answer = await write()
            except _Overtaken:
                self._release_slot()
            except ProjectLimitReached as refusal:
                refusal.daily = not lease.rejected()
                self._slot_lease = None
                if refusal.daily:
                    raise
            except BaseException:
                if not execution.may_have_left:
                    lease.refused()
                raise
            else:
                self._record_request_id(answer)
                return answer

    def _leaves(self, lease: SlotLeaseProtocol) -> None:
        lease.mark_sent()
        self.left_at = self._now()
        if self.first_write_at is None:
            self.first_write_at = self.left_at

    async def with_quota(
        self, quota: QuotaName, execution: EffectExecution, write: Callable[[], Awaitable[R]]
    ) -> R:
        """Do what the day has only so many of."""
        while True:
            taken = await self._reserve_quota(quota)
            try:
                with execution.at_departure(partial(_need_left, taken, execution)):
                    answer = await write()
            except _SpentMeanwhile:
                taken.give_back()
            except BaseException as failure:
                if not self._is_refusal_of_the_day(failure, taken):
                    if not execution.may_have_left:
                        taken.give_back()
                    raise
            else:
                taken.confirmed()
                return answer

    def _is_refusal_of_the_day(self, failure: BaseException, taken: QuotaReservationProtocol) -> bool:
        """Whether the day's limit is, or may well be, the reason of a refusal; tells the quota so."""
        match failure:
            case ProjectLimitReached(daily=True):
                taken.refused(failure.retry_after, self._runtime.server_time())
            case RateLimited(is_documented=True, is_daily_limit=True):
                if (failure.retry_after or 0.0) > 2 * REQUEST_WINDOW:
                    taken.refused(failure.retry_after, self._runtime.server_time())
                else:
                    taken.rejected(failure.retry_after)
            case _:
                return False
        return True

    async def _reserve_quota(self, quota: QuotaName) -> QuotaReservationProtocol:
        """Take one of today's; while there is none, wait for tomorrow without holding a slot."""
        quotas = self._runtime.governor.quota
        try:
            return await quotas.reserve(quota, wait=False, who=self.key)
        except QuotaExhausted as spent:
            if not self._policy.wait_for_quota and not _is_over_soon(spent):
                raise
        held = self._slot_lease is not None
        self._release_slot()
        taken = await self._runtime.registry.rest(quotas.reserve(quota, who=self.key))
        if held:
            try:
                await self._acquire_slot()
            except BaseException:
                taken.give_back()
                raise
        return taken


class _Overtaken(Exception):
    """Others have taken the slot before the request could leave."""


class _SpentMeanwhile(Exception):
    """The server has said that the day's are spent before the request could leave."""


def _need_room(lease: SlotLeaseProtocol) -> None:
    if lease.is_oversubscribed:
        raise _Overtaken


def _need_left(taken: QuotaReservationProtocol, execution: EffectExecution) -> None:
    if taken.is_oversubscribed and not execution.may_have_left:  # else this only asks what became of it
        raise _SpentMeanwhile


def _is_over_soon(spent: QuotaExhausted) -> bool:
    """Whether it may be no day that has to be waited for: the server did not say which limit it meant."""
    return spent.resets_at is not None and spent.resets_at <= clock.now() + timedelta(seconds=REQUEST_WINDOW)
