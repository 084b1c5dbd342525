"""What belongs to one account, arranged so that no answer needs to look at everything."""

import attrs

from eversince_async.emulator.account import Account
from eversince_async.emulator.limits import RequestWindow
from eversince_async.emulator.project import Project
from eversince_async.emulator.revision import ACTIVE


@attrs.define(eq=False)
class AccountState:
    """What belongs to one account, arranged for quick answers.

    Attributes:
        account: The account.
        window: Its request window.
        listed: Projects the API shows, oldest first.
        studio: The studio's projects by ID, which the API shows once they are adopted.
        adopted: Adopted projects by the ID of their source.
        by_status: All its projects by status, the studio's too.
        by_idempotency_key: The newest project of each key.
        most_active: Most projects ever active at once.
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
        """Projects holding a slot now."""
        return sum(len(self.by_status.get(status, ())) for status in ACTIVE)

    def add(self, project: Project, before: str | None) -> None:
        """File a project under its status."""
        if before is not None:
            self.by_status[before].pop(project.id, None)
        self.by_status.setdefault(project.status, {})[project.id] = project
        if project.status in ACTIVE:
            self.most_active = max(self.most_active, self.active)
