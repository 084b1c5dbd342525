"""What becomes of a delivery, and what the server is answered."""

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
"""What became of a delivery; where the API itself has a code for it, that one."""

STATUS: Final[Mapping[Code, int]] = {
    "received": 200,
    "duplicate": 200,  # it was received, and nobody sends it again
    "unauthorized": 401,
    "validation_error": 400,
    "payload_too_large": 413,
    "method_not_allowed": 405,
    "request_timeout": 408,
    "service_unavailable": 503,
}
"""The HTTP status of the answer."""


@attrs.frozen(kw_only=True)
class DeliveryResult:
    """What became of a delivery; also the HTTP answer it gets.

    Attributes:
        code: What became of it.
        event: What it says, if it was received; None if it was refused or is a duplicate.
        message: Why it was refused; empty if it was not.
    """

    code: Code
    event: WebhookEvent | None = None
    message: str = ""

    @property
    def status(self) -> int:
        """The HTTP status to answer with."""
        return STATUS[self.code]

    @property
    def is_error(self) -> bool:
        """Whether it had no effect because something is wrong with it."""
        return self.status >= 400

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer, its length aside."""
        allow = {"Allow": "POST"} if self.code == "method_not_allowed" else {}
        return {"Content-Type": "application/json", **allow}

    @property
    def body(self) -> bytes:
        """The body of the answer: JSON; that of a refusal has the form the API's errors have."""
        if not self.is_error:
            return dumps({"received": True})
        return dumps({"error": {"code": self.code, "message": self.message, "status": self.status}})
