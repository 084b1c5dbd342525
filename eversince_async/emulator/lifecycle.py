"""The life of projects: scheduling their steps, and applying them when due.

Everything is synchronous and takes the time as an argument (Unix seconds): the state depends only on the
requests and the time.
"""

import heapq
from collections.abc import Callable, Mapping

import attrs

from eversince_async.emulator.account import Account
from eversince_async.emulator.account_state import AccountState
from eversince_async.emulator.agent import Agent, say
from eversince_async.emulator.limits import DAY
from eversince_async.emulator.project import Project, Render
from eversince_async.emulator.scenario import Scenario, Step
from eversince_async.emulator.signer import Signer

ASSEMBLED_URL_SECONDS = DAY
"""Seconds for which an `assembled_url` is valid."""

_TIMER_TOLERANCE = 1e-6  # seconds by which rounding may let a virtual-time timer fire early


class ProjectSimulator:
    """Moves projects through their statuses.

    Attributes:
        scenario: Rules for what happens to projects.
        on_transition: Called with each project that entered a status, and the time in Unix seconds.
        watched: True if a project has a webhook, so that changes must be applied when they are due.
        keeps_previous: True if projects keep a copy from before their latest change.
    """

    def __init__(
        self,
        scenario: Scenario,
        accounts: Mapping[str, AccountState],
        signer: Signer,
        touch: Callable[[Account | Project], None],
    ) -> None:
        self.scenario = scenario
        self.on_transition: Callable[[Project, float], None] = _nobody_listens
        self.watched = False
        self.keeps_previous = False
        self._accounts = accounts
        self._signer = signer
        self._touch = touch
        self._agenda: list[tuple[float, int, Project]] = []
        self._due = 0

    def start(self, project: Project, *, queued: bool, at: float) -> None:
        """Start the agent's first run, or one that responds to a message."""
        scenario = self.scenario.of(project.asked)
        project.runs += 1
        rng = project.rng(scenario.seed, "run")
        works = self._works_of_run(project, scenario)
        first = project.runs == 1
        steps = scenario.follow(works) if first and scenario.walk else scenario.run(works, rng, queued=queued)
        if first and self._renders_itself(project, scenario, steps):
            steps.append(scenario.rendering_step(rng))
        self.schedule(project, steps, at, failing_at=scenario.fails_at(steps, rng, scenario.failure))

    def _works_of_run(self, project: Project, scenario: Scenario) -> list[str]:
        """Return the work of one run: all, or one part until review."""
        works = project.works
        if not works:
            wish = project.pending or ""
            return [] if "variation" in wish or "version" in wish.lower() else ["retake"]
        total = len(scenario.works(project.output))
        stops = min(scenario.reviews, total - 1) if project.mode == "collaborative" else 0
        done = total - len(works)
        return works[: 1 if done < stops else len(works)]

    def _renders_itself(self, project: Project, scenario: Scenario, steps: list[Step]) -> bool:
        fits = project.mode == "autonomous" and project.output == "assembled" and not scenario.walk
        return (
            fits and bool(steps) and project.rng(scenario.seed, "self-render").random() < scenario.self_render
        )

    def render(self, project: Project, quality: str, at: float) -> None:
        """Start a render of the active variation."""
        scenario = self.scenario.of(project.asked)
        project.runs += 1
        rng = project.rng(scenario.seed, "render")
        project.quality = quality
        step = scenario.rendering_step(rng)
        self.schedule(project, [step], at, failing_at=scenario.fails_at([step], rng, scenario.render_failure))

    def schedule(
        self, project: Project, steps: list[Step], at: float, *, failing_at: int | None = None
    ) -> None:
        """Schedule steps for a project, starting now.

        Args:
            project: The project.
            steps: The steps.
            at: Time of the start, in Unix seconds.
            failing_at: Index of the step with which the run fails; None if it succeeds.
        """
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
        """Cancel a project.

        Output that the providers are already generating still arrives at its scheduled time.
        """
        if project.status == "generating":
            project.steps = [attrs.evolve(project.steps[0], status="cancelled")] if project.steps else []
        else:
            project.steps, project.due = [], None
        self.enter(project, "cancelled", at)

    def fail(self, project: Project, message: str, at: float) -> None:
        """End a run with a failure."""
        project.steps, project.due, project.failing = [], None, False
        project.error_message = message
        self.enter(project, "failed", at)

    def finish(self, project: Project, at: float) -> None:
        """End a run successfully, now."""
        project.steps, project.due = [], None
        self._settle(project, at)

    def fill(self, project: Project, status: str, *, rendered: bool, at: float) -> None:
        """Give a project the output that belongs to its status, without charge."""
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
            self._complete_render(project, at)

    def enter(self, project: Project, status: str, at: float) -> None:
        """Set a project's status."""
        before = project.status
        if self.keeps_previous:
            project.before = attrs.evolve(project, before=None)
        project.status = status
        project.updated_at = at
        self._accounts[project.account_id].add(project, before)
        self._touch(project)
        self.on_transition(project, at)

    def next_due(self) -> float | None:
        """Return the time of the next scheduled change, in Unix seconds."""
        while self._agenda and self._agenda[0][2].due != self._agenda[0][0]:
            heapq.heappop(self._agenda)
        return self._agenda[0][0] if self._agenda else None

    def advance(self, now: float) -> None:
        """Apply every change that is due by now, in order.

        Each change has the time at which it was due.
        """
        while self._agenda and self._agenda[0][0] <= now + _TIMER_TOLERANCE:
            due, _, project = heapq.heappop(self._agenda)
            if project.due == due:  # otherwise the step was cancelled or rescheduled
                self._finish_step(project, due)

    def remember(self, project: Project) -> None:
        """Schedule the end of a project's current step."""
        assert project.due is not None
        self._due += 1
        heapq.heappush(self._agenda, (project.due, self._due, project))

    def _enter_step(self, project: Project, at: float) -> None:
        step = project.steps[0]
        project.due = at + step.seconds
        self.remember(project)
        if step.status == "generating":
            say(project, "assistant", "", at)  # the internal marker that the documents mention
        if project.status != step.status or at == project.created_at:
            self.enter(project, step.status, at)

    def _finish_step(self, project: Project, at: float) -> None:
        step = project.steps.pop(0)
        for work in step.work:
            self._work(project, work, at)
        project.due = None
        if step.status == "cancelled":
            self._touch(project)
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
        account = self._account(project)
        return Agent(project, account, scenario, at, project.rng(scenario.seed, f"agent{len(project.steps)}"))

    def _work(self, project: Project, work: str, at: float) -> None:
        if work == "render":
            self._complete_render(project, at)
            return
        self._agent(project, self.scenario.of(project.asked), at).do(work)
        if work in project.works:
            project.works.remove(work)
        self._touch(self._account(project))

    def _complete_render(self, project: Project, at: float) -> None:
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
                path=self._signer.sign(path, expires_at, at),
            )
        )

    def _account(self, project: Project) -> Account:
        return self._accounts[project.account_id].account


def _nobody_listens(project: Project, at: float) -> None:
    """Ignore a transition while no listener is set."""
