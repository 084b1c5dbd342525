"""Slots for the account's active projects: waiting for them, and holding them."""

from asyncio import Future
from collections.abc import Callable, Iterable
from types import TracebackType

from eversince_async.errors import WouldWait
from eversince_async.governor.claims import Hold, SlotTicket
from eversince_async.governor.slot_table import SlotTable
from eversince_async.governor.timers import LoopClock, Timer
from eversince_async.governor.waiters import CallbackList, Waiter


class SlotLease:
    """A slot held for one production, from its create to its last automated stage.

    Tell it what happens: `sent` before each write that may start the project, `bind` when the project is
    known, `refused` or `rejected` when the server did not do it. `release`, or leaving a `with`
    block, says that the production needs the slot no more; while the project may be active the slot
    stays occupied all the same, until a look has seen the project settled.

    Productions that work on one project share its slot: each has a lease of its own, and it is free when
    all have let go of it.

    Attributes:
        key: The production's key.
    """

    __slots__ = ("_hold", "_slots", "key")

    def __init__(self, slots: "Slots", key: str, hold: Hold) -> None:
        self._slots = slots
        self._hold = hold
        self.key = key

    @property
    def project_id(self) -> str | None:
        """The project it is for, once known."""
        return self._hold.claim.project_id

    @property
    def held(self) -> bool:
        """Whether the production still holds it."""
        return self._hold.held

    @property
    def active(self) -> bool:
        """Whether the project may be active on the server, as far as we have seen."""
        return self._hold.claim.active

    @property
    def is_oversubscribed(self) -> bool:
        """Whether others have taken its place on the server while its project was settled.

        What would start the project now would be refused: release it and acquire again, which goes first.
        """
        return self._slots.table.is_oversubscribed(self._hold, self._slots.now())

    def mark_sent(self) -> None:
        """A create, message or render is about to leave: from now on the server may count the project."""
        self._slots.table.mark_sent(self._hold, self._slots.now())

    def bind(self, project_id: str) -> None:
        """The project is known: looks at it tell when the slot is free."""
        self._slots.table.bind(self._hold, project_id, self._slots.now())
        self._slots.release()

    def refused(self) -> None:
        """The server definitely did not do what was sent; the production goes on holding the slot."""
        self._slots.table.refused(self._hold)
        self._slots.release()

    def rejected(self) -> bool:
        """The server answered that all slots are taken (429 `project_limit`).

        The lease is over: acquire it again, which waits until a look has shown room.

        Returns:
            Whether slots can be the reason. False when a complete list has just shown that nothing is
            active: then it is the day's limit that is meant.
        """
        slots_can_be = self._slots.table.rejected(self._hold, self._slots.now())
        self._slots.release()
        return slots_can_be

    def release(self) -> None:
        """The production needs no slot now: it has ended, or a person reviews it."""
        self._slots.table.release_claim(self._hold)
        self._slots.release()

    def __enter__(self) -> "SlotLease":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def __repr__(self) -> str:
        state = "held" if self.held else "given up"
        return f"<Lease {self.key!r} project={self.project_id} {state}{', active' if self.active else ''}>"


class Slots:
    """Who may have an active project. `Governor.slots` is one.

    Args:
        limit: Projects active at once; None: no limit.
        clock: The governor's clock.
        expect: Told of everybody who begins to wait.
    """

    def __init__(self, limit: int | None, clock: LoopClock, expect: Callable[[Waiter], None]) -> None:
        self.table = SlotTable(limit)
        self._clock = clock
        self._expect = expect
        self._alarm = Timer(clock, self.release)
        self._waits: CallbackList[[]] = CallbackList()
        clock.on_loop_change(self.table.move)

    async def acquire(
        self,
        key: str,
        *,
        project_id: str | None = None,
        place: str | None = None,
        in_flight: bool = False,
        wait: bool = True,
        who: str | None = None,
    ) -> SlotLease:
        """Wait for a slot; a key, or project, that has one shares it at once.

        Cancelling loses no slot, also in the instant after it was granted.

        Args:
            key: The production it is for.
            project_id: Its project, if it has one already.
            place: What a slot is kept for it by, see `expect`; or a project that is active already and may be
                its.
            in_flight: Go before new productions, because this one has begun; true with a `project_id`.
            wait: False: raise rather than wait.
            who: What to call it to people; its key by default.

        Raises:
            WouldWait: There is no slot and the caller would not wait.
            ConfigurationError: The governor is in use by another running event loop.
        """
        now = self._clock.loop().time()
        hold = self.table.claim(key, now, project_id, place)
        if hold is None:
            if not wait:
                raise WouldWait(self.describe(), seconds=None)
            ticket = SlotTicket(key, now, project_id=project_id, place=place, in_flight=in_flight, who=who)
            try:
                hold = await self._enqueue(ticket)
            except BaseException:
                self.table.withdraw(ticket)
                self.release()
                raise
        if project_id is not None:
            self.table.bind(hold, project_id, self.now())
            self.release()  # others may wait to work on the same
        return SlotLease(self, key, hold)

    def has_room(self, key: str, project_id: str | None = None, place: str | None = None) -> bool:
        """Whether a production would be given a slot at once."""
        return self.table.has_room(key, self.now(), project_id, place)

    def expect(self, place: str, seconds: float) -> None:
        """Keep a slot for a write of an earlier run, of which nobody knows yet what came of it.

        Args:
            place: What it is known by; whoever takes it up says the same to `acquire`.
            seconds: For how long it may still be carried out.
        """
        self.table.expect(place, self._clock.loop().time() + seconds)

    def observed(self, project_id: str, status: str, requested_at: float | None = None) -> None:
        """A look saw a project in a status; see `Governor.observed`."""
        now = self.now()
        if self.table.observed(project_id, status, now, now if requested_at is None else requested_at):
            self.release()

    def observed_page(
        self, active_ids: Iterable[str], *, complete: bool, requested_at: float | None = None
    ) -> None:
        """A list showed active projects; see `Governor.observed_page`."""
        now = self.now()
        requested_at = now if requested_at is None else requested_at
        self.table.observed_page(active_ids, complete=complete, now=now, requested_at=requested_at)
        self.release()

    def needs_poll(self) -> bool:
        """Whether somebody waits for a slot and a list of projects would help.

        True while others hold slots, while projects are active that no production of ours follows any
        more, or when the server is full and we do not know with what.
        """
        return self.table.needs_poll()

    def on_wait(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Call `callback` whenever somebody begins to wait for a slot; returns what ends that."""
        return self._waits.add(callback)

    def describe(self) -> str:
        """What a production that waits is waiting for, in a sentence."""
        table, now = self.table, self._clock.time()
        limit = table.limit(now)
        if limit is None:
            return "the server says that all active projects are taken"
        ours, foreign = len(table.claims), len(table.external)
        others = f", {foreign} of them not ours" if foreign else ""
        if ours + foreign < limit and table.courtesy_places(now):
            return f"others may go on with the place they just left{others}"
        if ours + foreign < limit:
            return f"the server has all slots taken, of which we know {ours + foreign}{others}"
        if limit == 1:
            return "the one active project is taken"
        return f"all {limit} active projects are taken{others}"

    def now(self) -> float:
        """Clock seconds."""
        return self._clock.time()

    def release(self) -> None:
        """Let go on whoever's turn has come, and come back if time alone may change something."""
        now = self.now()
        for ticket in self.table.release(now):
            if ticket.future is not None and not ticket.future.done():
                ticket.future.set_result(ticket.hold)
        self._alarm.set(self.table.next_release(now))

    def _enqueue(self, ticket: SlotTicket) -> "Future[Hold]":
        """What a ticket in line waits for."""
        ticket.future = self._clock.loop().create_future()
        self.table.enqueue(ticket)
        self.release()
        self._expect(ticket)
        self._waits.notify()
        return ticket.future
