"""Webhooks: signed, sent once, ten seconds to answer, never for queued and cancelled."""

import asyncio
import hashlib
import hmac
import json
import logging
from typing import Final

import aiohttp
import attrs

from eversince_async import clock
from eversince_async.emulator.destinations import Destinations, InternalTarget
from eversince_async.emulator.faults import Faults
from eversince_async.emulator.project import Project
from eversince_async.emulator.serializers import Serializer
from eversince_async.emulator.world import World

SILENT: Final = frozenset({"queued", "cancelled"})
"""Statuses that send no webhook."""

TIMEOUT: Final = 10.0
"""Seconds a receiver has to answer."""

KEPT: Final = 10_000
"""Deliveries that are remembered."""

KEPT_BYTES: Final = 32 * 2**20
"""Bytes of their bodies; with the oldest the deliveries go, too."""

logger: Final = logging.getLogger("eversince_async.emulator")


@attrs.define
class Delivery:
    """One webhook.

    Attributes:
        at: Unix seconds when it was sent.
        url: Where to.
        event: Which.
        project_id: Of which project.
        body: What was sent.
        status: Status of the receiver's answer; None if there was none.
        problem: Why there was none: "lost" for a fault, "InternalTarget" for a host it is not sent to, else
            the kind of error.
    """

    at: float
    url: str
    event: str
    project_id: str
    body: bytes
    status: int | None = None
    problem: str | None = None


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """The `X-Eversince-Signature` of a body."""
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"sha256={digest}"


@attrs.define(kw_only=True)
class WebhookSender:
    """Sends webhooks as projects enter statuses.

    Attributes:
        world: Whose projects.
        views: Shapes of the payload.
        faults: Decides which are lost.
        destinations: Where they may go.
        secret: Signing secret; None sends them unsigned.
        deliveries: What was sent lately, oldest first.
    """

    world: World
    views: Serializer
    faults: Faults
    destinations: Destinations
    secret: str | None
    deliveries: list[Delivery] = attrs.field(factory=list)
    _bytes: int = 0
    _told_of: set[str] = attrs.field(factory=set)
    _session: aiohttp.ClientSession | None = None
    _under_way: set[asyncio.Task[None]] = attrs.field(factory=set)

    def on_transition(self, project: Project, at: float) -> None:
        """Send what this transition asks for: the payload is made now, the sending takes its time."""
        del at
        if project.webhook_url is None or project.status in SILENT:
            return
        delivery = Delivery(
            clock.wall_seconds(), project.webhook_url, project.status, project.id, self._payload(project)
        )
        self._remember(delivery)
        if self.faults.loses_webhook():
            delivery.problem = "lost"
            return
        task = asyncio.get_running_loop().create_task(self._send(delivery))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def aclose(self) -> None:
        """Give up what is under way."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def _remember(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        self._bytes += len(delivery.body)
        while len(self.deliveries) > KEPT or self._bytes > KEPT_BYTES:
            self._bytes -= len(self.deliveries.pop(0).body)

    def _payload(self, project: Project) -> bytes:
        account = self.world.accounts[project.account_id].account
        payload = {
            **self.views.project(project, account.credits),
            "event": project.status,
            "timeline": self.views.timeline(project, project.variation()),
            "assets": [self.views.asset(asset) for asset in project.assets],
        }
        return json.dumps(payload, separators=(",", ":")).encode()

    async def _send(self, delivery: Delivery) -> None:
        problem = self.destinations.problem(delivery.url)  # it may come from a state file, or from a test
        if problem is not None:
            self._refuse(delivery, problem)
            return
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=TIMEOUT),
                connector=aiohttp.TCPConnector(resolver=self.destinations.resolver()),
            )
        timestamp = str(int(delivery.at))
        headers = {"Content-Type": "application/json", "X-Eversince-Timestamp": timestamp}
        if self.secret is not None:
            headers["X-Eversince-Signature"] = sign(self.secret, timestamp, delivery.body)
        try:
            async with self._session.post(
                delivery.url, data=delivery.body, headers=headers, allow_redirects=False
            ) as answer:
                delivery.status = answer.status
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, InternalTarget):
                self._refuse(delivery, f"{error.os_error}, which is internal; --allow-webhooks-to allows it")
            else:
                delivery.problem = type(error).__name__  # lost, and not tried again: as documented

    def _refuse(self, delivery: Delivery, problem: str) -> None:
        """Send nothing, and say so once for each reason."""
        delivery.problem = InternalTarget.__name__
        if problem not in self._told_of and len(self._told_of) < 100:
            self._told_of.add(problem)
            logger.warning("a webhook was not sent: %s", problem)
