"""Whether a delivery comes from the holder of the secret, and how old it is. Pure functions over bytes.

A signature is `sha256=` and the hex digits of HMAC-SHA256 over the timestamp header as received, a dot, and
the body as received ("Signing" in the webhook documentation). The timestamp's unit is not documented, so
all that servers commonly send are read.
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
"""Carries `sha256=` and 64 hex digits."""

TIMESTAMP_HEADER: Final = "X-Eversince-Timestamp"
"""Carries when the delivery was signed."""

TOLERANCE: Final = 300.0
"""Seconds the sender's clock and ours may differ by default, in either direction."""

Secret = str | bytes
"""What the account shares with the server; text is its UTF-8."""

Body = bytes | bytearray | memoryview
"""A body as it was received."""

_SCHEME: Final = "sha256="
_NUMBER: Final = re.compile(r"\d{1,16}(\.\d{1,9})?", re.ASCII)
_MILLISECONDS_FROM: Final = 1e11  # as seconds this would be the year 5138, as milliseconds it is 1973


def sign(secret: Secret, timestamp: str, body: Body) -> str:
    """The value of the signature header.

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
    """Make sure that a webhook delivery is genuine and fresh; return if it is, raise if not.

    Genuine does not mean new: a delivery caught on its way can be sent again for as long as it is fresh.
    `WebhookReceiver` remembers what it has seen; if you verify by yourself, do what an event asks for in a
    way that may happen twice.

    Args:
        secret: The account's signing secret; several while one replaces another, any of which will do.
        timestamp: The `X-Eversince-Timestamp` header as received; None if it is missing.
        body: The body as received, before anything parsed it: its bytes are what is signed.
        signature: The `X-Eversince-Signature` header; None if it is missing.
        tolerance: Seconds between the timestamp and now, into the past and into the future. None accepts
            any age, and then also timestamps that cannot be read.
        now: What time it is; by default the wall clock's.

    Raises:
        SignatureMismatch: A header is missing or unreadable, or no secret gives this signature.
        TimestampOutsideTolerance: The signature is right, but its timestamp too far off or unreadable.
        ConfigurationError: There is no secret, or the tolerance is no number of seconds.
        TypeError: The body is not bytes.
    """
    secret = keys = signing_keys(secret)  # no local shows what it was
    check_keys(keys)
    check_tolerance(tolerance)
    check_body(body)
    check = SignatureCheck(keys, timestamp, signature)
    check.update(body)
    check.verify()
    check.verify_age(tolerance, now)


class SignatureCheck:
    """Verifies one delivery, whose body may still be coming in.

    Args:
        keys: The signing keys, any of which will do.
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
        """Take in the next bytes of the body."""
        for code in self._codes:
            code.update(chunk)

    def verify(self) -> None:
        """Compare, now that the whole body has come.

        Raises:
            SignatureMismatch: No key gives this signature.
        """
        # All keys are tried, so that the time this takes does not tell which one fits.
        if not any([hmac.compare_digest(code.digest(), self._given) for code in self._codes]):  # noqa: C419 - as said
            raise SignatureMismatch(
                "the signature is not the one the secret gives for this timestamp and body"
            )

    def verify_age(self, tolerance: float | None, now: datetime | None = None) -> None:
        """Compare the timestamp with the time it is; needs no body.

        Raises:
            TimestampOutsideTolerance: It is too far off, or unreadable.
        """
        if tolerance is not None:
            _check_age(self._timestamp, tolerance, clock.now() if now is None else now)


def check_body(body: object) -> None:
    """Refuse what is no raw body.

    Raises:
        TypeError: It is not bytes.
    """
    if not isinstance(body, Body):
        raise TypeError(f"body must be the raw bytes as they were received, not {type(body).__name__}")


def signing_keys(secret: Secret | Iterable[Secret]) -> tuple[bytes, ...]:
    """The keys that one secret or several are, which no local shows; see `check_keys`."""
    return tuple(map(_as_bytes, [secret] if isinstance(secret, str | bytes) else secret))


def check_keys(keys: tuple[bytes, ...]) -> None:
    """Refuse keys with which anybody could sign, or nobody.

    Raises:
        ConfigurationError: There is none, or one is empty, or had half a surrogate in its text.
    """
    if not keys or not all(keys):
        raise ConfigurationError(
            "no webhook signing secret, or an empty one, or one that is no text: support@eversince.ai sets "
            "one up for an account"
        )


def check_tolerance(tolerance: float | None) -> None:
    """Refuse what is no tolerance.

    Raises:
        ConfigurationError: It is negative or not a number.
    """
    if tolerance is not None and not tolerance >= 0:
        raise ConfigurationError(f"tolerance is seconds, 0 or more, or None for any age; not {tolerance!r}")


def read_timestamp(text: str) -> datetime:
    """When a timestamp header says it is: seconds, milliseconds, or ISO 8601 (in UTC if it does not say).

    Raises:
        ValueError: It is none of these.
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
    except ValueError:  # also for what is no ASCII
        digest = b""
    if len(digest) != hashlib.sha256().digest_size:
        raise SignatureMismatch(f"the {SIGNATURE_HEADER} header does not hold 64 hex digits")
    return digest


def _start_hmac(key: bytes, timestamp: str) -> "hmac.HMAC":
    # A header has no surrogates, but a caller's text may; such a timestamp is signed by nobody.
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
        raise TimestampOutsideTolerance(f"it was signed {when}; {tolerance:g} s are accepted")


def _as_bytes(secret: Secret) -> bytes:
    """A key; an empty one of what cannot be encoded: the error of that would quote it."""
    if not isinstance(secret, str):
        return HiddenBytes(secret)
    key = secret.encode("utf-8", "replace")
    return HiddenBytes(key if secret.isascii() or key.decode() == secret else b"")
