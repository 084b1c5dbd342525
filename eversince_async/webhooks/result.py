"""The result of a delivery, and the HTTP response to the server."""

from collections.abc import Mapping
from typing import Final, Literal

import attrs

from eversince_async._wire.json_codec import dumps
from eversince_async.models.webhooks import WebhookEvent

Code = Literal[
    "received",
    "duplicate",
    "unauthorized",
    "validation_error",
    "payload_too_large",
    "method_not_allowed",
    "request_timeout",
    "service_unavailable",
]
"""The result of a delivery; the API's own error code where there is one."""

STATUS: Final[Mapping[Code, int]] = {
    "received": 200,
    "duplicate": 200,  # it was received before, and must not be sent again
    "unauthorized": 401,
    "validation_error": 400,
    "payload_too_large": 413,
    "method_not_allowed": 405,
    "request_timeout": 408,
    "service_unavailable": 503,
}
"""The HTTP status of the response, by result."""


@attrs.frozen(kw_only=True)
class DeliveryResult:
    """The result of a delivery, which is also its HTTP response.

    Attributes:
        code: The kind of result.
        event: The event, if the delivery was received; None if it was refused or is a duplicate.
        message: The reason of a refusal; empty if there was none.
    """

    code: Code
    event: WebhookEvent | None = None
    message: str = ""

    @property
    def status(self) -> int:
        """The HTTP status of the response."""
        return STATUS[self.code]

    @property
    def is_error(self) -> bool:
        """True if the delivery was refused, and so had no effect."""
        return self.status >= 400

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the response, without its length."""
        allow = {"Allow": "POST"} if self.code == "method_not_allowed" else {}
        return {"Content-Type": "application/json", **allow}

    @property
    def body(self) -> bytes:
        """The JSON body of the response; a refusal's resembles API errors."""
        if not self.is_error:
            return dumps({"received": True})
        return dumps({"error": {"code": self.code, "message": self.message, "status": self.status}})
