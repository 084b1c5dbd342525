"""The emulator: a local Eversince that speaks real HTTP."""

import asyncio
import secrets
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, TypedDict

from aiohttp import web

from eversince_async import clock, pace
from eversince_async.emulator import errors
from eversince_async.emulator.account import Account
from eversince_async.emulator.api import ApiHandler
from eversince_async.emulator.connection import Server
from eversince_async.emulator.destinations import Destinations
from eversince_async.emulator.faults import Faults
from eversince_async.emulator.hosts import Hosts
from eversince_async.emulator.limits import Limits
from eversince_async.emulator.listener import Listening
from eversince_async.emulator.project import Project
from eversince_async.emulator.request_target import BASE, RequestTarget
from eversince_async.emulator.revision import RULES, Revision
from eversince_async.emulator.scenario import Scenario, Walk
from eversince_async.emulator.serializers import Serializer, UrlBuilder
from eversince_async.emulator.storage import Storage
from eversince_async.emulator.store import Store
from eversince_async.emulator.studio import Studio
from eversince_async.emulator.webhooks import Delivery, WebhookSender
from eversince_async.emulator.world import World

API_KEY: Final = "es_live_emulator"
"""API key that every emulator accepts."""


class Connection(TypedDict):
    """Keyword arguments of a client.

    Attributes:
        api_key: An API key that the emulator accepts.
        base_url: Base URL of the emulator's API.
    """

    api_key: str
    base_url: str


class Emulator:
    """A faithful local Eversince, on two free ports of this machine.

    One port serves the API, the other the storage.

    ```python
    async with Emulator(scenario=Scenario(failure=0.1)) as emulator:
        async with Eversince(**emulator.connection) as eversince:
            ...
    ```

    A test can inspect and change the emulator's state at any time through `world`, `studio`, `add_project()`
    and `polls()`.

    Args:
        revision: Public revision of the API, "2026-04" or "2026-05".
        scenario: Rules for what happens to projects.
        limits: The limits that the emulator enforces; by default the documented ones.
        faults: Faults to inject; none by default.
        credits: Balance of the account.
        plan: Plan of the account: "pro", "creator", or None for no subscription.
        keys: Further API keys that the emulator accepts.
        state: File in which the state is saved and from which it is restored; None keeps it in memory only.
        host: Address to listen on.
        port: Port of the API; 0 for a free one.
        storage_port: Port of the storage; None for the next one after the API's if that is free, else any.
        webhook_secret: Secret that signs the webhooks; None leaves them unsigned.
        allow_loopback_webhooks: True if plain HTTP to this machine is a valid webhook address too.
        allow_webhooks_to: Internal hosts that webhooks may go to, also by plain HTTP: names, IP addresses, or
            networks such as 10.0.0.0/8. Other hosts must be public, or this machine if the emulator listens
            on loopback only.
        allow_hosts: Further host names under which clients may call the emulator, such as that of its
            container. IP addresses and localhost are always accepted. Other names are refused because a web
            page may have made them up.
        video_bytes: Size to which rendered videos are padded, for downloads that take a while.
        studio_projects: True if there are two studio projects to discover and adopt.

    Raises:
        StateFileError: The state file cannot be used; the message says why.
        SettingRefused: An allowed host is not a valid host or network.
    """

    def __init__(
        self,
        *,
        revision: Revision = "2026-04",
        scenario: Scenario | None = None,
        limits: Limits | None = None,
        faults: Faults | None = None,
        credits: float = 1450,  # noqa: A002 - the server's word
        plan: Literal["creator", "pro"] | None = "creator",
        keys: Iterable[str] = (),
        state: str | Path | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        storage_port: int | None = None,
        webhook_secret: str | None = None,
        allow_loopback_webhooks: bool = False,
        allow_webhooks_to: Iterable[str] = (),
        allow_hosts: Iterable[str] = (),
        video_bytes: int | None = None,
        studio_projects: bool = True,
    ) -> None:
        self.faults = faults or Faults()
        self._hosts = Hosts.of(host, allow_hosts)
        self._destinations = Destinations.of(
            host, plain_loopback=allow_loopback_webhooks, allowed=allow_webhooks_to
        )
        self._store = None if state is None else Store(Path(state))
        secret = secrets.token_hex(16)
        self._world = World(
            RULES[revision],
            limits or Limits(),
            scenario or Scenario(),
            secret=secret if self._store is None else self._store.secret(secret),
        )
        self._world.life.keeps_previous = True
        self._host, self._port, self._storage_port = host, port, storage_port
        self._account = Account(id="acc_emulator", credits=credits, plan=plan)
        self._accepted = (API_KEY, *keys)
        self._studio_projects = studio_projects
        self._webhook_secret = webhook_secret
        self._video_bytes = video_bytes
        self._listening: Listening | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._serving: set[asyncio.Task[Any]] = set()
        self.places = UrlBuilder("", "")

    def __repr__(self) -> str:
        return f"<Emulator {self.places.api or 'not started'} {self._world!r}>"

    # -- Running ------------------------------------------------------------------------------------------

    async def __aenter__(self) -> "Emulator":
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start to listen, with the restored state or a fresh one.

        Raises:
            StateFileError: The state file contains an invalid value.
            OSError: The port is taken.
        """
        assert self._listening is None, "the emulator is running already"
        fresh = self._load()
        server = Server(self._handle, self._answer_malformed)
        self._listening = await Listening.start(server, self._host, self._port, self._storage_port)
        self.places = self._listening.places
        self._populate(fresh=fresh)
        self._arm()

    def _load(self) -> bool:
        """Restore the saved state; return True if there is none."""
        if self._store is None:
            return True
        try:
            return not self._store.load(self._world)
        except BaseException:
            self._store.close()
            raise

    async def stop(self) -> None:
        """Stop listening; a state file keeps its content."""
        if self._listening is None:
            return
        if self._alarm is not None:
            self._alarm.cancel()
        await self.courier.aclose()
        await self._listening.stop()
        self._listening = None
        await self._abandon_serving()
        if self._store is not None:
            try:
                self._store.save(self._world)
            finally:
                self._store.close()

    async def _abandon_serving(self) -> None:
        """Cancel handlers whose client has disconnected; aiohttp no longer tracks them."""
        tasks = list(self._serving)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _populate(self, *, fresh: bool) -> None:
        """Create the handlers, and the account and studio projects behind them."""
        world = self._world
        views = Serializer(world.rules, self.places)
        self.courier = WebhookSender(
            world=world,
            views=views,
            faults=self.faults,
            destinations=self._destinations,
            secret=self._webhook_secret,
        )
        world.life.on_transition = self.courier.on_transition
        self.door = ApiHandler(
            world=world,
            views=views,
            faults=self.faults,
            store=self._store,
            destinations=self._destinations,
            told={} if (own := pace.of(asyncio.get_running_loop())) is None else own.to_headers(),
        )
        self.storage = Storage(world=world, door=self.door, video_bytes=self._video_bytes)
        self.studio = Studio(world)
        now = clock.wall_seconds()
        if fresh:
            world.open_account(self._account)
            if self._studio_projects:
                self.studio.populate(now)
        for text in self._accepted:
            if world.authenticate(text) is None:
                world.add_key(world.account, "Emulator", text, now)
        world.advance(now)

    # -- Inspection ---------------------------------------------------------------------------------------

    @property
    def base_url(self) -> str:
        """The base URL for a client."""
        return self.places.api + BASE

    @property
    def connection(self) -> Connection:
        """Keyword arguments for this package's client: `Eversince(**emulator.connection)`."""
        return {"api_key": API_KEY, "base_url": self.base_url}

    @property
    def world(self) -> World:
        """All state at this moment."""
        self._world.advance(clock.wall_seconds())
        return self._world

    @property
    def account(self) -> Account:
        """The account; a test may change its credits and plan."""
        return self.world.account

    @property
    def deliveries(self) -> list[Delivery]:
        """The latest webhooks."""
        return self.courier.deliveries

    def polls(self, project_id: str) -> list[float]:
        """Return the times at which a project's status was read.

        The times are in seconds after the project's creation. Reads in a list count too.
        """
        created_at = self._world.projects[project_id].created_at
        return [round(at - created_at, 3) for at in self._world.log.looks(project_id)]

    def add_project(
        self,
        brief: str = "A film",
        *,
        status: str = "idle",
        walks: Walk | None = None,
        rendered: bool = False,
        **fields: Any,
    ) -> Project:
        """Add a project without checking limits or charging credits.

        Args:
            brief: The project's brief.
            status: Status of the project. An active project keeps it until a test cancels, releases or fails
                it.
            walks: Statuses and seconds that the project goes through from now on, in place of `status`.
            rendered: True if the project already has a render.
            fields: Further attributes of the project, e.g. `title`, `mode`, `output`.
        """
        project = self.studio.add(
            brief, status=status, walks=walks, rendered=rendered, now=clock.wall_seconds(), fields=fields
        )
        self._arm()
        return project

    # -- Serving ------------------------------------------------------------------------------------------

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            answer = await self._answer(request)
        finally:
            self._serving.discard(task)
        self._arm()
        return answer

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        odd = self._hosts.problem(request.headers.get("Host"), request.raw_path)
        if odd is not None:
            return self.door.refuse(errors.forbidden(odd))
        target = RequestTarget.of(request.raw_path)
        path = target.api_path
        if path is None:
            return await self.storage.handle(request, target)
        return await self.door.handle(request, target, path)

    def _answer_malformed(self, status: int, problem: str) -> web.StreamResponse:
        """Respond to bytes that are not an HTTP request."""
        del problem  # it quotes the request
        known = 400 <= status < 500
        refusal = errors.validation("Malformed HTTP request") if known else errors.internal_error()
        return self.door.refuse(refusal)

    def _arm(self) -> None:
        """Set a timer for the next scheduled change if webhooks need it.

        All other changes are applied when a request or a test reads the state, with the time at which they
        were due. A loop in virtual time then has no timer to stop for.
        """
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        due = self._world.life.next_due() if self._world.life.watched else None
        if due is not None:
            wait = max(0.0, due - clock.wall_seconds())
            self._alarm = asyncio.get_running_loop().call_later(wait, self._wake)

    def _wake(self) -> None:
        self._alarm = None
        self._world.advance(clock.wall_seconds())
        if self._store is not None:
            self._store.save(self._world)
        self._arm()
