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
    """A slot held for one production, from create to last automated stage.

    Report each event to it: `mark_sent` before each write that may start the project, `bind` when the project
    is known, `refused` or `rejected` when the server did not perform the write. `release`, or leaving a
    `with` block, reports that the production no longer needs the slot; while the project may be active the
    slot stays occupied all the same, until a poll has seen the project settled.

    Productions that work on one project share its slot: each has a lease of its own, and the slot is free
    when all have released theirs.

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
        """The project that the slot is for, once known."""
        return self._hold.claim.project_id

    @property
    def held(self) -> bool:
        """True if the production still holds the slot."""
        return self._hold.held

    @property
    def active(self) -> bool:
        """True if the project may be active, as far as observations show."""
        return self._hold.claim.active

    @property
    def is_oversubscribed(self) -> bool:
        """True if other projects took its place while its project was settled.

        A write that would start the project now would be refused: release the lease and acquire it again,
        which goes first.
        """
        return self._slots.table.is_oversubscribed(self._hold, self._slots.now())

    def mark_sent(self) -> None:
        """Record that a create, message or render is leaving.

        From now on the server may count the project.
        """
        self._slots.table.mark_sent(self._hold, self._slots.now())

    def bind(self, project_id: str) -> None:
        """Record the production's project, which is known now.

        From now on polls of the project show when the slot is free.
        """
        self._slots.table.bind(self._hold, project_id, self._slots.now())
        self._slots.grant_waiting()

    def refused(self) -> None:
        """Record that the server definitely did not perform the write.

        The production continues to hold the slot.
        """
        self._slots.table.refused(self._hold)
        self._slots.grant_waiting()

    def rejected(self) -> bool:
        """Record that the server says all slots are taken (429 `project_limit`).

        The lease is over: acquire it again, which waits until a poll has shown room.

        Returns:
            False if a complete list has just shown no active project: the server then means the daily limit.
        """
        slots_can_be = self._slots.table.rejected(self._hold, self._slots.now())
        self._slots.grant_waiting()
        return slots_can_be

    def release(self) -> None:
        """Record that the production needs no slot now.

        It has ended, or a person reviews it.
        """
        self._slots.table.release_claim(self._hold)
        self._slots.grant_waiting()

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
    """The slots of one account. `Governor.slots` is one.

    Args:
        limit: Projects active at once; None means no limit.
        clock: The governor's clock.
        expect: Called with every waiter that begins to wait.
    """

    def __init__(self, limit: int | None, clock: LoopClock, expect: Callable[[Waiter], None]) -> None:
        self.table = SlotTable(limit)
        self._clock = clock
        self._expect = expect
        self._alarm = Timer(clock, self.grant_waiting)
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
        """Wait for a slot.

        A key or a project that has one already shares it at once.

        Cancelling loses no slot, also in the instant after it was granted.

        Args:
            key: The production that the slot is for.
            project_id: The production's project, if it has one already.
            place: The name by which a slot is kept for the production, see `expect`; or a project that is
                active already and may be this production's.
            in_flight: True goes before new productions, because this one has begun; implied by a
                `project_id`.
            wait: False raises an error rather than wait.
            who: The name of the production, for people; its key by default.

        Raises:
            WouldWait: No slot is free and `wait` is False.
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
                self.grant_waiting()
                raise
        if project_id is not None:
            self.table.bind(hold, project_id, self.now())
            self.grant_waiting()  # others may wait to work on the same project
        return SlotLease(self, key, hold)

    def has_room(self, key: str, project_id: str | None = None, place: str | None = None) -> bool:
        """Return True if a production would be given a slot at once."""
        return self.table.has_room(key, self.now(), project_id, place)

    def expect(self, place: str, seconds: float) -> None:
        """Keep a slot for a write of an earlier run.

        The outcome of the write is not known yet.

        Args:
            place: The name of the write; the production that adopts it passes the same to `acquire`.
            seconds: Time during which the write may still be performed, in seconds.
        """
        self.table.expect(place, self._clock.loop().time() + seconds)

    def observed(self, project_id: str, status: str, requested_at: float | None = None) -> None:
        """Record a poll that saw a project's status; see `Governor.observed`."""
        now = self.now()
        if self.table.observed(project_id, status, now, now if requested_at is None else requested_at):
            self.grant_waiting()

    def observed_page(
        self, active_ids: Iterable[str], *, complete: bool, requested_at: float | None = None
    ) -> None:
        """Record the active projects of a list; see `Governor.observed_page`."""
        now = self.now()
        requested_at = now if requested_at is None else requested_at
        self.table.observed_page(active_ids, complete=complete, now=now, requested_at=requested_at)
        self.grant_waiting()

    def needs_poll(self) -> bool:
        """Return True if a list of projects would help a waiting production.

        True while others hold slots, while projects are active that no production of ours follows any more,
        or when the server is full and its projects are unknown to us.
        """
        return self.table.needs_poll()

    def on_wait(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Call `callback` whenever a production begins to wait for a slot.

        Returns:
            A function that ends the subscription.
        """
        return self._waits.add(callback)

    def describe(self) -> str:
        """Describe in a sentence what a waiting production waits for."""
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
        """Return the time in clock seconds."""
        return self._clock.time()

    def grant_waiting(self) -> None:
        """Grant slots to waiting productions, and set the timer for the next."""
        now = self.now()
        for ticket in self.table.release(now):
            if ticket.future is not None and not ticket.future.done():
                ticket.future.set_result(ticket.hold)
        self._alarm.set(self.table.next_release(now))

    def _enqueue(self, ticket: SlotTicket) -> "Future[Hold]":
        """Add a ticket to its line and return its future."""
        ticket.future = self._clock.loop().create_future()
        self.table.enqueue(ticket)
        self.grant_waiting()
        self._expect(ticket)
        self._waits.notify()
        return ticket.future
