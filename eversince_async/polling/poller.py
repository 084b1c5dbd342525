"""The poller: one series of polls for all waiters of a client.

Five queued projects polled every 5 s would be 60 requests a minute against 30. So no waiter polls alone:
waiters name the project for which they wait and its last observation, and one poll serves all of them: `GET
/projects/{id}` if one project is awaited, a list page of up to 100 if several are.

A poll is due when the earliest waiter is due, by the documented intervals. Before that, a poll is made if it
is likely to find a change, with requests that no other caller needs (`early`).
"""

import asyncio
import logging
import math
from collections.abc import Iterable
from contextlib import AbstractContextManager
from contextvars import Context
from typing import Final

from eversince_async._redaction import shorten
from eversince_async.lifecycle import ACTIVE, SETTLED
from eversince_async.models.projects import Project, ProjectSummary
from eversince_async.polling.durations import DurationModel, StageInProgress
from eversince_async.polling.early import EarlyPollPolicy, PendingStage
from eversince_async.polling.failures import LIST, FailureStreaks
from eversince_async.polling.nudges import NudgeThrottle
from eversince_async.polling.observation import Observation
from eversince_async.polling.requests import PollRequests
from eversince_async.polling.rounds import PollRounds
from eversince_async.polling.schedule import DEFAULT_POLL_INTERVAL, MIN_POLL_INTERVAL, PollSchedule
from eversince_async.polling.waiters import Waiter, Waiters
from eversince_async.session.session import Session
from eversince_async.tasks import end, is_cancelled

logger: Final = logging.getLogger("eversince_async")

TICK: Final = 0.001
"""Seconds by which a timer may ring early.

A poll that is due within this time counts as due.
"""

MIN_DECISION_INTERVAL_SECONDS: Final = 0.05
"""The shortest time between two decisions, in seconds.

It holds for any decision and any change meanwhile. So no error in a decision can keep a core busy, and many
changes at once are decided on together.
"""

MANY_PROJECTS: Final = 200
"""The number of projects above which decisions are further apart.

With more projects a decision takes longer, and so the next one is as much later.
"""

MAX_UNKNOWN_STATUS_WARNINGS: Final = 100
"""The number of unknown statuses that cause a warning.

A server may send any number of them.
"""


class Poller:
    """A poller for all waiters for a project or a slot.

    At most one poll is under way at a time, and none while there are no waiters.

    Attributes:
        schedule: The intervals of the polls.
        duration_model: The knowledge of how long stages take; a caller that sees a stage end records it
            there.
        decisions: The number of decisions about polls so far.
    """

    def __init__(self, session: Session, schedule: PollSchedule) -> None:
        self.schedule = schedule
        self.duration_model = DurationModel()
        self._seekers: set[_Seeker] = set()
        self.decisions = 0
        self._governor = session.governor
        self._requests = PollRequests(session, self._publish)
        self._timing = EarlyPollPolicy(schedule, session.governor, self.duration_model)
        self._waiters = Waiters()
        self._nudges = NudgeThrottle()
        self._changed = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        self._failures = FailureStreaks(schedule.max_failure_time)
        self._rounds = PollRounds(self._requests, self._waiters, self._failures, session.newborn)
        self._unknown: set[str] = set()
        self._sought_since = math.inf  # the time since which a slot requires polls

    def __repr__(self) -> str:
        return f"<Poller of {len(self._waiters)} projects>"

    async def next_observation(
        self, project_id: str, *, status: str | None, stage: StageInProgress | None = None
    ) -> Observation:
        """Wait for the next observation of a project.

        Cancelling removes the waiter at once.

        Args:
            project_id: The project.
            status: The status that was just observed, which decides when the project is due; None for a new
                project. A poll for another waiter may come earlier, and serves this waiter, too.
            stage: The stage whose end is awaited; None if it is not known when the stage began.

        Raises:
            ApiError: The server refused for good: the key is not valid, or the project does not exist.
            TransportError: Polls have failed without a break for longer than the schedule's
                `max_failure_time`.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        due_at = min(now + self.schedule.interval(status), self._nudges.due_at(project_id, now))
        wait = Waiter(due_at, PendingStage(stage, now), loop.create_future())
        self._waiters.add(project_id, wait)
        self._ensure_running()
        try:
            return await wait.news
        finally:
            self._remove(project_id, wait)

    def nudge(self, project_id: str) -> None:
        """Poll a project now, because it seems to have news.

        A waiter that comes soon afterwards is served, too. Many nudges share a poll, so that they leave the
        request budget to others (`nudges`).
        """
        now = _now()
        self._nudges.add(project_id, now)
        self._waiters.hasten(project_id, self._nudges.due_at(project_id, now))
        self._changed.set()

    async def aclose(self) -> None:
        """Stop polling, and cancel the waiters that are left."""
        is_looking = self._is_running()
        self._waiters.abandon()
        looking, self._looking = self._looking, None
        if looking is not None and is_looking:
            await end(looking)

    # -- Deciding when ----------------------------------------------------------------------------------

    def _ensure_running(self) -> None:
        """Start the polling task if it is not running, and decide anew."""
        if not self._is_running():
            loop = asyncio.get_running_loop()
            self._seekers = {seeker for seeker in self._seekers if seeker.loop is loop}
            self._changed = asyncio.Event()
            self._failures.begin_anew()
            self._looking = asyncio.create_task(
                self._poll_loop(),
                name="eversince poller",
                context=Context(),  # the task serves all waiters, not only the first
            )
        self._changed.set()

    def _is_running(self) -> bool:
        """Return True if the polling task runs in this loop.

        A task whose loop was closed during a poll never ends, and does not count.
        """
        looking, loop = self._looking, asyncio.get_running_loop()
        if looking is None or looking.done():
            return False
        if looking.get_loop() is loop:
            return True
        self._waiters.keep_only_of(loop)
        return False

    @property
    def waiting_for_slot(self) -> AbstractContextManager[None]:
        """A context manager for the time of waiting for a slot.

        It is used as `with poller.waiting_for_slot:`. Meanwhile the poller also notices when a project of
        another client, or one without waiters, has settled.
        """
        return _Seeker(self)

    def seeks(self, seeker: "_Seeker") -> None:
        """Register a caller that waits for a slot."""
        is_first = not self._seekers
        self._seekers.add(seeker)
        if is_first or not self._is_running():
            self._ensure_running()

    def seeks_no_more(self, seeker: "_Seeker") -> None:
        """Unregister a caller that has a slot or has stopped waiting.

        The loop of the caller may be closed by then.
        """
        self._seekers.discard(seeker)
        if not self._seekers and not seeker.loop.is_closed():
            self._changed.set()

    async def _poll_loop(self) -> None:
        try:
            while self._is_wanted():
                await self._decide()
        except asyncio.CancelledError:
            self._waiters.abandon()
            raise

    async def _decide(self) -> None:
        """Make a decision and carry it out.

        The next decision is never less than `APART` away.
        """
        decided_at = _now()
        try:
            await self._poll_once(decided_at)
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            # A task for which the poll waited was cancelled.
            self._failures.hold_all(_now() + MIN_POLL_INTERVAL)
        except Exception as failure:  # noqa: BLE001 - waiters must learn of any exception
            self._rounds.fail_all(failure)
        rest = (
            decided_at + MIN_DECISION_INTERVAL_SECONDS * max(1.0, len(self._waiters) / MANY_PROJECTS) - _now()
        )
        if rest > 0 and self._is_wanted():
            await asyncio.sleep(rest)

    def _is_wanted(self) -> bool:
        return len(self._waiters) > 0 or bool(self._seekers)

    async def _poll_once(self, now: float) -> None:
        """Poll if a poll is due or pays; otherwise wait.

        The wait ends when a poll is due, or when a change requires another decision.
        """
        self.decisions += 1
        due_at = min(self._due_at(), self._slot_due_at(now))
        early_at, at_once = math.inf, now + TICK
        if at_once < due_at and not self._failures.is_failing(LIST):
            early_at = self._timing.next_early_poll(
                list(self._pending()), now, due_at, in_demand=bool(self._seekers)
            )
            early_at = max(early_at, self._failures.not_before(LIST))
        if at_once < min(due_at, early_at):
            await self._wait_until(min(due_at, early_at, now + DEFAULT_POLL_INTERVAL))
            return
        before, self._timing.last_poll_at = self._requests.requests, now
        is_early = at_once < due_at
        await self._rounds.poll(
            self._free_at(at_once) if is_early else self._due_by(at_once),
            now,
            is_slot_sought=self._sought_since < math.inf,
            is_list_due=self._slot_due_at(now) <= at_once,
        )
        if is_early:
            self._timing.record_early(self._requests.requests - before, now)

    async def _wait_until(self, when: float) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout_at(when):
                await self._changed.wait()
        except TimeoutError:
            pass

    def _due_at(self) -> float:
        earliest = math.inf
        for project_id, waits in self._waiters:
            for wait in waits:
                if wait.due_at < earliest:  # rarely true if there are thousands of waits
                    earliest = min(earliest, max(wait.due_at, self._failures.not_before(project_id)))
        return earliest

    def _due_of(self, project_id: str) -> float:
        return max(self._waiters.due_of(project_id), self._failures.not_before(project_id))

    def _due_by(self, now: float) -> set[str]:
        return {project_id for project_id in self._waiters.ids() if self._due_of(project_id) <= now}

    def _free_at(self, now: float) -> set[str]:
        """Return the projects that may be polled before they are due."""
        not_before = self._failures.not_before
        return {project_id for project_id in self._waiters.ids() if not_before(project_id) <= now}

    def _slot_due_at(self, now: float) -> float:
        """Return the time at which a slot seeker needs the list.

        The time is infinite if no caller waits for a slot, or if a poll would not help.
        """
        if not self._seekers or not self._governor.slots.needs_poll():
            self._sought_since = math.inf
            return math.inf
        if self._sought_since == math.inf:
            self._sought_since = now
        if self._rounds.paged_at < self._sought_since:
            due_at = max(self._sought_since, self._rounds.paged_at + MIN_POLL_INTERVAL)
        else:
            due_at = self._rounds.paged_at + DEFAULT_POLL_INTERVAL
        return max(due_at, self._failures.not_before(LIST))

    def _pending(self) -> Iterable[PendingStage]:
        for project_id, waits in self._waiters:
            if not self._failures.is_failing(project_id):
                yield from (wait.unseen for wait in waits)
        if self._sought_since < math.inf:
            yield PendingStage(None, max(self._sought_since, self._rounds.paged_at))

    # -- Telling ----------------------------------------------------------------------------------------

    def _publish(self, project: Project | ProjectSummary, requested_at: float) -> None:
        """Report an observed project to the governor and the waiters.

        A waiter that knows a newer state keeps waiting.
        """
        self._governor.observed(project.id, project.status, requested_at=requested_at)
        self._failures.forget(project.id)
        self._nudges.observed(project.id, requested_at)
        if project.id in self._waiters.ids():
            self._warn_unknown_status(project)
            self._waiters.tell(Observation.of(project, requested_at))

    def _warn_unknown_status(self, project: Project | ProjectSummary) -> None:
        status = project.status
        if (
            status in ACTIVE
            or status in SETTLED
            or status in self._unknown
            or len(self._unknown) >= MAX_UNKNOWN_STATUS_WARNINGS
        ):
            return
        self._unknown.add(status)
        logger.warning(
            "project %s has a status this version does not know, %r: it is watched like a running one",
            project.id,
            shorten(str(status)),
            extra={"project_id": project.id},
        )

    def _remove(self, project_id: str, wait: Waiter) -> None:
        if self._waiters.discard(project_id, wait):
            if project_id not in self._waiters.ids():
                self._failures.forget(project_id)
            self._changed.set()


def _now() -> float:
    return asyncio.get_running_loop().time()


class _Seeker(AbstractContextManager[None]):
    """A caller that waits for a slot, in one loop.

    A caller in a loop that was closed does not count.
    """

    __slots__ = ("_poller", "loop")

    loop: asyncio.AbstractEventLoop

    def __init__(self, poller: Poller) -> None:
        self._poller = poller

    def __enter__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._poller.seeks(self)

    def __exit__(self, *_: object) -> None:
        self._poller.seeks_no_more(self)
