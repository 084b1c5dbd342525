"""The holdings of one account, indexed so that no request scans everything."""

import attrs

from eversince_async.emulator.account import Account
from eversince_async.emulator.limits import RequestWindow
from eversince_async.emulator.project import Project
from eversince_async.emulator.revision import ACTIVE


@attrs.define(eq=False)
class AccountState:
    """The holdings of one account, indexed for quick responses.

    Attributes:
        account: The account.
        window: Request window of the account.
        listed: Projects that the API shows, oldest first.
        studio: The studio's projects by ID; the API shows them once they are adopted.
        adopted: Adopted projects by the ID of their source.
        by_status: All projects of the account by status, including the studio's.
        by_idempotency_key: The newest project of each key.
        most_active: The highest number of projects ever active at once.
    """

    account: Account
    window: RequestWindow
    listed: list[Project] = attrs.field(factory=list)
    studio: dict[str, Project] = attrs.field(factory=dict)
    adopted: dict[str, Project] = attrs.field(factory=dict)
    by_status: dict[str, dict[str, Project]] = attrs.field(factory=dict)
    by_idempotency_key: dict[str, Project] = attrs.field(factory=dict)
    most_active: int = 0

    @property
    def active(self) -> int:
        """The number of projects that hold a slot now."""
        return sum(len(self.by_status.get(status, ())) for status in ACTIVE)

    def add(self, project: Project, before: str | None) -> None:
        """Index a project under its new status instead of the one before."""
        if before is not None:
            self.by_status[before].pop(project.id, None)
        self.by_status.setdefault(project.status, {})[project.id] = project
        if project.status in ACTIVE:
            self.most_active = max(self.most_active, self.active)
