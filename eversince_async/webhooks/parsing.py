"""From the bytes of a delivery to what they say."""

from typing import Any

from eversince_async._wire.converter import structure
from eversince_async._wire.json_codec import loads
from eversince_async.errors import InvalidResponse, MalformedEvent
from eversince_async.models.webhooks import WebhookEvent
from eversince_async.webhooks.signature import Body


def parse_event(body: Body) -> WebhookEvent:
    """Read the body of a delivery; verify it first.

    Raises:
        MalformedEvent: It is no JSON or no event; says where.
    """
    try:
        return structure(_json(body), WebhookEvent)
    except InvalidResponse as problem:
        raise MalformedEvent(f"cannot read {problem.path}: {problem.problem}") from None


def project_id_of(body: Body) -> str | None:
    """The project a delivery is about, even if nothing else in it can be read."""
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
