"""`WebhookReceiver`: the endpoint for the webhooks that the server posts."""

from collections.abc import AsyncIterable, Iterable, Mapping
from typing import TYPE_CHECKING, Final

import attrs

from eversince_async.errors import ConfigurationError
from eversince_async.webhooks._asgi import AsgiApp
from eversince_async.webhooks.handler import DeliveryHandler, Nudgeable, SigningKeys
from eversince_async.webhooks.headers import Headers
from eversince_async.webhooks.inbox import Subscription
from eversince_async.webhooks.result import DeliveryResult
from eversince_async.webhooks.signature import (
    TOLERANCE,
    Body,
    Secret,
    check_keys,
    check_tolerance,
    signing_keys,
)

if TYPE_CHECKING:
    from aiohttp import web

BODY_LIMIT: Final = 4 * 1024 * 1024
"""The most bytes of a body by default.

A timeline has some 60 KB and an asset 1 KB, but the number of assets has no documented limit.
"""

UNVERIFIED_LIMIT: Final = 16 * 1024 * 1024
"""The most bytes of all unverified bodies by default.

They suffice for hundreds of deliveries at once, each of which is verified as soon as it has arrived.
"""

QUEUE_SIZE: Final = 256
"""The number of events a subscription holds by default: several hours of them with all slots in use."""


@attrs.frozen(kw_only=True)
class ReceiverStatistics:
    """The numbers of a receiver's deliveries and events so far.

    Attributes:
        received: The number of deliveries that were genuine and new.
        duplicates: The number of deliveries that had been received before.
        refused: The numbers of refused deliveries, by code: `unauthorized`, `validation_error`,
            `payload_too_large`, `method_not_allowed`, `request_timeout`, `service_unavailable`.
        dropped: The number of events that subscriptions dropped because the application did not take them in
            time.
        subscriptions: The number of iterations over events that are under way.
    """

    received: int
    duplicates: int
    refused: Mapping[str, int]
    dropped: int
    subscriptions: int


class WebhookReceiver:
    """A receiver that verifies webhooks and passes on their events.

    It wakes the client's waiters for the project, and hands the events to the application.

    ```python
    receiver = WebhookReceiver(eversince, secret=os.environ["EVERSINCE_WEBHOOK_SECRET"])
    app.add_route("/webhooks/eversince", receiver.asgi, methods=["POST"])  # FastAPI and Starlette
    ```

    The server delivers a webhook once, within ten seconds or never, so the receiver responds at once and does
    not wait for the application. A webhook is also a mere hint: it may get lost, and may arrive late or out
    of order. So for the client, a genuine one only means to poll the project now, and a production relies on
    the result of that poll.

    A delivery that is forged, too old, too big or no event is refused with a 4xx status, counted, and has no
    effect. A delivery that is repeated within the tolerance gets a 200 response and has no effect either.
    Warnings of one kind are logged (`eversince_async.webhooks`) once a minute at most.

    Headers are checked first: without a signature, or with an old one, a body is not read. All bodies that
    are arriving hold no more than `unverified_limit` together; the largest is refused (503) to make room.

    A receiver belongs to one event loop, that of its client, from its first use on.

    Args:
        eversince: The client to nudge; None if only `events()` are wanted.
        secret: The account's signing secret; several while one replaces another.
        tolerance: Seconds by which a delivery's timestamp may be off, into the past and into the future. None
            accepts any age.
        allow_unsigned: True to accept deliveries without a signature, which anyone who knows the address can
            forge. If there is a secret, a signature that is present must still be right.
        body_limit: The most bytes of a body; more is not read.
        unverified_limit: The most bytes of all bodies together before they are verified; by default 16 MiB,
            or `body_limit` if that is more.
        queue_size: The number of events that each iteration over `events()` holds for a slower application.
            One more event displaces the oldest: the newest tells the present state of a project.

    Raises:
        ConfigurationError: There is no secret although unsigned deliveries are not allowed, or a number makes
            no sense.
    """

    def __init__(
        self,
        eversince: Nudgeable | None = None,
        *,
        secret: Secret | Iterable[Secret] | None = None,
        tolerance: float | None = TOLERANCE,
        allow_unsigned: bool = False,
        body_limit: int = BODY_LIMIT,
        unverified_limit: int | None = None,
        queue_size: int = QUEUE_SIZE,
    ) -> None:
        if secret is None and not allow_unsigned:
            raise ConfigurationError(
                "give the webhook signing secret (support@eversince.ai sets one up for an account), "
                "or allow_unsigned=True to accept deliveries that anyone can forge"
            )
        secret = keys = None if secret is None else signing_keys(secret)  # no local variable shows the secret
        if keys is not None:
            check_keys(keys)
        check_tolerance(tolerance)
        if not body_limit > 0 or not queue_size > 0:
            raise ConfigurationError("body_limit is bytes, queue_size is events, and both must be positive")
        if unverified_limit is None:
            unverified_limit = max(UNVERIFIED_LIMIT, body_limit)
        if not unverified_limit >= body_limit:
            raise ConfigurationError("unverified_limit is bytes for all bodies: body_limit, or more")
        self._handler = DeliveryHandler(
            eversince,
            SigningKeys(keys or ()),
            tolerance=tolerance,
            allow_unsigned=allow_unsigned,
            body_limit=body_limit,
            unverified_limit=unverified_limit,
            room=queue_size,
        )
        self._asgi = AsgiApp(self._handler)

    def __repr__(self) -> str:
        if not hasattr(self, "_handler"):  # its construction failed, and a traceback shows it
            return "<WebhookReceiver>"
        seen = self.statistics()
        refused = sum(seen.refused.values())
        return f"<WebhookReceiver {seen.received} received, {seen.duplicates} again, {refused} refused>"

    # -- For the application ----------------------------------------------------------------------------

    def events(self, *project_ids: str) -> Subscription:
        """Subscribe to events: `async for event in receiver.events():`.

        The subscription begins with this call. Each call returns an iterator of its own, and each iterator
        gets every event; tasks that share one iterator share its events. Events come in order of arrival,
        which need not be the order in which they happened: read the project before you act on an event. The
        iteration ends with `close()`.

        Args:
            project_ids: The projects whose events are wanted; all if none is named.

        Raises:
            ConfigurationError: The call comes from outside the receiver's event loop.
        """
        self._handler.bind()
        return self._handler.inbox.subscribe(project_ids)

    def close(self) -> None:
        """End every iteration over `events()`, after what has arrived.

        The applications below do so when their server shuts down. Deliveries still get a response, and the
        receiver can be used again.
        """
        self._handler.inbox.close()

    def statistics(self) -> ReceiverStatistics:
        """Return the numbers of deliveries and events so far."""
        counts = dict(self._handler.verdicts)
        return ReceiverStatistics(
            received=counts.pop("received", 0),
            duplicates=counts.pop("duplicate", 0),
            refused={str(code): count for code, count in counts.items()},
            dropped=self._handler.inbox.dropped,
            subscriptions=len(self._handler.inbox),
        )

    # -- Endpoints --------------------------------------------------------------------------------------

    @property
    def asgi(self) -> AsgiApp:
        """The receiver as an ASGI application, for any path."""
        return self._asgi

    async def aiohttp_handler(self, request: "web.Request") -> "web.StreamResponse":
        """Handle an aiohttp request: `app.router.add_post(path, receiver.aiohttp_handler)`."""
        from eversince_async.webhooks import _aiohttp

        return await _aiohttp.handle(self._handler, request)

    def aiohttp_app(self) -> "web.Application":
        """Return the receiver as an aiohttp application.

        It runs alone or as a sub-application, responds at every path, and closes the receiver when it shuts
        down.
        """
        from eversince_async.webhooks import _aiohttp

        return _aiohttp.application(self._handler)

    def receive(self, headers: Headers, body: Body) -> DeliveryResult:
        """Receive a delivery from your own endpoint; return its result.

        ```python
        async def eversince_webhook(request):  # a view of Django
            verdict = receiver.receive(request.headers, request.body)
            return HttpResponse(verdict.body, status=verdict.status, headers=verdict.headers)
        ```

        If your framework supplies a body in chunks, `receive_chunks` costs less.

        Args:
            headers: The request's headers as the framework has them: a mapping or pairs, of text or bytes,
                with names in any case; also a WSGI environ, or `request.META` of Django.
            body: The raw body, before it is parsed.

        Raises:
            ConfigurationError: The call comes from outside the receiver's event loop.
            TypeError: An argument is no collection of headers, or no raw body; the message says what to pass
                instead.
        """
        return self._handler.handle(headers, body)

    async def receive_chunks(self, headers: Headers, chunks: AsyncIterable[Body]) -> DeliveryResult:
        """Receive a delivery whose body is still arriving; return its result.

        ```python
        verdict = await receiver.receive_chunks(request.headers, request.stream())  # Starlette, Litestar
        verdict = await receiver.receive_chunks(request.headers, request.body)  # Quart
        ```

        The body is not read if the headers are refused, and never for longer than ten seconds. Errors of
        reading are passed on. Cancelling leaves nothing behind.

        Args:
            headers: As for `receive`.
            chunks: The raw body in chunks.

        Raises:
            ConfigurationError: The call comes from outside the receiver's event loop.
            TypeError: An argument is no collection of headers, or yields no raw bytes; the message says what
                to pass instead.
        """
        return await self._handler.take(headers, chunks)
