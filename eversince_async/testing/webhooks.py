"""Signing of webhooks as the server does it, to test receivers."""

from datetime import datetime

from eversince_async import clock
from eversince_async.webhooks import SIGNATURE_HEADER, TIMESTAMP_HEADER, sign


def sign_webhook(
    secret: str | bytes, body: str | bytes, timestamp: str | float | datetime | None = None
) -> dict[str, str]:
    """Return the headers of a delivery that is signed with a secret.

    ```python
    body = json.dumps({"id": "p1", "status": "idle", "event": "idle"})
    answer = await client.post("/webhooks/eversince", data=body, headers=sign_webhook("secret", body))
    ```

    Args:
        secret: The signing secret of the receiver under test.
        body: The body exactly as it will be sent; text is sent as UTF-8.
        timestamp: Time of the signature, as a datetime, as Unix seconds, or as the exact text of the header.
            Defaults to now.
    """
    text = _text(timestamp)
    raw = body.encode() if isinstance(body, str) else body
    return {
        "Content-Type": "application/json",
        TIMESTAMP_HEADER: text,
        SIGNATURE_HEADER: sign(secret, text, raw),
    }


def _text(timestamp: str | float | datetime | None) -> str:
    match timestamp:
        case None:
            return str(int(clock.wall_seconds()))
        case str():
            return timestamp
        case datetime():
            return timestamp.isoformat()
        case _:
            return f"{timestamp:.9f}".rstrip("0").rstrip(".")
