"""Writes that wait for a slot or for the daily quota."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from datetime import timedelta
from functools import partial
from typing import TypeVar

from eversince_async import clock
from eversince_async.durable.confirm import send_once
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
    """A project tracker whose writes wait for slots and quotas."""

    @asynccontextmanager
    async def slot(self) -> AsyncGenerator[None, None]:
        """Hold one of the account's active-project slots, waiting for it first.

        May be nested.
        """
        outermost = self._slot_lease is None
        await self._acquire_slot()
        try:
            yield
        finally:
            if outermost:
                self._release_slot()

    def begins_with(self, lease: SlotLeaseProtocol) -> None:
        """Use an already acquired slot for the first write that needs one."""
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

    async def write(
        self,
        execution: EffectExecution,
        send: Callable[[], Awaitable[R]],
        *,
        quota: QuotaName | None = None,
        confirm: Callable[[], Awaitable[R | None]] | None = None,
    ) -> R:
        """Send a write that makes the project active, with a slot.

        Args:
            execution: The effect of the write.
            send: Sends the write once.
            quota: The daily quota against which the write counts; None for no quota.
            confirm: Finds the write's result on the server, so that it is sent again only when it did not
                happen; None if `send` takes care of that.

        Raises:
            QuotaExhausted: Today's quota is used up, and the policy says not to wait; nothing was sent.
        """
        with_slot: Callable[[], Awaitable[R]] = partial(self._with_slot, execution, send)
        if confirm is not None:
            with_slot = partial(send_once, self._runtime, with_slot, confirm)
        return await (with_slot() if quota is None else self._with_quota(quota, execution, with_slot))

    async def _with_slot(self, execution: EffectExecution, write: Callable[[], Awaitable[R]]) -> R:
        """Send a write with a slot, and report its result to the slot."""
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

    async def _with_quota(
        self, quota: QuotaName, execution: EffectExecution, write: Callable[[], Awaitable[R]]
    ) -> R:
        """Send a write that counts against a daily quota."""
        while True:
            reservation = await self._reserve_quota(quota)
            try:
                with execution.at_departure(partial(_need_left, reservation, execution)):
                    answer = await write()
            except _SpentMeanwhile:
                reservation.give_back()
            except BaseException as failure:
                if not self._is_refusal_of_the_day(failure, reservation):
                    if not execution.may_have_left:
                        reservation.give_back()
                    raise
            else:
                reservation.confirmed()
                return answer

    def _is_refusal_of_the_day(self, failure: BaseException, reservation: QuotaReservationProtocol) -> bool:
        """Return True if the daily limit may have caused a refusal.

        Reports such a refusal to the quota.
        """
        match failure:
            case ProjectLimitReached(daily=True):
                reservation.refused(failure.retry_after, self._runtime.server_time())
            case RateLimited(is_documented=True, is_daily_limit=True):
                if (failure.retry_after or 0.0) > 2 * REQUEST_WINDOW:
                    reservation.refused(failure.retry_after, self._runtime.server_time())
                else:
                    reservation.rejected(failure.retry_after)
            case _:
                return False
        return True

    async def _reserve_quota(self, quota: QuotaName) -> QuotaReservationProtocol:
        """Reserve one of today's quota, or wait for the daily reset.

        The wait holds no slot.
        """
        quotas = self._runtime.governor.quota
        try:
            return await quotas.reserve(quota, wait=False, who=self.key)
        except QuotaExhausted as spent:
            if not self._policy.wait_for_quota and not _is_over_soon(spent):
                raise
        held = self._slot_lease is not None
        self._release_slot()
        reservation = await self._runtime.registry.rest(quotas.reserve(quota, who=self.key))
        if held:
            try:
                await self._acquire_slot()
            except BaseException:
                reservation.give_back()
                raise
        return reservation


class _Overtaken(Exception):
    """Other productions took the slot before the request was sent."""


class _SpentMeanwhile(Exception):
    """The server reported today's quota as spent before the request was sent."""


def _need_room(lease: SlotLeaseProtocol) -> None:
    if lease.is_oversubscribed:
        raise _Overtaken


def _need_left(reservation: QuotaReservationProtocol, execution: EffectExecution) -> None:
    if reservation.is_oversubscribed and not execution.may_have_left:  # a repeat only asks for the result
        raise _SpentMeanwhile


def _is_over_soon(spent: QuotaExhausted) -> bool:
    """Return True if the wait may be shorter than a day.

    The server did not say which limit it meant.
    """
    return spent.resets_at is not None and spent.resets_at <= clock.now() + timedelta(seconds=REQUEST_WINDOW)
