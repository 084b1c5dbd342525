"""A call as the operations see it, and the answer they give: no HTTP, no waiting."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import attrs

from eversince_async.emulator.account import Account
from eversince_async.emulator.account_state import AccountState
from eversince_async.emulator.destinations import Destinations
from eversince_async.emulator.errors import Json, not_found
from eversince_async.emulator.project import Project
from eversince_async.emulator.revision import RevisionRules
from eversince_async.emulator.serializers import Serializer
from eversince_async.emulator.validation import Fields, Query
from eversince_async.emulator.world import World


@attrs.frozen(kw_only=True)
class Call:
    """One authenticated call.

    Attributes:
        world: All state.
        views: Shapes of answers.
        account: Who calls.
        now: Unix seconds.
        id: The `:id` of the path, or "".
        query: Query parameters.
        body: The body's object; empty if there was none.
        destinations: Where webhooks may go.
        stale: Seconds for which a read may still show what was before a change.
    """

    world: World
    views: Serializer
    account: Account
    now: float
    id: str = ""
    query: Mapping[str, str]
    body: Json
    destinations: Destinations
    stale: float = 0.0

    @property
    def rules(self) -> RevisionRules:
        """The emulated revision."""
        return self.world.rules

    @property
    def holdings(self) -> AccountState:
        """What the account holds."""
        return self.world.accounts[self.account.id]

    def fields(self) -> Fields:
        """The body's fields, to be read."""
        return Fields(self.body)

    def query_params(self) -> Query:
        """The query's fields, to be read."""
        return Query(self.query)

    def project(self) -> Project:
        """The project of the path.

        Raises:
            Refusal: 404.
        """
        project = self.world.own(self.account, self.id)
        if project is None:
            raise not_found("Project")
        return project

    def visible(self, project: Project) -> Project | None:
        """What a read sees of a project: with stale reads, how it was a moment ago, or nothing yet."""
        if not self.stale or self.now - project.updated_at >= self.stale:
            return project
        return None if self.now - project.created_at < self.stale else project.before or project


@attrs.frozen(kw_only=True)
class Answer:
    """What an operation answers.

    Attributes:
        body: JSON object.
        status: HTTP status.
        project_id: The project it was about, for the log.
        shown: Projects it listed, for the log.
        replayed: Whether a create found its project already there.
    """

    body: Json
    status: int = 200
    project_id: str | None = None
    shown: tuple[str, ...] = ()
    replayed: bool = False


Operation: TypeAlias = Callable[[Call], Answer]
"""One documented operation; raises `ApiError`."""
