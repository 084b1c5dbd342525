"""Webhooks: signed, and sent once.

A receiver has ten seconds to respond. Nothing is sent for queued and cancelled.
"""

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
"""Statuses for which no webhook is sent."""

TIMEOUT: Final = 10.0
"""Seconds a receiver has to respond."""

KEPT: Final = 10_000
"""Number of deliveries that are kept."""

KEPT_BYTES: Final = 32 * 2**20
"""Total bytes of the kept bodies; beyond it the oldest deliveries go."""

logger: Final = logging.getLogger("eversince_async.emulator")


@attrs.define
class Delivery:
    """One webhook.

    Attributes:
        at: Unix seconds when the webhook was sent.
        url: Address of the receiver.
        event: Name of the event.
        project_id: ID of the project.
        body: Body of the request.
        status: Status of the receiver's response; None if there was none.
        problem: Reason for a missing response: "lost" for a fault, "InternalTarget" for a refused host, else
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
    """Return the `X-Eversince-Signature` of a body."""
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"sha256={digest}"


@attrs.define(kw_only=True)
class WebhookSender:
    """Sends webhooks as projects enter statuses.

    Attributes:
        world: World of the projects.
        views: Builds the JSON of the payload.
        faults: Decides which webhooks are lost.
        destinations: Hosts that webhooks may go to.
        secret: Signing secret; None sends them unsigned.
        deliveries: The latest deliveries, oldest first.
    """

    world: World
    views: Serializer
    faults: Faults
    destinations: Destinations
    secret: str | None
    deliveries: list[Delivery] = attrs.field(factory=list)
    _bytes: int = 0
    _warnings: set[str] = attrs.field(factory=set)
    _session: aiohttp.ClientSession | None = None
    _under_way: set[asyncio.Task[None]] = attrs.field(factory=set)

    def on_transition(self, project: Project, at: float) -> None:
        """Send the webhook of this transition, if it has one.

        The payload is built now; a task sends it.
        """
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
        """Cancel the deliveries under way and close the session."""
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
        problem = self.destinations.problem(delivery.url)  # a state file or a test may have set the address
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
                delivery.problem = type(error).__name__  # lost without a retry, as documented

    def _refuse(self, delivery: Delivery, problem: str) -> None:
        """Record that a webhook is not sent; log each reason once."""
        delivery.problem = InternalTarget.__name__
        if problem not in self._warnings and len(self._warnings) < 100:
            self._warnings.add(problem)
            logger.warning("a webhook was not sent: %s", problem)
