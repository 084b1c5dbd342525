"""The API as durable effects use it.

Its calls go by lane, with a hook before each request, and times are by the server's clock.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property

import attrs

from eversince_async import clock
from eversince_async.governor import GovernorProtocol, Lane
from eversince_async.journal import Json
from eversince_async.journal.fields import Field
from eversince_async.polling.schedule import PollSchedule
from eversince_async.resources import Resources
from eversince_async.session.hooks import RetryScheduled
from eversince_async.session.retry import RetryPolicy
from eversince_async.session.session import Session
from eversince_async.transfers.store import Store


class ApiAccess:
    """The API by lane, and the server's time.

    Attributes:
        session: The client's session.
        store: The store for downloads.
        schedule: The schedule for repeating failed polls.
    """

    def __init__(self, session: Session, store: Store, schedule: PollSchedule) -> None:
        self.session = session
        self.store = store
        self.schedule = schedule

    @property
    def governor(self) -> GovernorProtocol:
        """The governor, which keeps the account's limits."""
        return self.session.governor

    @property
    def retry(self) -> RetryPolicy:
        """The policy for repeating downloads."""
        return self.session.retry

    def server_time(self) -> datetime:
        """Return the time that the server's clock shows.

        The time is told by the server's responses: the clock of this machine may be wrong, or be set.
        """
        return datetime.fromtimestamp(self.session.transport.server_seconds(), UTC)

    def current_moment(self) -> dict[str, Json]:
        """Return the present moment, to store in a baseline.

        It is told by the server's clock and by the boot clock, which is never set.
        """
        moment = clock.moment()
        return {"since": self.server_time().isoformat(), "boot": moment.boot, "seconds": moment.seconds}

    def server_time_of(self, baseline: Mapping[str, Json]) -> datetime:
        """Return the server's time of a moment that `begins` returned.

        The time is by what the server's clock shows now, if the boot clock allows that. The first response of
        a process is the first to tell the server's time; before it, `begins` takes the time from this
        machine's clock.
        """
        since = datetime.fromisoformat(baseline["since"])
        match baseline:
            case {"boot": str() as boot, "seconds": int() | float() as seconds}:
                return self.server_time_at(clock.Moment(boot, seconds), since)
            case _:
                return since

    def server_time_at(self, moment: clock.Moment | None, told: datetime) -> datetime:
        """Return the time that the server's clock showed at a moment.

        Args:
            moment: The moment by the boot clock; None if it is unknown.
            told: The time to return if the moment is unknown, or of a boot clock that this machine cannot
                read.
        """
        passed = None if moment is None else clock.elapsed(moment)
        return told if passed is None else self.server_time() - timedelta(seconds=passed)

    @cached_property
    def api(self) -> Resources:
        """Resources whose calls go in the `work` lane."""
        return Resources(attrs.evolve(self.session, lane=Lane.WORK), self.store)

    @cached_property
    def interactive(self) -> Resources:
        """Resources whose calls go before all others."""
        return Resources(attrs.evolve(self.session, lane=Lane.INTERACTIVE), self.store)

    def for_lane(self, lane: Lane) -> Resources:
        """Return `interactive` for the interactive lane, else `api`."""
        return self.interactive if lane is Lane.INTERACTIVE else self.api

    def with_intent_hook(
        self,
        before_send: Callable[[], Awaitable[object]],
        on_retry: Callable[[RetryScheduled], object],
        lane: Lane,
    ) -> Resources:
        """Return resources as `for_lane`, with hooks for an effect.

        Args:
            before_send: A function that is awaited before each request leaves.
            on_retry: A callback that is told of each retry.
            lane: The lane of the calls.
        """
        observers = self.session.observers
        session = attrs.evolve(
            self.session,
            lane=lane,
            before_send=before_send,
            observers=attrs.evolve(observers, on_retry=(*observers.on_retry, on_retry)),
        )
        return Resources(session, self.store)


def loop_time() -> float:
    """Return the time of the running loop, in seconds."""
    return asyncio.get_running_loop().time()


def moment_to_json(kept: Field) -> dict[str, Json]:
    """Read from a journal what `ApiAccess.begins` returned."""
    begin: dict[str, Json] = {"since": kept["since"].instant().isoformat()}
    boot, seconds = kept.get("boot"), kept.get("seconds")
    if boot is not None and seconds is not None:
        begin |= {"boot": boot.text(), "seconds": seconds.number()}
    return begin
