"""The films of a web application: background work that pages watch.

Nothing here depends on a web framework. Each application in this folder maps its URLs, creates one `Films`
when it starts and closes it when it ends.
"""

import asyncio
import json
import os
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any, Final

from film import Film, Order
from guard import Refused
from storage import FilmStorage
from words import plain

from eversince_async import ClientClosed, Eversince, EversinceError, Production, Workflow
from eversince_async.governor import GovernorSnapshot

DAY: Final = 86_400.0
STREAM: Final = {  # headers of a stream of events; proxies must not buffer it
    "Cache-Control": "no-store", "X-Accel-Buffering": "no",
}  # fmt: skip


class Films:
    """All films of this process.

    Args:
        eversince: The only client of this process; `aclose()` closes it.
        storage: Storage of the films, so that the next process knows them and continues the unfinished ones.
    """

    def __init__(self, eversince: Eversince, storage: FilmStorage) -> None:
        self.eversince = eversince
        self._storage = storage
        self._films: dict[str, Film] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_ending = False
        self._orders: dict[str, tuple[str, float]] = {}  # by key: customer and time
        self._most_each = int(os.environ.get("FILMS_EACH", "10"))  # films of one customer a day
        self._most_in_all = int(
            os.environ.get("FILMS_IN_ALL", "100")
        )  # and of all, as a person can be several
        self._pace = float(os.environ.get("PACE", "1"))  # seconds between updates of the limits
        public_url = os.environ.get("PUBLIC_URL")  # at which the server can reach this application
        self._webhook_url = f"{public_url}/webhooks/eversince" if public_url else None
        for record in storage.records():
            film = self._films[record["id"]] = Film.from_record(record)
            self._orders[film.key] = (film.customer, film.ordered_at)
            if not film.is_over:
                self._begin(film)

    def order(self, customer: str, order: Order) -> Film:
        """Begin a film in the background.

        Raises:
            Refused: The customer has reached the limit of the day.
        """
        film = Film(uuid.uuid4().hex, customer, order)
        self.admit(customer, film.key)
        self._films[film.id] = film
        self._storage.put(film.to_record())
        self._begin(film)
        return film

    def admit(self, customer: str, key: str) -> None:
        """Count an order towards the day's limits.

        An order with the same key counts once.

        Raises:
            Refused: The customer, or all customers together, have reached the limit.
        """
        now = time.time()
        self._orders = {each: order for each, order in self._orders.items() if order[1] > now - DAY}
        if key in self._orders:
            return
        theirs = sum(whose == customer for whose, _ in self._orders.values())
        if theirs >= self._most_each or len(self._orders) >= self._most_in_all:
            raise Refused(429, "That is enough for today. Please come back tomorrow.")
        self._orders[key] = (customer, now)

    def find(self, film_id: str) -> Film:
        """Return a film by its ID.

        The ID cannot be guessed; everyone who has it may watch the film.

        Raises:
            Refused: The film does not exist.
        """
        film = self._films.get(film_id)
        if film is None:
            raise Refused(404, "there is no such film")
        return film

    def is_news(self, film: Film, last_seen: str | None) -> bool:
        """Return True if a returning page has anything to expect."""
        return not film.is_over or film.version != last_seen

    async def watch(self, film: Film, last_seen: str | None = None) -> AsyncIterator[str]:
        """Yield Server-Sent Events: the film after each change, and the limits.

        Args:
            film: The film.
            last_seen: The `Last-Event-ID` of a returning page, which has missed everything after that.
        """
        yield "retry: 1000\n\n"
        while True:
            if film.version != last_seen:
                last_seen = film.version
                yield f"id: {last_seen}\nevent: film\ndata: {json.dumps(film.to_json())}\n\n"
            yield f"event: pulse\ndata: {json.dumps(self.pulse(film))}\n\n"
            if film.version != last_seen:
                continue  # the film changed while a slow page was reading
            if film.is_over or self._is_ending:
                return
            await film.news(self._pace)

    def end_streams(self) -> None:
        """End all streams, so that they do not delay the shutdown.

        The pages reconnect by themselves, to the next process.
        """
        self._is_ending = True
        for film in self._films.values():
            film.wake()

    def pulse(self, film: Film | None = None) -> dict[str, Any]:
        """Return the time, the account's limits, and a film's current wait."""
        seen = self.eversince.governor.snapshot()
        names = {film.key, film.project_id} - {None} if film else set()  # the governor's names of the film
        waits = [wait for wait in seen.waits if wait.who in names]
        return {
            "now": asyncio.get_running_loop().time(),
            "governor": governor_to_json(seen),
            "wait": {"kind": str(waits[0].kind), "text": plain(waits[0].detail)} if waits else None,
        }

    async def aclose(self) -> None:
        """Close the client, by default after films that are about to end.

        Unfinished films are on the storage, so the handles that `aclose()` returns are not needed.
        """
        self.end_streams()
        how: Any = os.environ.get("ON_SHUTDOWN", "drain")
        patience = float(os.environ.get("PATIENCE", "5"))
        await self.eversince.aclose(productions=how, drain_timeout=patience)
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _begin(self, film: Film) -> None:
        task = asyncio.create_task(self._make(film))
        self._tasks.add(task)  # asyncio itself holds no reference
        task.add_done_callback(self._tasks.discard)

    async def _make(self, film: Film) -> None:
        try:
            async with self._workflow(film) as workflow:
                async for event in workflow:
                    before = film.project_id
                    film.note(event)
                    if film.project_id != before:
                        self._storage.put(film.to_record())
                film.ended(await workflow)
        except ClientClosed:
            return  # this process ends; the next one continues
        except EversinceError as error:
            film.failed(error)
        self._storage.put(film.to_record())

    def _workflow(self, film: Film) -> Workflow[Production]:
        if film.project_id is not None:
            return self.eversince.resume(film.project_id)
        options: dict[str, Any] = {} if self._webhook_url is None else {"webhook_url": self._webhook_url}
        # The key belongs to the film: after a crash the next process gets the same project with it.
        return self.eversince.produce(
            film.brief, aspect_ratio=film.aspect_ratio, idempotency_key=film.key, **options
        )


def governor_to_json(seen: GovernorSnapshot) -> dict[str, Any]:
    """Return the account's limits as plain values."""
    return {
        "slots": {
            "limit": seen.slots.limit,
            "ours": len(seen.slots.leases),
            "others": len(seen.slots.foreign),
            "waiting": seen.slots.waiting,
        },
        "requests": {"limit": seen.requests.limit, "used": seen.requests.used},
        "today": {name: {"limit": day.limit, "used": day.used} for name, day in seen.quotas.items()},
        "credits": None if seen.credits is None else seen.credits.balance,
    }
