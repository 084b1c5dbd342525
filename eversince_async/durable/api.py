"""The API as durable effects use it: by lane, with a hook before each request, and by the server's clock."""

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
        store: For downloads.
        schedule: How patiently failed polls are repeated.
    """

    def __init__(self, session: Session, store: Store, schedule: PollSchedule) -> None:
        self.session = session
        self.store = store
        self.schedule = schedule

    @property
    def governor(self) -> GovernorProtocol:
        """The account's limits."""
        return self.session.governor

    @property
    def retry(self) -> RetryPolicy:
        """How patiently downloads are repeated."""
        return self.session.retry

    def server_time(self) -> datetime:
        """What the server's clock shows, as far as its answers tell: ours may be wrong, or be set."""
        return datetime.fromtimestamp(self.session.transport.server_seconds(), UTC)

    def begins(self) -> dict[str, Json]:
        """This instant, for a baseline: by the server's clock and by one that nobody sets."""
        moment = clock.moment()
        return {"since": self.server_time().isoformat(), "boot": moment.boot, "seconds": moment.seconds}

    def began(self, baseline: Mapping[str, Json]) -> datetime:
        """When the server's clock shows what `begins` has told, by what it shows now if that can be told.

        The first answer of a process is the first to tell its time; before, that was taken from our clock.
        """
        told = datetime.fromisoformat(baseline["since"])
        match baseline:
            case {"boot": str() as boot, "seconds": int() | float() as seconds}:
                return self.server_time_at(clock.Moment(boot, seconds), told)
            case _:
                return told

    def server_time_at(self, moment: clock.Moment | None, told: datetime) -> datetime:
        """What the server's clock showed at a moment; as was `told` then, if that clock is not ours."""
        passed = None if moment is None else clock.elapsed(moment)
        return told if passed is None else self.server_time() - timedelta(seconds=passed)

    @cached_property
    def api(self) -> Resources:
        """Resources whose calls go in the `work` lane."""
        return Resources(attrs.evolve(self.session, lane=Lane.WORK), self.store)

    @cached_property
    def interactive(self) -> Resources:
        """Resources whose calls go before everything else."""
        return Resources(attrs.evolve(self.session, lane=Lane.INTERACTIVE), self.store)

    def for_lane(self, lane: Lane) -> Resources:
        """`api` or `interactive`."""
        return self.interactive if lane is Lane.INTERACTIVE else self.api

    def with_intent_hook(
        self,
        before_send: Callable[[], Awaitable[object]],
        on_retry: Callable[[RetryScheduled], object],
        lane: Lane,
    ) -> Resources:
        """As `for_lane`, with something awaited before each request leaves, and told of what is repeated."""
        observers = self.session.observers
        session = attrs.evolve(
            self.session,
            lane=lane,
            before_send=before_send,
            observers=attrs.evolve(observers, on_retry=(*observers.on_retry, on_retry)),
        )
        return Resources(session, self.store)


def loop_time() -> float:
    """Loop time, in seconds."""
    return asyncio.get_running_loop().time()


def begin_to_json(kept: Field) -> dict[str, Json]:
    """What `Runtime.begins` has told, from a journal."""
    told: dict[str, Json] = {"since": kept["since"].instant().isoformat()}
    boot, seconds = kept.get("boot"), kept.get("seconds")
    if boot is not None and seconds is not None:
        told |= {"boot": boot.text(), "seconds": seconds.number()}
    return told
