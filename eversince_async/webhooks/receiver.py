"""`WebhookReceiver`: what an application mounts where the server posts its webhooks."""

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
"""Bytes. A timeline is some 60 KB and an asset 1 KB, but the number of assets has no documented limit."""

UNVERIFIED_LIMIT: Final = 16 * 1024 * 1024
"""Bytes. Hundreds of deliveries at once, each of which is verified as soon as it has come."""

QUEUE_SIZE: Final = 256
"""Events: with all slots in use, some hours of them."""


@attrs.frozen(kw_only=True)
class ReceiverStatistics:
    """What a receiver has seen so far.

    Attributes:
        received: Deliveries that were genuine and new.
        duplicates: Deliveries that had come before.
        refused: Deliveries refused, by code: `unauthorized`, `validation_error`, `payload_too_large`,
            `method_not_allowed`, `request_timeout`, `service_unavailable`.
        dropped: Events that some subscription threw away because the application did not take them in time.
        subscriptions: Iterations over events under way.
    """

    received: int
    duplicates: int
    refused: Mapping[str, int]
    dropped: int
    subscriptions: int


class WebhookReceiver:
    """Receives webhooks: verifies them, wakes whoever waits for the project, hands events to the application.

    ```python
    receiver = WebhookReceiver(eversince, secret=os.environ["EVERSINCE_WEBHOOK_SECRET"])
    app.add_route("/webhooks/eversince", receiver.asgi, methods=["POST"])  # FastAPI and Starlette
    ```

    A webhook is delivered once, within ten seconds or never, so a delivery is answered at once, whatever the
    application does. It is a hint, too: it may get lost, and come late or out of order. So for the client a
    genuine one only means to look at the project now, and a production goes by what that look finds.

    What is forged, too old, too big or no event is refused with a 4xx, counted, and has no effect. What has
    come before within the tolerance is answered 200 and has no effect either. Warnings of one kind are
    logged (`eversince_async.webhooks`) once a minute at most.

    Headers are judged first: without a signature, or with an old one, a body is not read. All bodies that
    come in hold no more than `unverified_limit` together; the largest is refused (503) to make room.

    One receiver belongs to one event loop, that of its client, from its first use on.

    Args:
        eversince: The client to wake up; None if only `events()` are wanted.
        secret: The account's signing secret; several while one replaces another.
        tolerance: Seconds a delivery's timestamp may be off, into the past and into the future. None takes
            any age.
        allow_unsigned: Whether to take deliveries without a signature. Whoever knows the address can make
            these up. If there is a secret, a signature that is there must be right all the same.
        body_limit: Bytes a body may have; more is not read.
        unverified_limit: Bytes that all bodies may hold together before they are verified; by default 16 MiB,
            or `body_limit` if that is more.
        queue_size: Events that each iteration over `events()` holds for an application that is slower than
            they come. When one more comes, the oldest goes: the newest says where a project stands.

    Raises:
        ConfigurationError: There is no secret and unsigned deliveries are not allowed, or a number makes no
            sense.
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
                "or allow_unsigned=True to take what anybody may have made up"
            )
        secret = keys = None if secret is None else signing_keys(secret)  # no local shows what it was
        if keys is not None:
            check_keys(keys)
        check_tolerance(tolerance)
        if not body_limit > 0 or not queue_size > 0:
            raise ConfigurationError("body_limit is bytes, room is events, and both must be positive")
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
        if not hasattr(self, "_handler"):  # it could not be made, and a frame that shows it has to be printed
            return "<WebhookReceiver>"
        seen = self.statistics()
        refused = sum(seen.refused.values())
        return f"<WebhookReceiver {seen.received} received, {seen.duplicates} again, {refused} refused>"

    # -- For the application ----------------------------------------------------------------------------

    def events(self, *project_ids: str) -> Subscription:
        """Hear of the events that arrive from now on: `async for event in receiver.events():`.

        Each call gives an iterator of its own, and each of them gets every event; tasks that share one
        iterator share its events. They come in order of arrival, which need not be the order in which
        things happened; read the project before you act on one. The iteration ends with `close()`.

        Args:
            project_ids: The projects to hear of; all if none is named.

        Raises:
            ConfigurationError: It is called outside the event loop the receiver belongs to.
        """
        self._handler.bind()
        return self._handler.inbox.subscribe(project_ids)

    def close(self) -> None:
        """End every iteration over `events()`, after what has arrived.

        The doors below do it when their server shuts down. Deliveries are answered all the same, and the
        receiver can be used again.
        """
        self._handler.inbox.close()

    def statistics(self) -> ReceiverStatistics:
        """What there was so far."""
        counts = dict(self._handler.verdicts)
        return ReceiverStatistics(
            received=counts.pop("received", 0),
            duplicates=counts.pop("duplicate", 0),
            refused={str(code): count for code, count in counts.items()},
            dropped=self._handler.inbox.dropped,
            subscriptions=len(self._handler.inbox),
        )

    # -- Doors ------------------------------------------------------------------------------------------

    @property
    def asgi(self) -> AsgiApp:
        """The receiver as an ASGI application, whatever path it is mounted at."""
        return self._asgi

    async def aiohttp_handler(self, request: "web.Request") -> "web.StreamResponse":
        """The receiver as a handler of aiohttp: `app.router.add_post(path, receiver.aiohttp_handler)`."""
        from eversince_async.webhooks import _aiohttp

        return await _aiohttp.handle(self._handler, request)

    def aiohttp_app(self) -> "web.Application":
        """The receiver as an application of aiohttp, to run alone or to add as a sub-application.

        It answers at every path, and closes the receiver when it shuts down.
        """
        from eversince_async.webhooks import _aiohttp

        return _aiohttp.application(self._handler)

    def receive(self, headers: Headers, body: Body) -> DeliveryResult:
        """Receive a delivery that came through a door of your own; returns what to answer.

        ```python
        async def eversince_webhook(request):  # a view of Django
            verdict = receiver.receive(request.headers, request.body)
            return HttpResponse(verdict.body, status=verdict.status, headers=verdict.headers)
        ```

        Where your framework gives a body in pieces, `receive_chunks` costs less.

        Args:
            headers: The request's headers as the framework has them: a mapping or pairs, of text or bytes,
                with names in any case; also a WSGI environ, or `request.META` of Django.
            body: Its raw body, before anything parsed it.

        Raises:
            ConfigurationError: It is called outside the event loop the receiver belongs to.
            TypeError: These are no headers, or no raw body; says what to pass instead.
        """
        return self._handler.handle(headers, body)

    async def receive_chunks(self, headers: Headers, chunks: AsyncIterable[Body]) -> DeliveryResult:
        """Receive a delivery whose body is still coming in; returns what to answer.

        ```python
        verdict = await receiver.receive_chunks(request.headers, request.stream())  # Starlette, Litestar
        verdict = await receiver.receive_chunks(request.headers, request.body)  # Quart
        ```

        What is refused for its headers is not read at all, and nothing is read for longer than ten seconds.
        What reading raises is raised. Cancelling leaves nothing behind.

        Args:
            headers: As for `receive`.
            chunks: The raw body, piece by piece.

        Raises:
            ConfigurationError: It is called outside the event loop the receiver belongs to.
            TypeError: These are no headers, or no raw bytes; says what to pass instead.
        """
        return await self._handler.take(headers, chunks)
