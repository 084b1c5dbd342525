"""Webhooks: signed, sent once, ten seconds to answer, never for queued and cancelled."""

import asyncio
import hashlib
import hmac
import json
from typing import Final

import aiohttp
import attrs

from eversince_async import clock
from eversince_async.emulator.faults import Faults
from eversince_async.emulator.project import Project
from eversince_async.emulator.views import Views
from eversince_async.emulator.world import World

SILENT: Final = frozenset({"queued", "cancelled"})
"""Statuses that send no webhook."""

TIMEOUT: Final = 10.0
"""Seconds a receiver has to answer."""


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
        problem: Why there was none: "lost" for a fault, else the kind of error.
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
class Courier:
    """Sends webhooks as projects enter statuses.

    Attributes:
        world: Whose projects.
        views: Shapes of the payload.
        faults: Decides which are lost.
        secret: Signing secret; None sends them unsigned.
        deliveries: What was sent so far, oldest first.
    """

    world: World
    views: Views
    faults: Faults
    secret: str | None
    deliveries: list[Delivery] = attrs.field(factory=list)
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
        self.deliveries.append(delivery)
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
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT))
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
            delivery.problem = type(error).__name__  # lost, and not tried again: as documented
