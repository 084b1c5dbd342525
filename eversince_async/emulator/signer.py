"""Presigned URLs of the storage, in the manner of S3 and R2."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime

import attrs


@attrs.frozen
class Signer:
    """Signs paths of the storage and checks them.

    Attributes:
        secret: What the signatures depend on.
    """

    secret: str

    def sign(self, path: str, expires_at: float, now: float) -> str:
        """The path with a signature that holds until `expires_at` (Unix seconds)."""
        date = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
        until = str(int(expires_at))
        return (
            f"{path}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date={date}&X-Amz-Expires={int(expires_at - now)}"
            f"&X-Emulator-Until={until}&X-Amz-Signature={self._signature(path, until)}"
        )

    def problem(self, path: str, query: Mapping[str, str], now: float) -> str | None:
        """Why a signed path is not to be served; None if it is."""
        until = query.get("X-Emulator-Until", "")
        given = query.get("X-Amz-Signature", "")
        if not hmac.compare_digest(self._signature(path, until).encode(), given.encode("utf-8", "replace")):
            return "The request signature does not match"
        return "Request has expired" if now >= int(until) else None

    def _signature(self, path: str, until: str) -> str:
        return hmac.new(self.secret.encode(), f"{path}\n{until}".encode(), hashlib.sha256).hexdigest()
