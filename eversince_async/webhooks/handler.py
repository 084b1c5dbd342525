"""The handling of a delivery, whichever framework it came through.

Headers are checked before any of the body is read, and the signature is computed as the body arrives. Once a
delivery is known to be genuine, everything that follows happens at once: nothing is awaited.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterable
from typing import Final, Protocol

from eversince_async import clock
from eversince_async._redaction import register_secret
from eversince_async.errors import (
    ConfigurationError,
    MalformedEvent,
    SignatureMismatch,
    TimestampOutsideTolerance,
)
from eversince_async.session.hooks import notify
from eversince_async.webhooks.buffer import CrowdedOut, DeliveryBuffer
from eversince_async.webhooks.headers import Headers, find_headers
from eversince_async.webhooks.inbox import Inbox
from eversince_async.webhooks.parsing import parse_event, project_id_of
from eversince_async.webhooks.replays import ReplayFilter
from eversince_async.webhooks.result import Code, DeliveryResult
from eversince_async.webhooks.signature import (
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    Body,
    SignatureCheck,
    check_body,
)

logger: Final = logging.getLogger("eversince_async.webhooks")

BODY_TIMEOUT: Final = 10.0
"""Seconds within which a body must arrive: as long as the server waits for a response ("Reliability")."""

_REPEAT_WARNING: Final = 60.0
"""Seconds between two warnings of one kind.

The address is public, and strangers must not be able to fill the log.
"""


class Refused(Exception):
    """The refusal of a delivery, of which nothing more is read.

    Attributes:
        verdict: The result to respond with.
    """

    def __init__(self, verdict: DeliveryResult) -> None:
        super().__init__(verdict.message)
        self.verdict = verdict


class Nudgeable(Protocol):
    """An object that polls a project when nudged, such as `Eversince`."""

    def nudge(self, project_id: str, /) -> object:
        """Poll the project now, if it has waiters."""


class SigningKeys:
    """Signing keys that are kept out of representations and logs."""

    def __init__(self, each: tuple[bytes, ...]) -> None:
        self.each = each
        for key in each:
            register_secret(key.decode("utf-8", "backslashreplace"), self)

    def __repr__(self) -> str:
        return f"<{len(self.each)} signing keys>"


class DeliveryHandler:
    """The judge of deliveries, which passes on the events of genuine ones.

    Attributes:
        inbox: The queue of events for the application.
        body_limit: The most bytes of a body.
        buffer: The buffer of bodies that are not verified yet.
        verdicts: The number of deliveries by their result.
    """

    def __init__(
        self,
        eversince: Nudgeable | None,
        keys: SigningKeys,
        *,
        tolerance: float | None,
        allow_unsigned: bool,
        body_limit: int,
        unverified_limit: int,
        room: int,
    ) -> None:
        self.inbox = Inbox(room)
        self.body_limit = body_limit
        self.buffer = DeliveryBuffer(unverified_limit)
        self.verdicts: Counter[Code] = Counter()
        self._eversince = eversince
        self._keys = keys
        self._tolerance = tolerance
        self._allow_unsigned = allow_unsigned
        # A delivery can arrive during the whole time in which its timestamp is within the tolerance.
        self._replays = ReplayFilter(None if tolerance is None else 2 * tolerance + BODY_TIMEOUT)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._warned_at: dict[str, clock.Moment] = {}
        self._warned_unsigned = False

    def bind(self) -> None:
        """Bind the handler to the running event loop.

        Raises:
            ConfigurationError: No event loop is running, or the handler belongs to another one.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise ConfigurationError(
                "a webhook receiver works inside a running asyncio event loop; "
                "from another thread, use loop.call_soon_threadsafe"
            ) from None
        if self._loop is loop:
            return
        if self._loop is not None and not self._loop.is_closed():
            raise ConfigurationError(
                "this webhook receiver belongs to another event loop; make one for each loop"
            )
        self.inbox.clear()
        self._loop = loop

    def handle(self, headers: Headers, body: Body) -> DeliveryResult:
        """Verify a complete delivery, and pass on a genuine new one.

        Raises:
            ConfigurationError: The call comes from outside the handler's event loop.
            TypeError: The headers are no collection of headers, or the body is not bytes.
        """
        check_body(body)
        whole = bytes(body) if isinstance(body, memoryview) else body
        try:
            timestamp, check = self._admit(headers)
            if len(whole) > self.body_limit:
                return self.reject_too_large()
            if check is not None:
                check.update(whole)
            return self._conclude(timestamp, check, whole)
        except Refused as refused:
            return refused.verdict

    async def take(self, headers: Headers, chunks: AsyncIterable[Body]) -> DeliveryResult:
        """Verify a delivery whose body is still arriving, as `handle` does.

        The body is not read if the headers are refused. Cancelling leaves nothing behind.

        Raises:
            ConfigurationError: The call comes from outside the handler's event loop.
            TypeError: The headers are no collection of headers, or a chunk is not bytes.
        """
        try:
            timestamp, check = self._admit(headers)
            with self.buffer.open() as body:
                async with asyncio.timeout(BODY_TIMEOUT):
                    async for piece in chunks:
                        check_body(piece)
                        # A memoryview may have items of several bytes, and gaps.
                        chunk = bytes(piece) if isinstance(piece, memoryview) else piece
                        if len(body.data) + len(chunk) > self.body_limit:
                            return self.reject_too_large()
                        body.add(chunk)
                        if check is not None:
                            check.update(chunk)
                return self._conclude(timestamp, check, body.whole())
        except Refused as refused:
            return refused.verdict
        except TimeoutError:
            return self.reject_timeout()
        except CrowdedOut:
            return self.too_crowded()

    def reject(self, code: Code, message: str) -> DeliveryResult:
        """Refuse a delivery, and log the refusal now and then."""
        verdict = self._count(DeliveryResult(code=code, message=message))
        self._warn(code, "refused a webhook (%d %s): %s", verdict.status, code, message)
        return verdict

    def reject_too_large(self) -> DeliveryResult:
        """Refuse a delivery whose body exceeds the limit."""
        return self.reject("payload_too_large", f"the body is over {self.body_limit:,} bytes")

    def reject_timeout(self) -> DeliveryResult:
        """Refuse a delivery whose body does not arrive in time."""
        return self.reject("request_timeout", f"the body did not arrive within {BODY_TIMEOUT:g} s")

    def too_crowded(self) -> DeliveryResult:
        """Refuse a delivery whose body was dropped to make room for others."""
        return self.reject(
            "service_unavailable",
            f"all incoming bodies held over {self.buffer.limit:,} bytes, and this was the largest",
        )

    def reject_method(self) -> DeliveryResult:
        """Refuse a request that is no delivery."""
        return self.reject("method_not_allowed", "webhooks are POSTed here")

    # -- Steps ------------------------------------------------------------------------------------------

    def _admit(self, headers: Headers) -> tuple[str | None, SignatureCheck | None]:
        """Check the headers; return the timestamp and the signature check.

        The check is None if unsigned deliveries are allowed and this one needs no check.

        Raises:
            Refused: The headers are reason enough to refuse the delivery.
        """
        self.bind()
        names = (TIMESTAMP_HEADER, SIGNATURE_HEADER, "Content-Length")
        timestamp, signature, announced = find_headers(headers, *names)
        if _is_over(announced or "", self.body_limit):
            raise Refused(self.reject_too_large())
        if self._allow_unsigned and (signature is None or not self._keys.each):
            self._warn_unsigned()
            return timestamp, None
        try:
            check = SignatureCheck(self._keys.each, timestamp, signature)
            check.verify_age(self._tolerance)
        except (SignatureMismatch, TimestampOutsideTolerance) as forged:
            refusal = Refused(self.reject("unauthorized", str(forged)))
        else:
            return timestamp, check
        raise refusal

    def _warn_unsigned(self) -> None:
        if self._warned_unsigned:
            return
        self._warned_unsigned = True
        logger.warning(
            "accepting unsigned webhooks, as allow_unsigned says: anyone who knows the address can "
            "forge them; confirm their content by reading the project"
        )

    def _conclude(self, timestamp: str | None, check: SignatureCheck | None, body: Body) -> DeliveryResult:
        """Return the result of a complete delivery, and pass on its event."""
        try:
            if check is not None:
                check.verify()
        except SignatureMismatch as forged:
            return self.reject("unauthorized", str(forged))
        if self._is_duplicate(timestamp, body):
            return self._count(DeliveryResult(code="duplicate"))
        try:
            return self._receive(body)
        except MalformedEvent as malformed:
            # The delivery is genuine all the same, of an unknown revision. A poll finds out what it means.
            self._nudge(project_id_of(body))
            return self.reject("validation_error", str(malformed))

    def _is_duplicate(self, timestamp: str | None, body: Body) -> bool:
        # Only an unsigned delivery has no timestamp; a second event then looks the same as a repetition.
        return timestamp is not None and self._replays.is_replay(timestamp, body, clock.wall_seconds())

    def _receive(self, body: Body) -> DeliveryResult:
        event = parse_event(body)
        dropped = self.inbox.put(event)
        if dropped:
            self._warn(
                "dropped",
                "the application does not take webhook events as fast as they come: dropped the oldest of "
                "%d (%d so far)",
                self.inbox.room,
                self.inbox.dropped,
            )
        self._nudge(event.id)
        return self._count(DeliveryResult(code="received", event=event))

    def _nudge(self, project_id: str | None) -> None:
        if self._eversince is not None and project_id is not None:
            notify(self._eversince.nudge, project_id)

    def _count(self, verdict: DeliveryResult) -> DeliveryResult:
        self.verdicts[verdict.code] += 1
        return verdict

    def _warn(self, kind: str, text: str, *facts: object) -> None:
        before = self._warned_at.get(kind)
        passed = None if before is None else clock.elapsed(before)
        if passed is None or passed >= _REPEAT_WARNING:
            self._warned_at[kind] = clock.moment()
            logger.warning(text, *facts, extra={"code": kind})
        else:
            logger.debug(text, *facts, extra={"code": kind})


def _is_over(announced: str, limit: int) -> bool:
    """Return True if the announced length exceeds the limit.

    An invalid length is left to the web server to refuse.
    """
    digits = announced.lstrip("0") if announced.isascii() else ""
    return digits.isdecimal() and (len(digits) > len(str(limit)) or int(digits) > limit)
