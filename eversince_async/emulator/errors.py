"""Refusals: the documented error codes, and the one envelope every error has."""

from collections.abc import Mapping
from math import ceil
from typing import Any

Json = dict[str, Any]
"""A JSON object."""


class ApiError(Exception):
    """A request answered with an error.

    Attributes:
        status: HTTP status.
        code: The envelope's code.
        message: The envelope's message.
        headers: Further headers, e.g. `Retry-After` or `Allow`.
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
        """The documented body of the answer."""
        return {"error": {"code": self.code, "message": self.message, "status": self.status}}


def validation(message: str) -> ApiError:
    """400: a parameter is invalid, or the project's status does not allow the call."""
    return ApiError(400, "validation_error", message)


def unauthorized() -> ApiError:
    """401: no key, or not a valid one."""
    return ApiError(401, "unauthorized", "Missing or invalid API key", {"WWW-Authenticate": "Bearer"})


def insufficient_credits(needed: int, balance: float) -> ApiError:
    """402: too few credits for the action."""
    return ApiError(
        402, "insufficient_credits", f"This needs at least {needed} credits; your balance is {balance:g}"
    )


def forbidden(message: str) -> ApiError:
    """403: not permitted, or the feature needs a Pro plan."""
    return ApiError(403, "forbidden", message)


def not_found(what: str) -> ApiError:
    """404: no such resource."""
    return ApiError(404, "not_found", f"{what} not found")


def method_not_allowed(allowed: str) -> ApiError:
    """405 with `Allow`: a known path, another method. Undocumented; the contract's stand-in."""
    return ApiError(405, "method_not_allowed", f"Method not allowed; use {allowed}", {"Allow": allowed})


def conflict(message: str) -> ApiError:
    """409: the project's status does not allow the call."""
    return ApiError(409, "conflict", message)


def payload_too_large() -> ApiError:
    """413: the body is over 1 MB."""
    return ApiError(413, "payload_too_large", "Request body exceeds 1 MB")


def rate_limited(message: str, retry_after: float) -> ApiError:
    """429 with `Retry-After`, in whole seconds and at least one."""
    return ApiError(429, "rate_limited", message, {"Retry-After": str(max(1, ceil(retry_after)))})


def project_limit(message: str) -> ApiError:
    """429 without `Retry-After`, which is documented for rate_limited only (contradictions 76)."""
    return ApiError(429, "project_limit", message)


def internal_error() -> ApiError:
    """500: something is wrong in the emulator itself."""
    return ApiError(500, "internal_error", "Internal server error")
