"""Verification of a delivery's signature and age, by pure functions over bytes.

A signature is `sha256=` and the hex digits of HMAC-SHA256 over the timestamp header as received, a dot, and
the body as received ("Signing" in the webhook documentation). The timestamp's unit is not documented, so all
units that servers commonly send are accepted.
"""

import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from eversince_async import clock
from eversince_async._redaction import HiddenBytes
from eversince_async.errors import ConfigurationError, SignatureMismatch, TimestampOutsideTolerance

SIGNATURE_HEADER: Final = "X-Eversince-Signature"
"""The header with `sha256=` and 64 hex digits."""

TIMESTAMP_HEADER: Final = "X-Eversince-Timestamp"
"""The header with the time at which the delivery was signed."""

TOLERANCE: Final = 300.0
"""Seconds by which the sender's clock and ours may differ by default, in either direction."""

Secret = str | bytes
"""The secret that the account shares with the server; text stands for its UTF-8 bytes."""

Body = bytes | bytearray | memoryview
"""A body as it was received."""

_SCHEME: Final = "sha256="
_NUMBER: Final = re.compile(r"\d{1,16}(\.\d{1,9})?", re.ASCII)
_MILLISECONDS_FROM: Final = 1e11  # as seconds this would be the year 5138, as milliseconds it is 1973


def sign(secret: Secret, timestamp: str, body: Body) -> str:
    """Return the value of the signature header.

    Args:
        secret: The signing secret.
        timestamp: The value of the timestamp header.
        body: The raw body.
    """
    secret = _as_bytes(secret)
    code = _start_hmac(secret, timestamp)
    code.update(body)
    return _SCHEME + code.hexdigest()


def verify_signature(
    secret: Secret | Iterable[Secret],
    timestamp: str | None,
    body: Body,
    signature: str | None,
    tolerance: float | None = TOLERANCE,
    *,
    now: datetime | None = None,
) -> None:
    """Check that a webhook delivery is genuine and fresh.

    The function returns if it is, and raises if it is not. Genuine does not mean new: a delivery that was
    intercepted can be sent again as long as it is fresh. `WebhookReceiver` remembers the deliveries it has
    seen; if you verify deliveries yourself, make sure that acting twice on an event does no harm.

    Args:
        secret: The account's signing secret; several while one replaces another, any of which is accepted.
        timestamp: The `X-Eversince-Timestamp` header as received; None if it is missing.
        body: The body as received, before it is parsed: the signature covers its bytes.
        signature: The `X-Eversince-Signature` header; None if it is missing.
        tolerance: Seconds between the timestamp and now, into the past and into the future. None accepts any
            age, and then also timestamps that cannot be read.
        now: The present time; by default the wall clock's.

    Raises:
        SignatureMismatch: A header is missing or unreadable, or no secret gives this signature.
        TimestampOutsideTolerance: The signature is right, but its timestamp is too far off or unreadable.
        ConfigurationError: There is no secret, or the tolerance is no number of seconds.
        TypeError: The body is not bytes.
    """
    secret = keys = signing_keys(secret)  # no local variable shows the secret
    check_keys(keys)
    check_tolerance(tolerance)
    check_body(body)
    check = SignatureCheck(keys, timestamp, signature)
    check.update(body)
    check.verify()
    check.verify_age(tolerance, now)


class SignatureCheck:
    """The verification of one delivery, whose body may still be arriving.

    Args:
        keys: The signing keys, any of which is accepted.
        timestamp: The timestamp header as received; None if it is missing.
        signature: The signature header; None if it is missing.

    Raises:
        SignatureMismatch: A header is missing or unreadable.
    """

    def __init__(self, keys: tuple[bytes, ...], timestamp: str | None, signature: str | None) -> None:
        self._given = _given_digest(signature)
        if timestamp is None:
            raise SignatureMismatch(f"the {TIMESTAMP_HEADER} header is missing")
        self._timestamp = timestamp
        self._codes = [_start_hmac(key, timestamp) for key in keys]

    def update(self, chunk: Body) -> None:
        """Add the next bytes of the body."""
        for code in self._codes:
            code.update(chunk)

    def verify(self) -> None:
        """Compare the signatures, after the whole body has been added.

        Raises:
            SignatureMismatch: No key gives this signature.
        """
        # All keys are tried, so that the time this takes does not tell which one fits.
        if not any([hmac.compare_digest(code.digest(), self._given) for code in self._codes]):  # noqa: C419 - as said
            raise SignatureMismatch(
                "the signature is not the one the secret gives for this timestamp and body"
            )

    def verify_age(self, tolerance: float | None, now: datetime | None = None) -> None:
        """Compare the timestamp with the present time; this needs no body.

        Raises:
            TimestampOutsideTolerance: The timestamp is too far off, or unreadable.
        """
        if tolerance is not None:
            _check_age(self._timestamp, tolerance, clock.now() if now is None else now)


def check_body(body: object) -> None:
    """Refuse an object that is no raw body.

    Raises:
        TypeError: The object is not bytes.
    """
    if not isinstance(body, Body):
        raise TypeError(f"body must be the raw bytes as they were received, not {type(body).__name__}")


def signing_keys(secret: Secret | Iterable[Secret]) -> tuple[bytes, ...]:
    """Return the keys of one or several secrets; see `check_keys`.

    No local variable shows them.
    """
    return tuple(map(_as_bytes, [secret] if isinstance(secret, str | bytes) else secret))


def check_keys(keys: tuple[bytes, ...]) -> None:
    """Refuse keys with which anyone could sign, and a lack of keys.

    Raises:
        ConfigurationError: There is no key, a key is empty, or its text had half a surrogate pair.
    """
    if not keys or not all(keys):
        raise ConfigurationError(
            "no webhook signing secret, or an empty one, or one that is no text: support@eversince.ai sets "
            "one up for an account"
        )


def check_tolerance(tolerance: float | None) -> None:
    """Refuse a value that is no tolerance.

    Raises:
        ConfigurationError: The value is negative or not a number.
    """
    if tolerance is not None and not tolerance >= 0:
        raise ConfigurationError(f"tolerance is seconds, 0 or more, or None for any age; not {tolerance!r}")


def read_timestamp(text: str) -> datetime:
    """Parse a timestamp header: seconds, milliseconds or ISO 8601.

    ISO 8601 without an offset counts as UTC.

    Raises:
        ValueError: The text is none of these.
    """
    if not _NUMBER.fullmatch(text):
        instant = datetime.fromisoformat(text)
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant
    number = float(text)
    seconds = number / 1000 if number >= _MILLISECONDS_FROM else number
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError):
        raise ValueError("no calendar has this day") from None


def _given_digest(signature: str | None) -> bytes:
    if signature is None:
        raise SignatureMismatch(f"the {SIGNATURE_HEADER} header is missing")
    scheme, digits = signature[: len(_SCHEME)], signature[len(_SCHEME) :]
    if scheme.lower() != _SCHEME:
        raise SignatureMismatch(f"the {SIGNATURE_HEADER} header does not begin with {_SCHEME}")
    try:
        digest = binascii.unhexlify(digits)
    except ValueError:  # also for text that is not ASCII
        digest = b""
    if len(digest) != hashlib.sha256().digest_size:
        raise SignatureMismatch(f"the {SIGNATURE_HEADER} header does not hold 64 hex digits")
    return digest


def _start_hmac(key: bytes, timestamp: str) -> "hmac.HMAC":
    # A header has no surrogates, but a caller's text may; no server signs such a timestamp.
    return hmac.new(key, timestamp.encode("utf-8", "surrogatepass") + b".", hashlib.sha256)


def _check_age(timestamp: str, tolerance: float, now: datetime) -> None:
    try:
        age = (now - read_timestamp(timestamp)).total_seconds()
    except ValueError:
        raise TimestampOutsideTolerance(
            f"the {TIMESTAMP_HEADER} header is neither seconds nor milliseconds nor ISO 8601"
        ) from None
    if abs(age) > tolerance:
        when = f"{age:.0f} s ago" if age > 0 else f"{-age:.0f} s in the future, by this machine's clock"
        raise TimestampOutsideTolerance(f"the delivery was signed {when}; {tolerance:g} s are accepted")


def _as_bytes(secret: Secret) -> bytes:
    """Return a secret as a key, empty if it cannot be encoded.

    The error of the encoding would quote the secret.
    """
    if not isinstance(secret, str):
        return HiddenBytes(secret)
    key = secret.encode("utf-8", "replace")
    return HiddenBytes(key if secret.isascii() or key.decode() == secret else b"")
