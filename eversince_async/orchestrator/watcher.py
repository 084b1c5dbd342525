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

import attrs

from eversince_async._redaction import shorten
from eversince_async.errors import (
    ApiError,
    EversinceError,
    InvalidRequest,
    NotFound,
    TransportError,
    UnreadableAnswer,
    copy_of,
)
from eversince_async.lifecycle import ACTIVE, SETTLED
from eversince_async.models.projects import Project, ProjectSummary
from eversince_async.orchestrator.foresight import Foresight, UnderWay
from eversince_async.orchestrator.looks import Looks
from eversince_async.orchestrator.nudges import Nudges
from eversince_async.orchestrator.schedule import CLOSEST, UNKNOWN_EVERY, PollSchedule
from eversince_async.orchestrator.setbacks import LIST, Setbacks, concerns_account, is_verdict
from eversince_async.orchestrator.sighting import Sighting
from eversince_async.orchestrator.timing import Timing, Unseen
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

OUTAGE: Final = 3
"""Looks at single projects that fail in a row, after which others are not tried for now."""

FAILURES: Final = (ApiError, TransportError, UnreadableAnswer)
"""What a look may come to instead of an answer that can be read."""


@attrs.define(eq=False)
class _Wait:
    """Somebody waits for a look at one project."""

    due_at: float
    unseen: Unseen
    news: "asyncio.Future[Sighting]"


class Watcher:
    """Looks at projects on behalf of everybody who waits for one, or for a slot that others hold.

    At most one look is under way at a time, and none while nobody waits.

    Attributes:
        schedule: How often it looks.
        foresight: What it knows of how long stages take; whoever sees one end tells.
        decisions: How often it has decided when to look, so far.
    """

    def __init__(self, session: Session, schedule: PollSchedule) -> None:
        self.schedule = schedule
        self.foresight = Foresight()
        self._seekers: set[_Seeker] = set()
        self.decisions = 0
        self._governor = session.governor
        self._newborn = session.newborn
        self._looks = Looks(session, self._tell)
        self._timing = Timing(schedule, session.governor, self.foresight)
        self._waits: dict[str, set[_Wait]] = {}
        self._nudges = Nudges()
        self._changed = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        self._setbacks = Setbacks(schedule.patience)
        self._unknown: set[str] = set()
        self._sought_since = math.inf  # when looks began to be needed for a slot
        self._paged_at = -math.inf
        self._surveyed_at = -math.inf

    def __repr__(self) -> str:
        return f"<Watcher of {len(self._waits)} projects>"

    async def sight(self, project_id: str, *, status: str | None, stage: UnderWay | None = None) -> Sighting:
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
        wait = _Wait(due_at, Unseen(stage, now), loop.create_future())
        self._waits.setdefault(project_id, set()).add(wait)
        self._wake()
        try:
            return await wait.news
        finally:
            self._forget(project_id, wait)

    def nudge(self, project_id: str) -> None:
        """Look at a project now, if anybody waits for it or soon will: there seems to be news.

        Of a storm of nudges some share a look, so that it leaves the request budget to others (`nudges`).
        """
        now = _now()
        self._nudges.note(project_id, now)
        due_at = self._nudges.due_at(project_id, now)
        for wait in self._waits.get(project_id, ()):
            wait.due_at = min(wait.due_at, due_at)
        self._changed.set()

    async def aclose(self) -> None:
        """Stop looking. Waits that are still there are cancelled."""
        is_looking = self._is_looking()
        self._abandon()
        looking, self._looking = self._looking, None
        if looking is not None and is_looking:
            await end(looking)

    def _abandon(self) -> None:
        """Nobody looks any more: whoever waits would wait for ever."""
        for project_id in list(self._waits):
            for wait in self._waits.pop(project_id):
                wait.news.cancel()

    # -- Deciding when ----------------------------------------------------------------------------------

    def _wake(self) -> None:
        """Somebody waits: decide anew."""
        if not self._is_looking():
            loop = asyncio.get_running_loop()
            self._seekers = {seeker for seeker in self._seekers if seeker.loop is loop}
            self._changed = asyncio.Event()
            self._setbacks.begin_anew()
            self._looking = asyncio.create_task(
                self._look_while_awaited(),
                name="eversince watcher",
                context=Context(),  # it looks for everybody, not for whoever happened to come first
            )
        self._changed.set()

    def _is_looking(self) -> bool:
        """Whether somebody looks, in this loop: one that was closed with a look under way never ends it."""
        looking, loop = self._looking, asyncio.get_running_loop()
        if looking is None or looking.done():
            return False
        if looking.get_loop() is loop:
            return True
        self._waits = {
            project_id: here
            for project_id, waits in self._waits.items()
            if (here := {wait for wait in waits if wait.news.get_loop() is loop})
        }
        return False

    @property
    def seeking_slot(self) -> AbstractContextManager[None]:
        """`with watcher.seeking_slot:` around a wait for a slot.

        Meanwhile it is seen when a project of others, or one that nobody waits for any more, has settled.
        """
        return _Seeker(self)

    def seeks(self, seeker: "_Seeker") -> None:
        """Somebody begins to wait for a slot."""
        is_first = not self._seekers
        self._seekers.add(seeker)
        if is_first or not self._is_looking():
            self._wake()

    def seeks_no_more(self, seeker: "_Seeker") -> None:
        """Somebody has it, or has stopped waiting; or the loop has gone in which that was."""
        self._seekers.discard(seeker)
        if not self._seekers and not seeker.loop.is_closed():
            self._changed.set()

    async def _look_while_awaited(self) -> None:
        while self._is_wanted():
            decided_at = _now()
            try:
                await self._wait_and_look(decided_at)
            except asyncio.CancelledError:
                if is_cancelled():
                    self._abandon()
                    raise
                self._setbacks.hold_all(_now() + CLOSEST)  # something that a look waited for was cancelled
            except Exception as failure:  # noqa: BLE001 - whatever it is, those who wait must learn of it
                self._fail(list(self._waits), failure)
                self._setbacks.hold(LIST, _now() + UNKNOWN_EVERY)  # whoever seeks a slot is not left alone
            rest = decided_at + APART * max(1.0, len(self._waits) / MANY) - _now()
            if rest > 0 and self._is_wanted():
                await asyncio.sleep(rest)

    def _is_wanted(self) -> bool:
        return bool(self._waits) or bool(self._seekers)

    async def _wait_and_look(self, now: float) -> None:
        """Look if it is time; else wait until it is, or until something changes that."""
        self.decisions += 1
        due_at = min(self._due_at(), self._due_for_slot(now))
        early_at, at_once = math.inf, now + TICK
        if at_once < due_at and not self._setbacks.befell(LIST):
            early_at = self._timing.early_at(list(self._unseen()), now, due_at, in_demand=bool(self._seekers))
            early_at = max(early_at, self._setbacks.not_before(LIST))
        if at_once < min(due_at, early_at):
            await self._sleep_until(min(due_at, early_at, now + UNKNOWN_EVERY))
            return
        before, self._timing.looked_at = self._looks.requests, now
        is_early = at_once < due_at
        await self._look(self._free_at(at_once) if is_early else self._due_by(at_once), now)
        if is_early:
            self._timing.bought(self._looks.requests - before, now)

    async def _sleep_until(self, when: float) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout_at(when):
                await self._changed.wait()
        except TimeoutError:
            pass

    def _due_at(self) -> float:
        earliest = math.inf
        for project_id, waits in self._waits.items():
            for wait in waits:
                if wait.due_at < earliest:  # as good as never, where there are thousands
                    earliest = min(earliest, max(wait.due_at, self._setbacks.not_before(project_id)))
        return earliest

    def _due_of(self, project_id: str) -> float:
        due_at = min([wait.due_at for wait in self._waits[project_id]])
        return max(due_at, self._setbacks.not_before(project_id))

    def _due_by(self, now: float) -> set[str]:
        return {project_id for project_id in self._waits if self._due_of(project_id) <= now}

    def _free_at(self, now: float) -> set[str]:
        """Those that may be looked at before they are due."""
        return {project_id for project_id in self._waits if self._setbacks.not_before(project_id) <= now}

    def _due_for_slot(self, now: float) -> float:
        """When to look at the list because somebody waits for a slot that is not ours to free."""
        if not self._seekers or not self._governor.slots.needs_look():
            self._sought_since = math.inf
            return math.inf
        if self._sought_since == math.inf:
            self._sought_since = now
        if self._paged_at < self._sought_since:
            due_at = max(self._sought_since, self._paged_at + CLOSEST)
        else:
            due_at = self._paged_at + UNKNOWN_EVERY
        return max(due_at, self._setbacks.not_before(LIST))

    def _unseen(self) -> Iterable[Unseen]:
        for project_id, waits in self._waits.items():
            if not self._setbacks.befell(project_id):
                yield from (wait.unseen for wait in waits)
        if self._sought_since < math.inf:
            yield Unseen(None, max(self._sought_since, self._paged_at))

    # -- Looking ----------------------------------------------------------------------------------------

    async def _look(self, wanted: set[str], now: float) -> None:
        try:
            if len(self._waits) == 1 and self._sought_since == math.inf:
                self._setbacks.end_streak(LIST)  # which is not looked at for now
            elif not self._are_odd(wanted) or self._due_for_slot(now) <= now + TICK:
                wanted = await self._look_at_list(wanted, now)
            await self._look_at_each(wanted)
        except ApiError as refusal:
            if not concerns_account(refusal):
                raise
            self._fail(list(self._waits), refusal)
            self._setbacks.hold(LIST, _now() + UNKNOWN_EVERY)  # for whoever seeks a slot

    def _are_odd(self, wanted: set[str]) -> bool:
        """Whether these are only projects that the list does not help with: each has failed by itself."""
        return bool(wanted) and all(map(self._setbacks.befell, wanted))

    async def _look_at_list(self, wanted: set[str], now: float) -> set[str]:
        """Look at the list; which projects are still to be looked at singly."""
        try:
            missing, complete = await self._looks.through(wanted, self._waits.keys())
        except FAILURES as failure:
            return wanted if self._list_is_useless(failure) else set()
        self._setbacks.succeeded(LIST)
        self._paged_at = now
        if self._sought_since < math.inf and not complete and self._surveyed_at + UNKNOWN_EVERY <= now:
            self._surveyed_at = now
            try:
                await self._looks.survey(self._waits.keys())
            except FAILURES as failure:
                self._list_is_useless(failure)
        return missing

    def _list_is_useless(self, failure: EversinceError) -> bool:
        """The list has failed: whether projects are to be looked at singly rather than with the next one."""
        if concerns_account(failure):
            raise failure
        now = _now()
        is_too_long = self._setbacks.failed(LIST, failure, now)
        if is_verdict(failure):
            self._setbacks.hold(LIST, now + UNKNOWN_EVERY)
        if is_too_long or is_verdict(failure) or isinstance(failure, UnreadableAnswer):
            return True
        self._setbacks.hold_all(now + CLOSEST)
        return False

    async def _look_at_each(self, project_ids: set[str]) -> None:
        """Look at projects singly, those that are overdue for longest first."""
        there = {project_id: self._waits[project_id] for project_id in project_ids & self._waits.keys()}
        order = sorted(there, key=lambda project_id: min(wait.due_at for wait in there[project_id]))
        in_a_row = 0
        for place, project_id in enumerate(order):
            failure = await self._look_at(project_id)
            in_a_row = 0 if failure is None else in_a_row + 1
            if failure is not None and in_a_row == OUTAGE:
                self._leave(order[place + 1 :], failure)
                return

    async def _look_at(self, project_id: str) -> EversinceError | None:
        """Look at one project; return what has kept us from it, if that may pass."""
        try:
            seen = await self._looks.at(project_id)
        except InvalidRequest as failure:  # it has an id that cannot be asked for
            self._fail([project_id], failure)
            return None
        except FAILURES as failure:
            if concerns_account(failure):
                raise
            if not is_verdict(failure):
                return self._put_off(project_id, failure)
            self._setbacks.succeeded(project_id)
            if isinstance(failure, NotFound):
                self._missing(project_id, failure)
            else:
                self._fail([project_id], failure)
            return None
        if seen != project_id:
            another = UnreadableAnswer("$.id", "another project than the one asked for")
            return self._put_off(project_id, another)
        self._setbacks.succeeded(project_id)
        return None

    def _put_off(self, project_id: str, failure: EversinceError) -> EversinceError:
        """Look at a project again later, unless looks have failed without a break for too long."""
        if self._setbacks.failed(project_id, failure, _now()):
            self._fail([project_id], failure)
        return failure

    def _leave(self, project_ids: list[str], failure: EversinceError) -> None:
        """Look at others later, as one look after the other fails; or never, if that has lasted too long."""
        if self._setbacks.is_spent(_now()):
            self._fail(project_ids, failure)
        self._setbacks.hold_all(_now() + CLOSEST)

    # -- Telling ----------------------------------------------------------------------------------------

    def _tell(self, project: Project | ProjectSummary, asked_at: float) -> None:
        """A look showed a project: tell those who wait, unless they know something newer."""
        self._governor.observed(project.id, project.status, asked_at=asked_at)
        self._setbacks.forget(project.id)
        self._nudges.seen(project.id, asked_at)
        waits = self._waits.get(project.id)
        if waits is None:
            return
        self._warn_of(project)
        sighting = Sighting.of(project, asked_at)
        for wait in [wait for wait in waits if wait.unseen.seen_at <= asked_at]:
            waits.discard(wait)
            if not wait.news.done():
                wait.news.set_result(sighting)
        if not waits:
            del self._waits[project.id]

    def _warn_of(self, project: Project | ProjectSummary) -> None:
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

    def _missing(self, project_id: str, missing: NotFound) -> None:
        """A project that was only just created may not be visible yet; any other does not exist."""
        now = _now()
        if self._newborn is not None and self._newborn.may_be_missing(project_id, self._looks.asked_at):
            self._setbacks.hold(project_id, now + CLOSEST)
        else:
            self._fail([project_id], missing)

    def _fail(self, project_ids: list[str], failure: Exception) -> None:
        """End waits with an error, one for each: one that many raise would gather all their tracebacks."""
        for project_id in project_ids:
            self._setbacks.forget(project_id)
            for wait in self._waits.pop(project_id, ()):
                if not wait.news.done():
                    wait.news.set_exception(copy_of(failure))

    def _forget(self, project_id: str, wait: _Wait) -> None:
        waits = self._waits.get(project_id)
        if waits is None or wait not in waits:
            return
        waits.discard(wait)
        if not waits:
            del self._waits[project_id]
            self._setbacks.forget(project_id)
        self._changed.set()


def _now() -> float:
    return asyncio.get_running_loop().time()


class _Seeker(AbstractContextManager[None]):
    """Somebody waits for a slot, in one loop: what one that was closed has left behind does not count."""

    __slots__ = ("_watcher", "loop")

    loop: asyncio.AbstractEventLoop

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    def __enter__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._watcher.seeks(self)

    def __exit__(self, *_: object) -> None:
        self._watcher.seeks_no_more(self)
