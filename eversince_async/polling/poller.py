"""The one who looks: all waits of a client share their looks at the server.

Five queued projects polled every 5 s would be 60 requests a minute against 30. So nobody polls alone:
waiters say which project they wait for and how it was seen last, and one look serves all:
`GET /projects/{id}` when one project is awaited, a list page of up to 100 when several are.

A look is due at the documented interval of whoever is due first. Before that it is taken where it is
likely to find something, out of requests that nobody else wants (`timing`).
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
from eversince_async.polling.failures import LIST, Setbacks
from eversince_async.polling.nudges import NudgeThrottle
from eversince_async.polling.observation import Observation
from eversince_async.polling.requests import PollRequests
from eversince_async.polling.rounds import Rounds
from eversince_async.polling.schedule import DEFAULT_POLL_INTERVAL, MIN_POLL_INTERVAL, PollSchedule
from eversince_async.polling.waiters import Awaited, Wait
from eversince_async.session.session import Session
from eversince_async.tasks import end, is_cancelled

logger: Final = logging.getLogger("eversince_async")

TICK: Final = 0.001
"""Seconds by which a timer may ring before its time: a look that is due in a moment is due."""

APART: Final = 0.05
"""Seconds between two decisions at least, whatever they come to and whatever changes meanwhile. So nothing
that is wrong in them can keep a core busy, and of a storm of changes many are decided on together."""

MANY: Final = 200
"""Projects; of more, a decision takes longer, and so the next one is as much further away."""

TOLD: Final = 100
"""Unknown statuses that are warned of: a server may send any number."""


class Poller:
    """Looks at projects on behalf of everybody who waits for one, or for a slot that others hold.

    At most one look is under way at a time, and none while nobody waits.

    Attributes:
        schedule: How often it looks.
        duration_model: What it knows of how long stages take; whoever sees one end tells.
        decisions: How often it has decided when to look, so far.
    """

    def __init__(self, session: Session, schedule: PollSchedule) -> None:
        self.schedule = schedule
        self.duration_model = DurationModel()
        self._seekers: set[_Seeker] = set()
        self.decisions = 0
        self._governor = session.governor
        self._looks = PollRequests(session, self._publish)
        self._timing = EarlyPollPolicy(schedule, session.governor, self.duration_model)
        self._awaited = Awaited()
        self._nudges = NudgeThrottle()
        self._changed = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        self._setbacks = Setbacks(schedule.max_failure_time)
        self._rounds = Rounds(self._looks, self._awaited, self._setbacks, session.newborn)
        self._unknown: set[str] = set()
        self._sought_since = math.inf  # when looks began to be needed for a slot

    def __repr__(self) -> str:
        return f"<Watcher of {len(self._awaited)} projects>"

    async def next_observation(
        self, project_id: str, *, status: str | None, stage: StageInProgress | None = None
    ) -> Observation:
        """Wait for the next look at a project. Cancelling forgets the wait at once.

        Args:
            project_id: The project.
            status: Its status as it was seen just now, which says when it is due; None for a new one. A look
                for somebody else may come earlier and serves, too.
            stage: The stage whose end is awaited; None when it is not known when it began.

        Raises:
            ApiError: The server refused for good: the key is not valid, there is no such project.
            TransportError: Looks have failed without a break for longer than the schedule's patience.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        due_at = min(now + self.schedule.interval(status), self._nudges.due_at(project_id, now))
        wait = Wait(due_at, PendingStage(stage, now), loop.create_future())
        self._awaited.add(project_id, wait)
        self._ensure_running()
        try:
            return await wait.news
        finally:
            self._remove(project_id, wait)

    def nudge(self, project_id: str) -> None:
        """Look at a project now, if anybody waits for it or soon will: there seems to be news.

        Of a storm of nudges some share a look, so that it leaves the request budget to others (`nudges`).
        """
        now = _now()
        self._nudges.add(project_id, now)
        self._awaited.hasten(project_id, self._nudges.due_at(project_id, now))
        self._changed.set()

    async def aclose(self) -> None:
        """Stop looking. Waits that are still there are cancelled."""
        is_looking = self._is_running()
        self._awaited.abandon()
        looking, self._looking = self._looking, None
        if looking is not None and is_looking:
            await end(looking)

    # -- Deciding when ----------------------------------------------------------------------------------

    def _ensure_running(self) -> None:
        """Somebody waits: decide anew."""
        if not self._is_running():
            loop = asyncio.get_running_loop()
            self._seekers = {seeker for seeker in self._seekers if seeker.loop is loop}
            self._changed = asyncio.Event()
            self._setbacks.begin_anew()
            self._looking = asyncio.create_task(
                self._poll_loop(),
                name="eversince watcher",
                context=Context(),  # it looks for everybody, not for whoever happened to come first
            )
        self._changed.set()

    def _is_running(self) -> bool:
        """Whether somebody looks, in this loop: one that was closed with a look under way never ends it."""
        looking, loop = self._looking, asyncio.get_running_loop()
        if looking is None or looking.done():
            return False
        if looking.get_loop() is loop:
            return True
        self._awaited.keep_only_of(loop)
        return False

    @property
    def waiting_for_slot(self) -> AbstractContextManager[None]:
        """`with watcher.waiting_for_slot:` around a wait for a slot.

        Meanwhile it is seen when a project of others, or one that nobody waits for any more, has settled.
        """
        return _Seeker(self)

    def seeks(self, seeker: "_Seeker") -> None:
        """Somebody begins to wait for a slot."""
        is_first = not self._seekers
        self._seekers.add(seeker)
        if is_first or not self._is_running():
            self._ensure_running()

    def seeks_no_more(self, seeker: "_Seeker") -> None:
        """Somebody has it, or has stopped waiting; or the loop has gone in which that was."""
        self._seekers.discard(seeker)
        if not self._seekers and not seeker.loop.is_closed():
            self._changed.set()

    async def _poll_loop(self) -> None:
        try:
            while self._is_wanted():
                await self._decide()
        except asyncio.CancelledError:
            self._awaited.abandon()
            raise

    async def _decide(self) -> None:
        """Make a decision and carry it out; the next one is never less than `MIN_INTERVAL` away."""
        decided_at = _now()
        try:
            await self._poll_once(decided_at)
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            self._setbacks.hold_all(
                _now() + MIN_POLL_INTERVAL
            )  # something that a look waited for was cancelled
        except Exception as failure:  # noqa: BLE001 - whatever it is, those who wait must learn of it
            self._rounds.fail_all(failure)
        rest = decided_at + APART * max(1.0, len(self._awaited) / MANY) - _now()
        if rest > 0 and self._is_wanted():
            await asyncio.sleep(rest)

    def _is_wanted(self) -> bool:
        return len(self._awaited) > 0 or bool(self._seekers)

    async def _poll_once(self, now: float) -> None:
        """Look if it is time; else wait until it is, or until something changes that."""
        self.decisions += 1
        due_at = min(self._due_at(), self._slot_due_at(now))
        early_at, at_once = math.inf, now + TICK
        if at_once < due_at and not self._setbacks.befell(LIST):
            early_at = self._timing.next_early_poll(
                list(self._pending()), now, due_at, in_demand=bool(self._seekers)
            )
            early_at = max(early_at, self._setbacks.not_before(LIST))
        if at_once < min(due_at, early_at):
            await self._wait_until(min(due_at, early_at, now + DEFAULT_POLL_INTERVAL))
            return
        before, self._timing.last_poll_at = self._looks.requests, now
        is_early = at_once < due_at
        await self._rounds.look(
            self._free_at(at_once) if is_early else self._due_by(at_once),
            now,
            is_slot_sought=self._sought_since < math.inf,
            is_list_due=self._slot_due_at(now) <= at_once,
        )
        if is_early:
            self._timing.record_early(self._looks.requests - before, now)

    async def _wait_until(self, when: float) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout_at(when):
                await self._changed.wait()
        except TimeoutError:
            pass

    def _due_at(self) -> float:
        earliest = math.inf
        for project_id, waits in self._awaited:
            for wait in waits:
                if wait.due_at < earliest:  # as good as never, where there are thousands
                    earliest = min(earliest, max(wait.due_at, self._setbacks.not_before(project_id)))
        return earliest

    def _due_of(self, project_id: str) -> float:
        return max(self._awaited.due_of(project_id), self._setbacks.not_before(project_id))

    def _due_by(self, now: float) -> set[str]:
        return {project_id for project_id in self._awaited.ids() if self._due_of(project_id) <= now}

    def _free_at(self, now: float) -> set[str]:
        """Those that may be looked at before they are due."""
        not_before = self._setbacks.not_before
        return {project_id for project_id in self._awaited.ids() if not_before(project_id) <= now}

    def _slot_due_at(self, now: float) -> float:
        """When to look at the list because somebody waits for a slot that is not ours to free."""
        if not self._seekers or not self._governor.slots.needs_poll():
            self._sought_since = math.inf
            return math.inf
        if self._sought_since == math.inf:
            self._sought_since = now
        if self._rounds.paged_at < self._sought_since:
            due_at = max(self._sought_since, self._rounds.paged_at + MIN_POLL_INTERVAL)
        else:
            due_at = self._rounds.paged_at + DEFAULT_POLL_INTERVAL
        return max(due_at, self._setbacks.not_before(LIST))

    def _pending(self) -> Iterable[PendingStage]:
        for project_id, waits in self._awaited:
            if not self._setbacks.befell(project_id):
                yield from (wait.unseen for wait in waits)
        if self._sought_since < math.inf:
            yield PendingStage(None, max(self._sought_since, self._rounds.paged_at))

    # -- Telling ----------------------------------------------------------------------------------------

    def _publish(self, project: Project | ProjectSummary, requested_at: float) -> None:
        """A look showed a project: tell those who wait, unless they know something newer."""
        self._governor.observed(project.id, project.status, requested_at=requested_at)
        self._setbacks.forget(project.id)
        self._nudges.observed(project.id, requested_at)
        if project.id in self._awaited.ids():
            self._warn_unknown_status(project)
            self._awaited.tell(Observation.of(project, requested_at))

    def _warn_unknown_status(self, project: Project | ProjectSummary) -> None:
        status = project.status
        if status in ACTIVE or status in SETTLED or status in self._unknown or len(self._unknown) >= TOLD:
            return
        self._unknown.add(status)
        logger.warning(
            "project %s has a status this version does not know, %r: it is watched like a running one",
            project.id,
            shorten(str(status)),
            extra={"project_id": project.id},
        )

    def _remove(self, project_id: str, wait: Wait) -> None:
        if self._awaited.discard(project_id, wait):
            if project_id not in self._awaited.ids():
                self._setbacks.forget(project_id)
            self._changed.set()


def _now() -> float:
    return asyncio.get_running_loop().time()


class _Seeker(AbstractContextManager[None]):
    """Somebody waits for a slot, in one loop: what one that was closed has left behind does not count."""

    __slots__ = ("_poller", "loop")

    loop: asyncio.AbstractEventLoop

    def __init__(self, poller: Poller) -> None:
        self._poller = poller

    def __enter__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._poller.seeks(self)

    def __exit__(self, *_: object) -> None:
        self._poller.seeks_no_more(self)
