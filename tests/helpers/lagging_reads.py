"""Answers that are changed on their way to a client: reads that lag behind, writes that are refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs

from eversince_async._wire.responses import WireResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from eversince_async import Eversince
    from eversince_async.emulator.faults import ErrorAnswer


def edited(eversince: Eversince, edit: Callable[[str, Any], Any]) -> None:
    """Have each answer to a GET changed on its way: edit(path, document)."""
    transport = eversince._transport
    exchange = transport.send

    async def changed(request: Any, *more: Any, **named: Any) -> Any:
        answer = await exchange(request, *more, **named)
        if request.endpoint.method != "GET" or answer.status != 200:
            return answer
        plain = edit(request.path, json.loads(answer.body))
        return attrs.evolve(answer, body=json.dumps(plain).encode())

    object.__setattr__(transport, "send", changed)


def refusing(eversince: Eversince, refusal: Callable[[str, str, Any], ErrorAnswer | bool]) -> None:
    """Have some writes refused, and never sent: refusal(method, path, body)."""
    transport = eversince._transport
    exchange = transport.send

    async def refused(request: Any, *more: Any, **named: Any) -> Any:
        found = refusal(request.endpoint.method, request.path, json.loads(request.body or b"{}"))
        if isinstance(found, bool):
            return await exchange(request, *more, **named)
        error = {"code": found.code, "message": found.message, "status": found.status}
        return WireResponse.read(found.status, {}, json.dumps({"error": error}).encode())

    object.__setattr__(transport, "send", refused)


def losing_videos(status: str, *, times: int) -> Callable[[str, Any], Any]:
    """Single reads that show less of a project than a list has shown, the first few times."""
    shown, left = set[str](), dict[str, int]()

    def edit(path: str, plain: Any) -> Any:
        if path == "/projects":
            shown.update(each["id"] for each in plain["projects"] if each["assembled_url"])
        elif plain.get("id") in shown and left.setdefault(plain["id"], times):
            left[plain["id"]] -= 1
            plain |= {"status": status, "assembled_url": None, "assembled_url_expires_at": None}
            plain |= {"output_type": "pending"}
        return plain

    return edit


@attrs.define
class Replica:
    """Shows a project as it was the first time, for the next few answers, once it is told to.

    Attributes:
        left: Answers that are still to lag behind.
    """

    left: int = 0
    _first: dict[str, Any] = attrs.field(factory=dict[str, Any])

    def edit(self, path: str, plain: Any) -> Any:
        if path == "/projects":
            plain["projects"] = [self._one(each) for each in plain["projects"]]
        elif path.count("/") == 2 and path.startswith("/projects/"):
            plain = self._one(plain)
        return plain

    def remember(self, project: Any) -> None:
        """How a project is shown while answers lag: as it stands now."""
        self._first[project["id"]] = project

    def _one(self, project: Any) -> Any:
        first = self._first.setdefault(project["id"], dict(project))
        if not self.left:
            return project
        self.left -= 1
        kept = ("status", "assembled_url", "assembled_url_expires_at", "updated_at", "output_type")
        return project | {name: first[name] for name in kept if name in first and name in project}
