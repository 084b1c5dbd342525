"""The world of the emulator: accounts, projects and what will become of them.

Everything here is synchronous and takes the time as an argument (Unix seconds), so that the state is a
function of what was asked and of the time: nobody can see it halfway, and a test can look at it freely.
"""

import hashlib
import heapq
import secrets
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import islice

import attrs

from eversince_async.emulator.account import Account, Key, Share, Upload
from eversince_async.emulator.agent import Agent, say
from eversince_async.emulator.catalogue import platform_skills
from eversince_async.emulator.limits import DAY, Limits, RequestWindow
from eversince_async.emulator.log import RequestLog
from eversince_async.emulator.project import Project, Render
from eversince_async.emulator.refusals import Json, project_limit
from eversince_async.emulator.revision import ACTIVE, Rules
from eversince_async.emulator.scenario import Scenario, Step
from eversince_async.emulator.signing import Signer

ASSEMBLED_URL_SECONDS = DAY
"""How long an `assembled_url` works."""

_SOON = 1e-6  # a timer of a jumping loop may come this much early, by rounding


@attrs.define(eq=False)
class Holdings:
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

    def put(self, project: Project, before: str | None) -> None:
        """File a project under its status."""
        if before is not None:
            self.by_status[before].pop(project.id, None)
        self.by_status.setdefault(project.status, {})[project.id] = project
        if project.status in ACTIVE:
            self.most_active = max(self.most_active, self.active)


class World:
    """All state of one emulator.

    Attributes:
        rules: The revision.
        limits: The limits it keeps.
        scenario: What happens to projects.
        accounts: Accounts and what they hold, by account ID.
        projects: All projects by ID, also those of the studio.
        uploads: Uploads and their account by place in the storage.
        shares: Shares and their project by token.
        log: The requests so far.
        signer: Signs the URLs of the storage.
        touched: What changed since it was last saved: kind and ID.
        on_transition: Called with each project that entered a status and the Unix seconds when.
        watched: Whether some project has a webhook, so that things must happen when they are due.
        keep_past: Whether projects remember how they were before their latest change.
    """

    def __init__(
        self, rules: Rules, limits: Limits, scenario: Scenario, *, secret: str | None = None
    ) -> None:
        self.rules = rules
        self.limits = limits
        self.scenario = scenario
        self.accounts: dict[str, Holdings] = {}
        self.projects: dict[str, Project] = {}
        self.uploads: dict[str, tuple[Account, Upload]] = {}
        self.shares: dict[str, tuple[Share, Project]] = {}
        self.log = RequestLog()
        self.signer = Signer(secret or secrets.token_hex(16))
        self.touched: set[tuple[str, str]] = set()
        self.on_transition: Callable[[Project, float], None] = _nobody_listens
        self.watched = False
        self.keep_past = False
        self._keys: dict[str, tuple[Account, Key]] = {}
        self._agenda: list[tuple[float, int, Project]] = []
        self._due = 0

    def __repr__(self) -> str:
        active = sum(each.active for each in self.accounts.values())
        counts = f"{len(self.projects)} projects, {active} active, {len(self.log)} requests"
        return f"<World {self.rules.name}: {counts}>"

    # -- Accounts and keys ------------------------------------------------------------------------------

    @property
    def account(self) -> Account:
        """The first account: the only one unless a test adds others."""
        return next(iter(self.accounts.values())).account

    @property
    def holdings(self) -> Holdings:
        """What the first account holds."""
        return next(iter(self.accounts.values()))

    @property
    def most_active(self) -> int:
        """Most projects of the first account that ever were active at once."""
        return self.holdings.most_active

    @property
    def counts(self) -> Counter[str]:
        """Projects created, renders done, shares made and messages sent by users, ever."""
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
        """Let an account in; it finds the platform's skills there."""
        platform = {skill.id: skill for skill in platform_skills(self.rules)}
        for skill in platform.values():
            skill.is_active = skill.id in account.active_platform
        account.skills = {**platform, **account.skills}
        window = RequestWindow(
            self.limits.requests(self.rules), self.limits.window_seconds, self.limits.window == "sliding"
        )
        self.accounts[account.id] = Holdings(account, window)
        for key in account.keys.values():
            self._keys[key.digest] = (account, key)
        for upload in account.uploads.values():
            self.uploads[upload.r2_key] = (account, upload)
        self.touch(account)
        return account

    def add_key(self, account: Account, name: str, text: str, now: float) -> Key:
        """Accept a key from now on."""
        digest = hashlib.sha256(text.encode()).hexdigest()
        key = Key(id=f"key_{digest[:12]}", name=name, digest=digest, prefix=text[:12], created_at=now)
        account.keys[key.id] = key
        self._keys[digest] = (account, key)
        self.touch(account)
        return key

    def revoke_key(self, account: Account, key_id: str) -> None:
        """Refuse a key from now on."""
        key = account.keys.pop(key_id)
        del self._keys[key.digest]
        self.touch(account)

    def authenticate(self, text: str) -> tuple[Account, Key] | None:
        """Whose key this is."""
        return self._keys.get(hashlib.sha256(text.encode("utf-8", "replace")).hexdigest())

    def touch(self, changed: Account | Project) -> None:
        """Note that something has to be saved."""
        self.touched.add(("project" if isinstance(changed, Project) else "account", changed.id))

    def confirm(self, account: Account, upload: Upload) -> None:
        """Let a file be referred to."""
        account.confirmed[upload.upload_id or ""] = upload.r2_key
        self.touch(account)

    # -- Projects -----------------------------------------------------------------------------------------

    def next_number(self) -> int:
        """The number of the next project."""
        return len(self.projects) + 1

    def new_project_id(self) -> str:
        """An ID that depends on the seed and on the order of creation only."""
        text = f"{self.scenario.seed}:{self.next_number()}:project"
        return f"proj_{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    def add(self, project: Project) -> Project:
        """Let a project in, as it is."""
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
        holdings.put(project, None)
        if project.due is not None:
            self._remember(project)
        self.watched = self.watched or project.webhook_url is not None
        self.touch(project)
        return project

    def own(self, account: Account, project_id: str) -> Project | None:
        """A project the API shows to this account."""
        project = self.projects.get(project_id)
        return None if project is None or project.studio or project.account_id != account.id else project

    def listed(
        self, account: Account, *, status: str | None, title: str | None, offset: int, limit: int
    ) -> tuple[list[Project], int]:
        """A page of the account's projects, newest first, and how many there are."""
        holdings = self.accounts[account.id]
        chosen: Iterable[Project]
        if status is None and not title:
            chosen, total = reversed(holdings.listed), len(holdings.listed)
        else:
            chosen = self._matching(holdings, status, title)
            total = len(chosen)
        return list(islice(chosen, offset, offset + limit)), total

    def _matching(self, holdings: Holdings, status: str | None, title: str | None) -> list[Project]:
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
        """Refuse if the account has as many active projects as it may.

        Raises:
            Refusal: 429 project_limit.
        """
        most = self.limits.active_projects
        if most is not None and self.accounts[account.id].active >= most:
            raise project_limit(f"Active project limit reached: {most} projects at once")

    # -- What happens -------------------------------------------------------------------------------------

    def start(self, project: Project, *, queued: bool, at: float) -> None:
        """Let the agent run: the first run, or one that answers a message."""
        scenario = self.scenario.of(project.asked)
        project.runs += 1
        rng = project.rng(scenario.seed, "run")
        works = self._works_of_run(project, scenario)
        first = project.runs == 1
        steps = scenario.walked(works) if first and scenario.walk else scenario.run(works, rng, queued=queued)
        if first and self._renders_itself(project, scenario, steps):
            steps.append(scenario.rendering_step(rng))
        self.schedule(project, steps, at, failing_at=scenario.fails_at(steps, rng, scenario.failure))

    def _works_of_run(self, project: Project, scenario: Scenario) -> list[str]:
        """What one run does of all there is to do: everything, or up to the next stop for review."""
        works = project.works
        if not works:
            wish = project.pending or ""
            return [] if "variation" in wish or "version" in wish.lower() else ["retake"]
        there_were = len(scenario.works(project.output))
        stops = min(scenario.reviews, there_were - 1) if project.mode == "collaborative" else 0
        done = there_were - len(works)
        return works[: 1 if done < stops else len(works)]

    def _renders_itself(self, project: Project, scenario: Scenario, steps: list[Step]) -> bool:
        fits = project.mode == "autonomous" and project.output == "assembled" and not scenario.walk
        return (
            fits and bool(steps) and project.rng(scenario.seed, "self-render").random() < scenario.self_render
        )

    def render(self, project: Project, quality: str, at: float) -> None:
        """Render the active variation."""
        scenario = self.scenario.of(project.asked)
        project.runs += 1
        rng = project.rng(scenario.seed, "render")
        project.quality = quality
        step = scenario.rendering_step(rng)
        self.schedule(project, [step], at, failing_at=scenario.fails_at([step], rng, scenario.render_failure))

    def schedule(
        self, project: Project, steps: list[Step], at: float, *, failing_at: int | None = None
    ) -> None:
        """Let a project go through some steps from now on; it fails where it is told to."""
        project.failing = failing_at is not None
        project.error_message = None
        if failing_at is not None:
            steps = [*steps[:failing_at], attrs.evolve(steps[failing_at], work=())]
        project.steps = steps
        if steps:
            self._enter_step(project, at)
        else:
            self._settle(project, at)

    def stop(self, project: Project, at: float) -> None:
        """Cancel; what the providers are generating still arrives, when it would have."""
        if project.status == "generating":
            project.steps = [attrs.evolve(project.steps[0], status="cancelled")] if project.steps else []
        else:
            project.steps, project.due = [], None
        self.enter(project, "cancelled", at)

    def fail(self, project: Project, message: str, at: float) -> None:
        """End a run badly."""
        project.steps, project.due, project.failing = [], None, False
        project.error_message = message
        self.enter(project, "failed", at)

    def finish(self, project: Project, at: float) -> None:
        """End a run well, now."""
        project.steps, project.due = [], None
        self._settle(project, at)

    def fill(self, project: Project, status: str, *, rendered: bool, at: float) -> None:
        """Give a project what it would have made by the time it stands where it does, for nothing."""
        scenario = attrs.evolve(
            self.scenario.of(project.asked), image_credits=0, video_credits=0, audio_credits=0
        )
        if status in {"idle", "completed", "rendering"}:
            agent = self._agent(project, scenario, at)
            for work in scenario.works(project.output):
                agent.do(work)
            project.works = []
            say(project, "assistant", agent.closing_words(), at)
        if rendered:
            self._rendered(project, at)

    def enter(self, project: Project, status: str, at: float) -> None:
        """Give a project another status."""
        before = project.status
        if self.keep_past:
            project.before = attrs.evolve(project, before=None)
        project.status = status
        project.updated_at = at
        self.accounts[project.account_id].put(project, before)
        self.touch(project)
        self.on_transition(project, at)

    def next_due(self) -> float | None:
        """Unix seconds of the next thing to happen."""
        while self._agenda and self._agenda[0][2].due != self._agenda[0][0]:
            heapq.heappop(self._agenda)
        return self._agenda[0][0] if self._agenda else None

    def advance(self, now: float) -> None:
        """Let everything happen that was to happen by now, in its order and at its time."""
        while self._agenda and self._agenda[0][0] <= now + _SOON:
            due, _, project = heapq.heappop(self._agenda)
            if project.due == due:  # else it was cancelled or rescheduled
                self._finish_step(project, due)

    def _remember(self, project: Project) -> None:
        assert project.due is not None
        self._due += 1
        heapq.heappush(self._agenda, (project.due, self._due, project))

    def _enter_step(self, project: Project, at: float) -> None:
        step = project.steps[0]
        project.due = at + step.seconds
        self._remember(project)
        if step.status == "generating":
            say(project, "assistant", "", at)  # the internal marker the documents speak of
        if project.status != step.status or at == project.created_at:
            self.enter(project, step.status, at)

    def _finish_step(self, project: Project, at: float) -> None:
        step = project.steps.pop(0)
        for work in step.work:
            self._work(project, work, at)
        project.due = None
        if step.status == "cancelled":
            self.touch(project)
        elif project.steps:
            self._enter_step(project, at)
        elif project.failing:
            self.fail(project, self.scenario.of(project.asked).error_message, at)
        else:
            self._settle(project, at)

    def _settle(self, project: Project, at: float) -> None:
        scenario = self.scenario.of(project.asked)
        project.due = None
        if project.status != "rendering":
            words = self._agent(project, scenario, at).closing_words()
            project.pending = None
            say(project, "assistant", words, at)
        self.enter(project, scenario.settles_as, at)

    def _agent(self, project: Project, scenario: Scenario, at: float) -> Agent:
        account = self.accounts[project.account_id].account
        return Agent(project, account, scenario, at, project.rng(scenario.seed, f"agent{len(project.steps)}"))

    def _work(self, project: Project, work: str, at: float) -> None:
        if work == "render":
            self._rendered(project, at)
            return
        self._agent(project, self.scenario.of(project.asked), at).do(work)
        if work in project.works:
            project.works.remove(work)
        self.touch(self.accounts[project.account_id].account)

    def _rendered(self, project: Project, at: float) -> None:
        number = len(project.rendered) + 1
        variation = project.variation()
        path = f"/media/{project.id}/render-{number}.mp4"
        expires_at = at + ASSEMBLED_URL_SECONDS
        project.rendered.append(
            Render(
                number=number,
                quality=project.quality,
                aspect_ratio=variation.aspect_ratio if variation else project.aspect_ratio,
                at=at,
                expires_at=expires_at,
                path=self.signer.sign(path, expires_at, at),
            )
        )

    # -- Keeping -------------------------------------------------------------------------------------------

    def restore(self, accounts: Iterable[Json], projects: Iterable[Json]) -> None:
        """Take up a saved state."""
        for values in accounts:
            self.open_account(Account.from_json(values))
        for values in sorted(projects, key=lambda each: int(each["number"])):
            self.add(Project.from_json(values))
        for holdings in self.accounts.values():
            for share in holdings.account.shares:
                self.shares[share.token] = (share, self.projects[share.project_id])
        self.touched.clear()


def _nobody_listens(project: Project, at: float) -> None:
    """Transitions nobody wants to know of."""
