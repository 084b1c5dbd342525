"""Refusals: the documented error codes, and the one envelope every error has."""

from collections.abc import Mapping
from math import ceil
from typing import Any

Json = dict[str, Any]
"""A JSON object."""


class Refusal(Exception):
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


def validation(message: str) -> Refusal:
    """400: a parameter is invalid, or the project's status does not allow the call."""
    return Refusal(400, "validation_error", message)


def unauthorized() -> Refusal:
    """401: no key, or not a valid one."""
    return Refusal(401, "unauthorized", "Missing or invalid API key", {"WWW-Authenticate": "Bearer"})


def insufficient_credits(needed: int, balance: float) -> Refusal:
    """402: too few credits for the action."""
    return Refusal(
        402, "insufficient_credits", f"This needs at least {needed} credits; your balance is {balance:g}"
    )


def forbidden(message: str) -> Refusal:
    """403: not permitted, or the feature needs a Pro plan."""
    return Refusal(403, "forbidden", message)


def not_found(what: str) -> Refusal:
    """404: no such resource."""
    return Refusal(404, "not_found", f"{what} not found")


def method_not_allowed(allowed: str) -> Refusal:
    """405 with `Allow`: a known path, another method. Undocumented; the contract's stand-in."""
    return Refusal(405, "method_not_allowed", f"Method not allowed; use {allowed}", {"Allow": allowed})


def conflict(message: str) -> Refusal:
    """409: the project's status does not allow the call."""
    return Refusal(409, "conflict", message)


def payload_too_large() -> Refusal:
    """413: the body is over 1 MB."""
    return Refusal(413, "payload_too_large", "Request body exceeds 1 MB")


def rate_limited(message: str, retry_after: float) -> Refusal:
    """429 with `Retry-After`, in whole seconds and at least one."""
    return Refusal(429, "rate_limited", message, {"Retry-After": str(max(1, ceil(retry_after)))})


def project_limit(message: str) -> Refusal:
    """429 without `Retry-After`, which is documented for rate_limited only (contradictions 76)."""
    return Refusal(429, "project_limit", message)


def internal_error() -> Refusal:
    """500: something is wrong in the emulator itself."""
    return Refusal(500, "internal_error", "Internal server error")
