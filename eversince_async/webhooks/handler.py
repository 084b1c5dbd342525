"""What happens to a delivery, whichever door it came through.

Headers are judged before any of the body is read, and what a signature covers is computed as it comes. What
follows once a delivery is known to be genuine happens all at once, nothing is awaited.
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
"""Seconds a body may take to arrive: as long as the server waits for an answer ("Reliability")."""

_REPEAT_WARNING: Final = 60.0
"""Seconds between two warnings of one kind. The address is public: the log must not be anybody's to fill."""


class Refused(Exception):
    """A delivery is refused; nothing more of it is wanted.

    Attributes:
        verdict: What to answer.
    """

    def __init__(self, verdict: DeliveryResult) -> None:
        super().__init__(verdict.message)
        self.verdict = verdict


class Nudgeable(Protocol):
    """Somebody who looks at a project when told that there is news of it, such as `Eversince`."""

    def nudge(self, project_id: str, /) -> object:
        """Look at the project now, if anybody waits for it."""


class SigningKeys:
    """Signing keys that nothing shows."""

    def __init__(self, each: tuple[bytes, ...]) -> None:
        self.each = each
        for key in each:
            register_secret(key.decode("utf-8", "backslashreplace"), self)

    def __repr__(self) -> str:
        return f"<{len(self.each)} signing keys>"


class DeliveryHandler:
    """Judges deliveries, and passes on what the genuine ones say.

    Attributes:
        inbox: Where events wait for the application.
        body_limit: Bytes a body may have.
        buffer: Where bodies wait until they are verified.
        verdicts: How many deliveries there were by what became of them.
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
        # From the first second to the last in which its timestamp is within the tolerance and it may come.
        self._replays = ReplayFilter(None if tolerance is None else 2 * tolerance + BODY_TIMEOUT)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._warned_at: dict[str, clock.Moment] = {}
        self._told_of_unsigned = False

    def bind(self) -> None:
        """Belong to the running event loop from now on.

        Raises:
            ConfigurationError: There is none, or it is not the one this belongs to.
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
        """Verify a delivery that is there as a whole and, if it is genuine and new, tell everybody.

        Raises:
            ConfigurationError: It is called outside the event loop this belongs to.
            TypeError: The headers are no headers, or the body is no bytes.
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
        """Do the same with a body that is still to come; it is not read if the headers will not do.

        Cancelling leaves nothing behind.

        Raises:
            ConfigurationError: It is called outside the event loop this belongs to.
            TypeError: The headers are no headers, or the chunks are no bytes.
        """
        try:
            timestamp, check = self._admit(headers)
            with self.buffer.open() as body:
                async with asyncio.timeout(BODY_TIMEOUT):
                    async for piece in chunks:
                        check_body(piece)
                        # A view may have items of several bytes, and gaps.
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
        """Refuse a delivery, and say so in the log now and then."""
        verdict = self._count(DeliveryResult(code=code, message=message))
        self._warn(code, "refused a webhook (%d %s): %s", verdict.status, code, message)
        return verdict

    def reject_too_large(self) -> DeliveryResult:
        """Refuse a delivery whose body is over the limit."""
        return self.reject("payload_too_large", f"the body is over {self.body_limit:,} bytes")

    def reject_timeout(self) -> DeliveryResult:
        """Refuse a delivery whose body does not come."""
        return self.reject("request_timeout", f"the body did not arrive within {BODY_TIMEOUT:g} s")

    def too_crowded(self) -> DeliveryResult:
        """Refuse a delivery whose bytes had to make room for others."""
        return self.reject(
            "service_unavailable",
            f"all that came in held over {self.buffer.limit:,} bytes, and of these most",
        )

    def reject_method(self) -> DeliveryResult:
        """Refuse what is no delivery at all."""
        return self.reject("method_not_allowed", "webhooks are POSTed here")

    # -- Steps ------------------------------------------------------------------------------------------

    def _admit(self, headers: Headers) -> tuple[str | None, SignatureCheck | None]:
        """Judge a delivery by its headers: its timestamp, and what is to verify its body, if anything is.

        Raises:
            Refused: It will not do, whatever its body is.
        """
        self.bind()
        names = (TIMESTAMP_HEADER, SIGNATURE_HEADER, "Content-Length")
        timestamp, signature, announced = find_headers(headers, *names)
        if _is_over(announced or "", self.body_limit):
            raise Refused(self.reject_too_large())
        if self._allow_unsigned and (signature is None or not self._keys.each):
            self._tell_of_unsigned()
            return timestamp, None
        try:
            check = SignatureCheck(self._keys.each, timestamp, signature)
            check.verify_age(self._tolerance)
        except (SignatureMismatch, TimestampOutsideTolerance) as forged:
            refusal = Refused(self.reject("unauthorized", str(forged)))
        else:
            return timestamp, check
        raise refusal

    def _tell_of_unsigned(self) -> None:
        if self._told_of_unsigned:
            return
        self._told_of_unsigned = True
        logger.warning(
            "taking webhooks that nobody signed, as allow_unsigned says: whoever knows the address can "
            "make them up; confirm what they say by reading the project"
        )

    def _conclude(self, timestamp: str | None, check: SignatureCheck | None, body: Body) -> DeliveryResult:
        """Say what becomes of a delivery whose body has come, and tell everybody."""
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
            # It is genuine all the same, of a revision we do not know. A look finds out what it means.
            self._nudge(project_id_of(body))
            return self.reject("validation_error", str(malformed))

    def _is_duplicate(self, timestamp: str | None, body: Body) -> bool:
        # Only an unsigned one has no timestamp, and then nothing tells a second event from a repetition.
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
    """Whether the length that is announced is over the limit; what is no length is the server's to refuse."""
    digits = announced.lstrip("0") if announced.isascii() else ""
    return digits.isdecimal() and (len(digits) > len(str(limit)) or int(digits) > limit)
