"""The films of a web application: made in the background, watched by any number of pages.

Nothing here knows a web framework. The applications beside this file say which URL leads where, and each
makes one `Films` when it starts and closes it when it ends.
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
from shelf import Shelf
from words import plain

from eversince_async import ClientClosed, Eversince, EversinceError, Production, Workflow
from eversince_async.governor import GovernorSnapshot

DAY: Final = 86_400.0
STREAM: Final = {  # headers of a stream of events; proxies must not collect them
    "Cache-Control": "no-store", "X-Accel-Buffering": "no",
}  # fmt: skip


class Films:
    """All films of this process.

    Args:
        eversince: The one client of this process. It is closed with this.
        shelf: Where films are kept, so that the next process knows them and goes on with the unfinished ones.
    """

    def __init__(self, eversince: Eversince, shelf: Shelf) -> None:
        self.eversince = eversince
        self._shelf = shelf
        self._films: dict[str, Film] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_ending = False
        self._orders: dict[str, tuple[str, float]] = {}  # by key: whose, and when
        self._most_each = int(os.environ.get("FILMS_EACH", "10"))  # films of one customer in a day
        self._most_in_all = int(os.environ.get("FILMS_IN_ALL", "100"))  # and of all, as one can be several
        self._pace = float(os.environ.get("PACE", "1"))  # seconds between news of the governor
        public_url = os.environ.get("PUBLIC_URL")  # where the server can reach us, if it can
        self._webhook_url = f"{public_url}/webhooks/eversince" if public_url else None
        for record in shelf.records():
            film = self._films[record["id"]] = Film.from_record(record)
            self._orders[film.key] = (film.customer, film.ordered_at)
            if not film.is_over:
                self._begin(film)

    def order(self, customer: str, order: Order) -> Film:
        """Begin a film in the background.

        Raises:
            Refused: The customer has had enough for a day.
        """
        film = Film(uuid.uuid4().hex, customer, order)
        self.admit(customer, film.key)
        self._films[film.id] = film
        self._shelf.put(film.to_record())
        self._begin(film)
        return film

    def admit(self, customer: str, key: str) -> None:
        """Count an order towards the day's; one with the same key is the same.

        Raises:
            Refused: The customer, or all together, have had enough.
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
        """A film by its id, which nobody guesses; whoever has it may watch.

        Raises:
            Refused: There is none.
        """
        film = self._films.get(film_id)
        if film is None:
            raise Refused(404, "there is no such film")
        return film

    def is_news(self, film: Film, last_seen: str | None) -> bool:
        """Whether there is, or will be, anything to tell a page that comes back."""
        return not film.is_over or film.version != last_seen

    async def watch(self, film: Film, last_seen: str | None = None) -> AsyncIterator[str]:
        """Server-Sent Events: the whole film after each change of it, and the governor in between.

        Args:
            film: The film.
            last_seen: The `Last-Event-ID` of a page that comes back. It has missed what came after that.
        """
        yield "retry: 1000\n\n"
        while True:
            if film.version != last_seen:
                last_seen = film.version
                yield f"id: {last_seen}\nevent: film\ndata: {json.dumps(film.to_json())}\n\n"
            yield f"event: pulse\ndata: {json.dumps(self.pulse(film))}\n\n"
            if film.version != last_seen:
                continue  # a page may take its time, and this waits for it
            if film.is_over or self._is_ending:
                return
            await film.news(self._pace)

    def end_streams(self) -> None:
        """Let no page keep the server from ending: they come back by themselves, to the next process."""
        self._is_ending = True
        for film in self._films.values():
            film.wake()

    def pulse(self, film: Film | None = None) -> dict[str, Any]:
        """What time it is, how the account's limits stand, and what a film waits for."""
        seen = self.eversince.governor.snapshot()
        names = {film.key, film.project_id} - {None} if film else set()  # what the governor knows it by
        waits = [wait for wait in seen.waits if wait.who in names]
        return {
            "now": asyncio.get_running_loop().time(),
            "governor": governor_to_json(seen),
            "wait": {"kind": str(waits[0].kind), "text": plain(waits[0].detail)} if waits else None,
        }

    async def aclose(self) -> None:
        """Close the client, by default after films that are about to end.

        What is left is on the shelf, so the handles that `aclose()` gives are not needed.
        """
        self.end_streams()
        how: Any = os.environ.get("ON_SHUTDOWN", "drain")
        patience = float(os.environ.get("PATIENCE", "5"))
        await self.eversince.aclose(productions=how, drain_timeout=patience)
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _begin(self, film: Film) -> None:
        task = asyncio.create_task(self._make(film))
        self._tasks.add(task)  # asyncio itself would forget it
        task.add_done_callback(self._tasks.discard)

    async def _make(self, film: Film) -> None:
        try:
            async with self._workflow(film) as workflow:
                async for event in workflow:
                    knew = film.project_id
                    film.note(event)
                    if film.project_id != knew:
                        self._shelf.put(film.to_record())
                film.ended(await workflow)
        except ClientClosed:
            return  # this process ends; the next one goes on
        except EversinceError as error:
            film.failed(error)
        self._shelf.put(film.to_record())

    def _workflow(self, film: Film) -> Workflow[Production]:
        if film.project_id is not None:
            return self.eversince.resume(film.project_id)
        options: dict[str, Any] = {} if self._webhook_url is None else {"webhook_url": self._webhook_url}
        # The idempotency key is the film's: after a crash the next process gets the same project by it.
        return self.eversince.produce(
            film.brief, aspect_ratio=film.aspect_ratio, idempotency_key=film.key, **options
        )


def governor_to_json(seen: GovernorSnapshot) -> dict[str, Any]:
    """How the account's limits stand, as plain values."""
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
