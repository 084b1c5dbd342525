"""Rounds of polls: the list if it helps, single projects otherwise.

A failure of one project, or of the list, does not concern the others: see `failures`.
"""

import asyncio
import math
from typing import Final

from eversince_async.errors import (
    ApiError,
    EversinceError,
    InvalidRequest,
    InvalidResponse,
    NotFound,
    TransportError,
)
from eversince_async.polling.failures import LIST, FailureStreaks, concerns_account, is_verdict
from eversince_async.polling.requests import PollRequests
from eversince_async.polling.schedule import DEFAULT_POLL_INTERVAL, MIN_POLL_INTERVAL
from eversince_async.polling.waiters import Waiters
from eversince_async.session.new_projects import Newborn

OUTAGE: Final = 3
"""Failures of single polls in a row before others are postponed."""

FAILURES: Final = (ApiError, TransportError, InvalidResponse)
"""The errors with which a poll may fail."""


class PollRounds:
    """A series of polls, with the consequences of those that fail.

    Args:
        requests: The requests.
        waiters: The waiters, which learn of a project that is given up.
        failures: The counts of failed polls.
        newborn: New projects, which may not be visible yet; None for none.

    Attributes:
        paged_at: The time at which the list was polled last, in loop time.
    """

    def __init__(
        self, requests: PollRequests, waiters: Waiters, failures: FailureStreaks, newborn: Newborn | None
    ) -> None:
        self.paged_at = -math.inf
        self._requests = requests
        self._waiters = waiters
        self._failures = failures
        self._newborn = newborn
        self._surveyed_at = -math.inf

    async def poll(self, wanted: set[str], now: float, *, is_slot_sought: bool, is_list_due: bool) -> None:
        """Poll the wanted projects.

        Args:
            wanted: The projects.
            now: The current loop time.
            is_slot_sought: True if a caller waits for a slot and the list would show whether there is one.
            is_list_due: True if the list is due now because of that.
        """
        try:
            if len(self._waiters) == 1 and not is_slot_sought:
                self._failures.end_streak(LIST)  # the list is not polled for now
            elif is_list_due or not self._all_unreadable(wanted):
                wanted = await self._poll_list(wanted, now, is_slot_sought=is_slot_sought)
            await self._poll_each(wanted)
        except ApiError as refusal:
            if not concerns_account(refusal):
                raise
            self.fail_all(refusal)

    def fail_all(self, failure: Exception) -> None:
        """Give all awaited projects up.

        Callers that wait for a slot are still served.
        """
        self._fail(list(self._waiters.ids()), failure)
        self._failures.hold(LIST, _now() + DEFAULT_POLL_INTERVAL)

    # -- The list ---------------------------------------------------------------------------------------

    def _all_unreadable(self, wanted: set[str]) -> bool:
        """Return True if the list does not help with these projects.

        That is so if polls of each of them have failed.
        """
        return bool(wanted) and all(map(self._failures.is_failing, wanted))

    async def _poll_list(self, wanted: set[str], now: float, *, is_slot_sought: bool) -> set[str]:
        """Poll the list; return the projects that must still be polled singly."""
        try:
            missing, complete = await self._requests.list_projects(wanted, self._waiters.ids())
        except FAILURES as failure:
            return wanted if self._is_list_useless(failure) else set()
        self._failures.succeeded(LIST)
        self.paged_at = now
        if is_slot_sought and not complete and self._surveyed_at + DEFAULT_POLL_INTERVAL <= now:
            self._surveyed_at = now
            try:
                await self._requests.list_active(self._waiters.ids())
            except FAILURES as failure:
                self._is_list_useless(failure)
        return missing

    def _is_list_useless(self, failure: EversinceError) -> bool:
        """Record a failed list; return True if single polls must follow.

        Otherwise the projects wait for the next poll of the list.
        """
        if concerns_account(failure):
            raise failure
        now = _now()
        is_too_long = self._failures.failed(LIST, failure, now)
        if is_verdict(failure):
            self._failures.hold(LIST, now + DEFAULT_POLL_INTERVAL)
        if is_too_long or is_verdict(failure) or isinstance(failure, InvalidResponse):
            return True
        self._failures.hold_all(now + MIN_POLL_INTERVAL)
        return False

    # -- Single projects --------------------------------------------------------------------------------

    async def _poll_each(self, project_ids: set[str]) -> None:
        """Poll projects singly, those first that are overdue for longest."""
        order, in_a_row = sorted(project_ids & self._waiters.ids(), key=self._waiters.due_of), 0
        for place, project_id in enumerate(order):
            if project_id not in self._waiters.ids():
                continue
            failure = await self._poll_project(project_id)
            in_a_row = 0 if failure is None else in_a_row + 1
            if failure is not None and in_a_row == OUTAGE:
                self._postpone_rest(order[place + 1 :], failure)
                return

    async def _poll_project(self, project_id: str) -> EversinceError | None:
        """Poll one project; return the failure if it may be temporary."""
        try:
            shown_id = await self._requests.get_project(project_id)
        except InvalidRequest as failure:  # no request can be made with this id
            self._fail([project_id], failure)
            return None
        except FAILURES as failure:
            if concerns_account(failure):
                raise
            if not is_verdict(failure):
                return self._postpone(project_id, failure)
            self._failures.succeeded(project_id)
            if isinstance(failure, NotFound):
                self._handle_not_found(project_id, failure)
            else:
                self._fail([project_id], failure)
            return None
        if shown_id != project_id:
            another = InvalidResponse("$.id", "another project than the one asked for")
            return self._postpone(project_id, another)
        self._failures.succeeded(project_id)
        return None

    def _handle_not_found(self, project_id: str, missing: NotFound) -> None:
        """Give a missing project up, unless it is new.

        A new project may not be visible yet; any other does not exist.
        """
        if self._newborn is not None and self._newborn.may_be_missing(
            project_id, self._requests.requested_at
        ):
            self._failures.hold(project_id, _now() + MIN_POLL_INTERVAL)
        else:
            self._fail([project_id], missing)

    def _postpone(self, project_id: str, failure: EversinceError) -> EversinceError:
        """Poll a project again later, or give it up.

        The project is given up if polls have failed without a break for too long.
        """
        if self._failures.failed(project_id, failure, _now()):
            self._fail([project_id], failure)
        return failure

    def _postpone_rest(self, project_ids: list[str], failure: EversinceError) -> None:
        """Put the other projects off, because one poll after the other fails.

        They are given up if that has lasted too long.
        """
        if self._failures.is_spent(_now()):
            self._fail(project_ids, failure)
        self._failures.hold_all(_now() + MIN_POLL_INTERVAL)

    def _fail(self, project_ids: list[str], failure: Exception) -> None:
        for project_id in project_ids:
            self._failures.forget(project_id)
            self._waiters.fail(project_id, failure)


def _now() -> float:
    return asyncio.get_running_loop().time()
