"""API errors: the documented codes, and the envelope that all errors share."""

from collections.abc import Mapping
from math import ceil
from typing import Any

Json = dict[str, Any]
"""A JSON object."""


class ApiError(Exception):
    """An error with which the emulator responds to a request.

    Attributes:
        status: HTTP status.
        code: Code in the envelope.
        message: Message in the envelope.
        headers: Additional headers, e.g. `Retry-After` or `Allow`.
    """

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.message}"

    def envelope(self) -> Json:
        """Return the documented body of the response."""
        return {"error": {"code": self.code, "message": self.message, "status": self.status}}


def validation(message: str) -> ApiError:
    """Build a 400: a parameter or the project's status is wrong."""
    return ApiError(400, "validation_error", message)


def unauthorized() -> ApiError:
    """Build a 401: the API key is missing or invalid."""
    return ApiError(401, "unauthorized", "Missing or invalid API key", {"WWW-Authenticate": "Bearer"})


def insufficient_credits(needed: int, balance: float) -> ApiError:
    """Build a 402: the account has too few credits for the action."""
    return ApiError(
        402, "insufficient_credits", f"This needs at least {needed} credits; your balance is {balance:g}"
    )


def forbidden(message: str) -> ApiError:
    """Build a 403: not permitted, or the feature needs a Pro plan."""
    return ApiError(403, "forbidden", message)


def not_found(what: str) -> ApiError:
    """Build a 404: the resource does not exist."""
    return ApiError(404, "not_found", f"{what} not found")


def method_not_allowed(allowed: str) -> ApiError:
    """Build a 405 with `Allow`: the path exists, but not the method.

    The documents do not mention this error; the contract stands in for them.
    """
    return ApiError(405, "method_not_allowed", f"Method not allowed; use {allowed}", {"Allow": allowed})


def conflict(message: str) -> ApiError:
    """Build a 409: the project's status does not allow the call."""
    return ApiError(409, "conflict", message)


def payload_too_large() -> ApiError:
    """Build a 413: the body is larger than 1 MB."""
    return ApiError(413, "payload_too_large", "Request body exceeds 1 MB")


def rate_limited(message: str, retry_after: float) -> ApiError:
    """Build a 429 with `Retry-After`, in whole seconds and at least one."""
    return ApiError(429, "rate_limited", message, {"Retry-After": str(max(1, ceil(retry_after)))})


def project_limit(message: str) -> ApiError:
    """Build a 429 without `Retry-After`.

    That header is documented for rate_limited only (contradictions 76).
    """
    return ApiError(429, "project_limit", message)


def internal_error() -> ApiError:
    """Build a 500: the emulator itself has a bug."""
    return ApiError(500, "internal_error", "Internal server error")
