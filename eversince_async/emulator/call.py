"""A call as the operations see it, and their response.

Nothing here deals with HTTP or waits.
"""

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
        views: Builds the JSON of responses.
        account: The account that makes the call.
        now: Time of the call, in Unix seconds.
        id: The `:id` of the path, or "".
        query: Query parameters.
        body: The object in the body; empty if there is no body.
        destinations: Hosts that webhooks may go to.
        stale: Seconds for which a read may still show the state before a change.
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
        """The rules of the emulated revision."""
        return self.world.rules

    @property
    def holdings(self) -> AccountState:
        """The holdings of the calling account."""
        return self.world.accounts[self.account.id]

    def fields(self) -> Fields:
        """Return a reader for the fields of the body."""
        return Fields(self.body)

    def query_params(self) -> Query:
        """Return a reader for the query parameters."""
        return Query(self.query)

    def project(self) -> Project:
        """Return the project that the path names.

        Raises:
            ApiError: 404, the account has no such project.
        """
        project = self.world.own(self.account, self.id)
        if project is None:
            raise not_found("Project")
        return project

    def visible(self, project: Project) -> Project | None:
        """Return the project as a read sees it.

        With stale reads that is the state before the latest change, or None if the project was just created.
        """
        if not self.stale or self.now - project.updated_at >= self.stale:
            return project
        return None if self.now - project.created_at < self.stale else project.before or project


@attrs.frozen(kw_only=True)
class Answer:
    """The response of an operation.

    Attributes:
        body: JSON object.
        status: HTTP status.
        project_id: The project that the call concerns, for the log.
        shown: Projects that the response lists, for the log.
        replayed: True if a create found that its project existed already.
    """

    body: Json
    status: int = 200
    project_id: str | None = None
    shown: tuple[str, ...] = ()
    replayed: bool = False


Operation: TypeAlias = Callable[[Call], Answer]
"""A function for one documented operation; raises `ApiError`."""
