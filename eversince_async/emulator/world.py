"""The emulator's world: accounts, projects and their scheduled future.

Everything here is synchronous and takes the time as an argument (Unix seconds). The state therefore depends
only on the requests and the time: no caller sees it half changed, and a test can read it at any moment.
"""

import hashlib
import secrets
from collections import Counter
from collections.abc import Iterable
from itertools import islice

from eversince_async.emulator.account import Account, Key, Share, Upload
from eversince_async.emulator.account_state import AccountState
from eversince_async.emulator.errors import Json, project_limit
from eversince_async.emulator.fixtures import platform_skills
from eversince_async.emulator.lifecycle import ProjectSimulator
from eversince_async.emulator.limits import Limits, RequestWindow
from eversince_async.emulator.log import RequestLog
from eversince_async.emulator.project import Project
from eversince_async.emulator.revision import RevisionRules
from eversince_async.emulator.scenario import Scenario
from eversince_async.emulator.signer import Signer


class World:
    """All state of one emulator.

    Attributes:
        rules: The rules of the emulated revision.
        limits: The limits that the emulator enforces.
        accounts: Accounts and their holdings, by account ID.
        projects: All projects by ID, including those of the studio.
        uploads: Uploads with their accounts, by storage key.
        shares: Shares with their projects, by token.
        log: The requests so far.
        signer: Signs the URLs of the storage.
        touched: Kind and ID of everything that changed since the last save.
        life: Schedules and applies the changes of the projects.
    """

    def __init__(
        self, rules: RevisionRules, limits: Limits, scenario: Scenario, *, secret: str | None = None
    ) -> None:
        self.rules = rules
        self.limits = limits
        self.accounts: dict[str, AccountState] = {}
        self.projects: dict[str, Project] = {}
        self.uploads: dict[str, tuple[Account, Upload]] = {}
        self.shares: dict[str, tuple[Share, Project]] = {}
        self.log = RequestLog()
        self.signer = Signer(secret or secrets.token_hex(16))
        self.touched: set[tuple[str, str]] = set()
        self.life = ProjectSimulator(scenario, self.accounts, self.signer, self.touch)
        self._keys: dict[str, tuple[Account, Key]] = {}

    def __repr__(self) -> str:
        active = sum(each.active for each in self.accounts.values())
        counts = f"{len(self.projects)} projects, {active} active, {len(self.log)} requests"
        return f"<World {self.rules.name}: {counts}>"

    # -- Accounts and keys ------------------------------------------------------------------------------

    @property
    def account(self) -> Account:
        """The first account; the only one unless a test adds others."""
        return next(iter(self.accounts.values())).account

    @property
    def holdings(self) -> AccountState:
        """The holdings of the first account."""
        return next(iter(self.accounts.values()))

    @property
    def most_active(self) -> int:
        """The highest number of the first account's projects active at once."""
        return self.holdings.most_active

    @property
    def counts(self) -> Counter[str]:
        """Totals since the start: projects, renders, shares and messages of users."""
        return Counter(
            projects=sum(not project.studio for project in self.projects.values()),
            renders=sum(len(project.rendered) for project in self.projects.values()),
            shares=len(self.shares),
            messages=sum(
                message["role"] == "user"
                for project in self.projects.values()
                for message in project.messages
            ),
        )

    def open_account(self, account: Account) -> Account:
        """Add an account and give it the platform's skills."""
        platform = {skill.id: skill for skill in platform_skills(self.rules)}
        for skill in platform.values():
            skill.is_active = skill.id in account.active_platform
        account.skills = {**platform, **account.skills}
        window = RequestWindow(
            self.limits.requests(self.rules), self.limits.window_seconds, self.limits.window == "sliding"
        )
        self.accounts[account.id] = AccountState(account, window)
        for key in account.keys.values():
            self._keys[key.digest] = (account, key)
        for upload in account.uploads.values():
            self.uploads[upload.r2_key] = (account, upload)
        self.touch(account)
        return account

    def add_key(self, account: Account, name: str, text: str, now: float) -> Key:
        """Accept an API key from now on."""
        digest = hashlib.sha256(text.encode()).hexdigest()
        key = Key(id=f"key_{digest[:12]}", name=name, digest=digest, prefix=text[:12], created_at=now)
        account.keys[key.id] = key
        self._keys[digest] = (account, key)
        self.touch(account)
        return key

    def revoke_key(self, account: Account, key_id: str) -> None:
        """Refuse an API key from now on."""
        key = account.keys.pop(key_id)
        del self._keys[key.digest]
        self.touch(account)

    def authenticate(self, text: str) -> tuple[Account, Key] | None:
        """Return the account and the key record for an API key."""
        return self._keys.get(hashlib.sha256(text.encode("utf-8", "replace")).hexdigest())

    def touch(self, changed: Account | Project) -> None:
        """Record that an account or a project has to be saved."""
        self.touched.add(("project" if isinstance(changed, Project) else "account", changed.id))

    def confirm(self, account: Account, upload: Upload) -> None:
        """Confirm an upload, so that requests may refer to it."""
        account.confirmed[upload.upload_id or ""] = upload.r2_key
        self.touch(account)

    # -- Projects -----------------------------------------------------------------------------------------

    def next_number(self) -> int:
        """Return the number of the next project."""
        return len(self.projects) + 1

    def new_project_id(self) -> str:
        """Return a project ID that no other emulator run produces.

        A run that continues from this one's state file shares its IDs. They must be unique because journals
        keep them.
        """
        text = f"{self.signer.secret}:{self.next_number()}:project"
        return f"proj_{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    def add(self, project: Project) -> Project:
        """Add a project in its present state."""
        holdings = self.accounts[project.account_id]
        self.projects[project.id] = project
        if project.studio:
            holdings.studio[project.id] = project
        else:
            holdings.listed.append(project)
        if project.source_project_id is not None:
            holdings.adopted[project.source_project_id] = project
        if project.idempotency_key is not None:
            holdings.by_idempotency_key[project.idempotency_key] = project
        holdings.add(project, None)
        if project.due is not None:
            self.life.remember(project)
        self.life.watched = self.life.watched or project.webhook_url is not None
        self.touch(project)
        return project

    def own(self, account: Account, project_id: str) -> Project | None:
        """Return a project that the API shows to this account, or None."""
        project = self.projects.get(project_id)
        return None if project is None or project.studio or project.account_id != account.id else project

    def list_projects(
        self, account: Account, *, status: str | None, title: str | None, offset: int, limit: int
    ) -> tuple[list[Project], int]:
        """Return a page of the account's projects, newest first, and the total."""
        holdings = self.accounts[account.id]
        chosen: Iterable[Project]
        if status is None and not title:
            chosen, total = reversed(holdings.listed), len(holdings.listed)
        else:
            chosen = self._matching(holdings, status, title)
            total = len(chosen)
        return list(islice(chosen, offset, offset + limit)), total

    def _matching(self, holdings: AccountState, status: str | None, title: str | None) -> list[Project]:
        if status is None:
            matching = [*reversed(holdings.listed)]
        else:
            shown = [each for each in holdings.by_status.get(status, {}).values() if not each.studio]
            matching = sorted(shown, key=lambda each: each.number, reverse=True)
        if title:
            wanted = title.casefold()
            matching = [each for each in matching if wanted in (each.title or "").casefold()]
        return matching

    def need_slot(self, account: Account) -> None:
        """Refuse if the account's active projects have reached the limit.

        Raises:
            ApiError: 429 project_limit.
        """
        most = self.limits.active_projects
        if most is not None and self.accounts[account.id].active >= most:
            raise project_limit(f"Active project limit reached: {most} projects at once")

    def advance(self, now: float) -> None:
        """Apply every change that is due by now."""
        self.life.advance(now)

    # -- Restoring -------------------------------------------------------------------------------------------

    def restore(self, accounts: Iterable[Json], projects: Iterable[Json]) -> None:
        """Restore a saved state."""
        for values in accounts:
            self.open_account(Account.from_json(values))
        for values in sorted(projects, key=lambda each: int(each["number"])):
            self.add(Project.from_json(values))
        for holdings in self.accounts.values():
            for share in holdings.account.shares:
                self.shares[share.token] = (share, self.projects[share.project_id])
        self.touched.clear()
