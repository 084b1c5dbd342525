"""Parsing the body of a delivery into an event."""

from typing import Any

from eversince_async._wire.converter import structure
from eversince_async._wire.json_codec import loads
from eversince_async.errors import InvalidResponse, MalformedEvent
from eversince_async.models.webhooks import WebhookEvent
from eversince_async.webhooks.signature import Body


def parse_event(body: Body) -> WebhookEvent:
    """Parse the body of a delivery, which must be verified before.

    Raises:
        MalformedEvent: The body is not JSON or not an event; the message says where.
    """
    try:
        return structure(_json(body), WebhookEvent)
    except InvalidResponse as problem:
        raise MalformedEvent(f"cannot read {problem.path}: {problem.problem}") from None


def project_id_of(body: Body) -> str | None:
    """Return a delivery's project id, even if the rest is unreadable."""
    try:
        document = _json(body)
    except MalformedEvent:
        return None
    project_id = document.get("id") if isinstance(document, dict) else None
    return project_id if isinstance(project_id, str) else None


def _json(body: Body) -> Any:
    try:
        return loads(body)
    except ValueError:
        raise MalformedEvent("the body is not JSON") from None
