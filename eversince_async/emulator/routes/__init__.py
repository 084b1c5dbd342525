"""The API's operations by method and path.

Each module covers one section of the documents.
"""

from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

import attrs

from eversince_async.emulator.call import Operation
from eversince_async.emulator.revision import RevisionRules
from eversince_async.emulator.routes import (
    account,
    content,
    discovery,
    feedback,
    keys,
    memories,
    messages,
    output,
    projects,
    skills,
    uploads,
)

_TABLE: Final[tuple[tuple[str, str, Operation], ...]] = (
    ("POST", "/projects", projects.create),
    ("GET", "/projects", projects.page),
    ("GET", "/projects/discover", projects.discover),
    ("POST", "/projects/adopt", projects.adopt),
    ("GET", "/projects/:id", projects.status),
    ("PATCH", "/projects/:id/settings", projects.settings),
    ("POST", "/projects/:id/cancel", projects.cancel),
    ("GET", "/projects/:id/messages", messages.page),
    ("POST", "/projects/:id/messages", messages.send),
    ("GET", "/projects/:id/timeline", content.timeline),
    ("GET", "/projects/:id/assets", content.assets),
    ("GET", "/projects/:id/variations", content.variations),
    ("GET", "/projects/:id/memory", content.memory),
    ("POST", "/projects/:id/render", output.render),
    ("POST", "/projects/:id/share", output.share),
    ("POST", "/uploads", uploads.ticket),
    ("POST", "/uploads/confirm", uploads.confirm),
    ("GET", "/account/credits", account.balance),
    ("GET", "/account/credit-packages", account.packages),
    ("GET", "/account/learned-preferences", account.preferences),
    ("PUT", "/account/learned-preferences", account.change_preferences),
    ("GET", "/account/shares", account.shares),
    ("GET", "/account/skills", skills.listing),
    ("POST", "/account/skills", skills.create),
    ("GET", "/account/skills/:id", skills.detail),
    ("PATCH", "/account/skills/:id", skills.change),
    ("DELETE", "/account/skills/:id", skills.delete),
    ("GET", "/models", discovery.models),
    ("GET", "/voices", discovery.voices),
    ("POST", "/estimate-cost", discovery.estimate),
    ("POST", "/keys", keys.create),
    ("GET", "/keys", keys.listing),
    ("DELETE", "/keys/:id", keys.revoke),
    ("POST", "/feedback", feedback.report),
)

_MEMORIES: Final[tuple[tuple[str, str, Operation], ...]] = (
    ("GET", "/account/memories", memories.listing),
    ("POST", "/account/memories", memories.create),
    ("GET", "/account/memories/:id", memories.detail),
    ("PATCH", "/account/memories/:id", memories.change),
    ("DELETE", "/account/memories/:id", memories.delete),
)


@attrs.frozen
class Route:
    """One operation and its name in the log, e.g. "GET /projects/:id"."""

    name: str
    operation: Operation


Methods: TypeAlias = dict[str, Route]
"""The operations of one path by method."""


@attrs.define
class _Branch:
    """Paths with a common beginning.

    A branch holds the operations of its own path, the branches below fixed words, and the branch below any
    ID.
    """

    methods: Methods = attrs.field(factory=dict)
    words: dict[str, "_Branch"] = attrs.field(factory=dict)
    any: "_Branch | None" = None


class Router:
    """Finds the operations of a path.

    Fixed words take precedence over IDs, as in `/projects/discover`.
    """

    def __init__(self, rules: RevisionRules) -> None:
        self._root = _Branch()
        self.names: list[str] = []
        for method, path, operation in (*_TABLE, *(_MEMORIES if rules.memories else ())):
            name = f"{method} {path}"
            self.names.append(name)
            self._branch(path.split("/")[1:]).methods[method] = Route(name, operation)

    def _branch(self, parts: Iterable[str]) -> _Branch:
        branch = self._root
        for part in parts:
            if part == ":id":
                branch.any = branch.any or _Branch()
                branch = branch.any
            else:
                branch = branch.words.setdefault(part, _Branch())
        return branch

    def find(self, parts: list[str]) -> tuple[Methods, str] | None:
        """Return a path's operations and the ID in it; None if unknown."""
        for branch, id_ in self._ways(parts):
            if branch.methods:
                return branch.methods, id_
        return None

    def _ways(self, parts: list[str]) -> Iterator[tuple[_Branch, str]]:
        branch, id_ = self._root, ""
        for part in parts:
            if part in branch.words:
                branch = branch.words[part]
            elif branch.any is not None and part:
                branch, id_ = branch.any, part
            else:
                return
        yield branch, id_
