"""Presigned URLs of the storage, in the style of S3 and R2."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime

import attrs


@attrs.frozen
class Signer:
    """Signs paths of the storage and checks the signatures.

    Attributes:
        secret: Key of the signatures.
    """

    secret: str

    def sign(self, path: str, expires_at: float, now: float) -> str:
        """Return the path with a signature that is valid until `expires_at`.

        Both times are in Unix seconds.
        """
        date = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
        until = str(int(expires_at))
        return (
            f"{path}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date={date}&X-Amz-Expires={int(expires_at - now)}"
            f"&X-Emulator-Until={until}&X-Amz-Signature={self._signature(path, until)}"
        )

    def problem(self, path: str, query: Mapping[str, str], now: float) -> str | None:
        """Return the reason to refuse a signed path, or None."""
        until = query.get("X-Emulator-Until", "")
        signature = query.get("X-Amz-Signature", "").encode("utf-8", "replace")
        if not hmac.compare_digest(self._signature(path, until).encode(), signature):
            return "The request signature does not match"
        return "Request has expired" if now >= int(until) else None

    def _signature(self, path: str, until: str) -> str:
        return hmac.new(self.secret.encode(), f"{path}\n{until}".encode(), hashlib.sha256).hexdigest()
