"""From the bytes of a delivery to what they say."""

import re
from typing import Any, Final

import attrs

from eversince_async._wire.converter import structure
from eversince_async._wire.jsons import loads
from eversince_async.errors import MalformedEvent, UnreadableAnswer
from eversince_async.models.webhooks import WebhookEvent
from eversince_async.webhooks.signature import Body

_EMBEDDED: Final = re.compile(r"\$\.(timeline|assets)\b")
"""Paths inside of what goes along with a project."""


def read_event(body: Body) -> WebhookEvent:
    """Read the body of a delivery; verify it first.

    An event comes only once, so it is not lost over a timeline or assets that cannot be read, as early ones
    may be: these are then missing, and stand in `extra` as they came.

    Raises:
        MalformedEvent: It is no JSON or no event; says where.
    """
    document = _json(body)
    unread: dict[str, Any] = {}
    while True:
        try:
            event = structure(document, WebhookEvent)
        except UnreadableAnswer as problem:
            embedded = _EMBEDDED.match(problem.path)
            if embedded is None:
                raise MalformedEvent(f"cannot read {problem.path}: {problem.problem}") from None
            unread[embedded[1]] = document[embedded[1]]
            document = {**document, embedded[1]: None}
        else:
            return attrs.evolve(event, extra={**event.extra, **unread}) if unread else event


def project_of(body: Body) -> str | None:
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
