"""Writing to a project: with one of the account's slots, and one of what a day has only so many of."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from typing import TypeVar

from eversince_async.errors import (
    EversinceError,
    ProjectLimitReached,
    QuotaSpent,
    RateLimited,
)
from eversince_async.governor import QuotaName
from eversince_async.governor.protocol import HeldSlot, TakenOfDay
from eversince_async.models._base import Response
from eversince_async.orchestrator.doubt import is_in_doubt
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

    async def _take_slot(self) -> HeldSlot:
        if self._lease is None:
            slots, in_flight = self._desk.governor.slots, self.project_id is not None
            with nullcontext() if slots.has_room(self.key) else self._desk.watcher.seeking_slot:
                self._lease = await slots.acquire(self.key, project_id=self.project_id, in_flight=in_flight)
            self._desk.underway.holders.add(self)
        return self._lease

    def _leave_slot(self) -> None:
        lease, self._lease = self._lease, None
        self._desk.underway.holders.discard(self)
        if lease is not None:
            lease.release()

    async def _written(self, write: Callable[[], Awaitable[R]]) -> R:
        """Do what makes the project active, telling its slot what became of it."""
        while True:
            lease = await self._take_slot()
            if lease.overtaken:
                self._leave_slot()
                continue
            lease.sent()
            if self.begun_at is None:
                self.begun_at = self._now()
            try:
                answer = await write()
            except ProjectLimitReached as refusal:
                refusal.daily = not lease.turned_away()
                self._lease = None
                if refusal.daily:
                    raise
            except EversinceError as failure:
                if not is_in_doubt(failure):
                    lease.refused()
                raise
            else:
                self._note(answer)
                return answer

    async def _counted(self, quota: QuotaName, write: Callable[[], Awaitable[R]]) -> R:
        """Do what the day has only so many of."""
        while True:
            taken = await self._of_today(quota)
            try:
                answer = await write()
            except EversinceError as failure:
                if is_of_the_day(failure):
                    taken.refused(getattr(failure, "retry_after", None), self._desk.server_now())
                    continue
                if not is_in_doubt(failure):
                    taken.give_back()
                raise
            taken.confirmed()
            return answer

    async def _of_today(self, quota: QuotaName) -> TakenOfDay:
        """Take one of today's; while there is none, wait for tomorrow without holding a slot."""
        quotas = self._desk.governor.quota
        try:
            return await quotas.take(quota, wait=False, who=self.key)
        except QuotaSpent:
            if not self._terms.wait_for_quota:
                raise
        held = self._lease is not None
        self._leave_slot()
        taken = await quotas.take(quota, who=self.key)
        if held:
            try:
                await self._take_slot()
            except BaseException:
                taken.give_back()
                raise
        return taken


def is_of_the_day(failure: EversinceError) -> bool:
    """Whether a refusal means the day's limit, and not the minute's or the slots'.

    The code of the render limit is not documented. `rate_limited` while the answer's own headers show
    requests left, or with a wait that is longer than any minute, is not about the minute.
    """
    match failure:
        case ProjectLimitReached():
            return failure.daily is True
        case RateLimited(is_documented=True):
            return failure.is_not_of_the_minute
        case _:
            return False
