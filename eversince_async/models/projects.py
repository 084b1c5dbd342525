"""Projects: creating, listing, reading, changing, cancelling, adopting."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import attrs

from eversince_async import limits
from eversince_async.lifecycle import ACTIVE, SETTLED, ProjectStatus
from eversince_async.models._base import LOCAL, UNSET, Model, Request, Response, Unset
from eversince_async.models._checks import length
from eversince_async.models.references import Reference, url_references_problem


class Mode(StrEnum):
    """Who decides along the way; open."""

    AUTONOMOUS = "autonomous"
    """The agent runs from start to finish."""
    COLLABORATIVE = "collaborative"
    """The agent stops at decision points and asks in `agent_message`."""
    NONE = "none"
    """Handed over to the studio; possible in settings only."""


class AspectRatio(StrEnum):
    """Shapes a project can have; open."""

    LANDSCAPE = "16:9"
    PORTRAIT = "9:16"
    SQUARE = "1:1"
    ULTRAWIDE = "21:9"


class Craft(StrEnum):
    """Creative directions of the April 2026 catalogue; open, since the pages had others."""

    AUTO = "auto"
    GENERAL = "general"
    CINEMA = "cinema"
    ANIMATION = "animation"
    UGC = "ugc"
    MUSIC = "music"
    PHOTOGRAPHY = "photography"
    MOTION_GRAPHICS = "motion-graphics"


class AgentModel(StrEnum):
    """Models the agent itself can run on, by the catalogue; open, since the pages said `opus`, `sonnet`."""

    OPUS_4_7 = "opus-4.7"
    OPUS_4_6 = "opus-4.6"
    SONNET_4_6 = "sonnet-4.6"


class ReasoningMode(StrEnum):
    """How deeply the agent thinks (May 2026); open."""

    THINKING = "thinking"
    FAST = "fast"


class ExpectedOutput(StrEnum):
    """What is wanted (gone in May 2026); open."""

    ASSEMBLED = "assembled"
    """A rendered video."""
    ASSETS = "assets"
    """Single images, clips or sounds; nothing to render."""


class OutputType(StrEnum):
    """What there is; open."""

    ASSEMBLED = "assembled"
    """A rendered video."""
    ASSETS = "assets"
    """Single assets; no render is needed."""
    PENDING = "pending"
    """The agent is still at work."""


# -- Requests -------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Brief(Request):
    """What to make: the body of `POST /projects`.

    Wishes that have no field of their own (length, voiceover, music, captions, language) belong into the
    brief. What stays UNSET is not sent, and the server's default holds.

    Attributes:
        brief: The creative direction. 8,000 characters are safe on every server; the pages said 10,000.
        title: The project's title, at most 30 characters.
        mode: `autonomous` is the server's default.
        aspect_ratio: `16:9` is the server's default.
        craft: April 2026: creative direction, by default `auto`. The documents list different values.
        craft_auto: April 2026: let the agent choose the craft; by default true when craft is `auto`.
        skills: May 2026, instead of craft: slugs of Eversince skills (`cinema`) or ids of custom skills.
        reasoning_mode: May 2026: `thinking` is the server's default.
        video_model: Id of a model of `GET /models`; else the agent chooses.
        image_model: Likewise.
        agent_model: What the agent runs on. The default changed often: rely on none.
        expected_output: April 2026: `assembled` or `assets`; else detected from the brief.
        webhook_url: HTTPS address that status changes are posted to.
        idempotency_key: At most 256 characters. The same key never makes a second project, unless the
            first has failed. The client mints one when this is left out, so that retries are safe.
        references: Up to ten uploads or URLs, of which up to three of type `url`.
        extract_content: Fetch referenced pages and read them (the server's default), or pass their
            addresses on as they are.
    """

    brief: str = attrs.field(
        metadata=length(
            limits.BRIEF_CHARACTERS, least=1, advice=f" ({limits.BRIEF_CHARACTERS_SAFE:,} is safe)"
        )
    )
    title: str | Unset = attrs.field(default=UNSET, metadata=length(limits.TITLE_CHARACTERS))
    mode: Mode | str | Unset = UNSET
    aspect_ratio: AspectRatio | str | Unset = UNSET
    craft: Craft | str | Unset = UNSET
    craft_auto: bool | Unset = UNSET
    skills: Sequence[str] | Unset = UNSET
    reasoning_mode: ReasoningMode | str | Unset = UNSET
    video_model: str | Unset = UNSET
    image_model: str | Unset = UNSET
    agent_model: AgentModel | str | Unset = UNSET
    expected_output: ExpectedOutput | str | Unset = UNSET
    webhook_url: str | Unset = UNSET
    idempotency_key: str | Unset = attrs.field(
        default=UNSET, metadata=length(limits.IDEMPOTENCY_KEY_CHARACTERS)
    )
    references: Sequence[Reference] | Unset = attrs.field(default=UNSET, metadata=length(limits.REFERENCES))
    extract_content: bool | Unset = UNSET

    def problems(self) -> dict[str, str]:
        """As for every request; besides, at most three references of type `url`."""
        return {**url_references_problem(self.references), **super().problems()}


@attrs.frozen(kw_only=True, repr=False, eq=False)
class SettingsChange(Request):
    """What to change about a project; whatever stays UNSET is left alone.

    Aspect ratio, language, captions and variations are no settings: ask the agent by message.

    Attributes:
        title: New title, at most 30 characters. None clears it.
        mode: `none` hands the project over to the studio.
        video_model: Id of the default video model.
        image_model: Id of the default image model.
        agent_model: What the agent runs on.
        reasoning_mode: May 2026: `thinking` or `fast`.
        craft: April 2026: creative direction.
        craft_auto: April 2026: let the agent choose the craft.
        skills: May 2026: replaces the whole active set; an empty list clears it.
        webhook_url: HTTPS address to notify. None stops notifying.
        expected_output: April 2026: `assembled` or `assets`. None has the server detect it.
    """

    title: str | Unset | None = attrs.field(default=UNSET, metadata=length(limits.TITLE_CHARACTERS))
    mode: Mode | str | Unset = UNSET
    video_model: str | Unset = UNSET
    image_model: str | Unset = UNSET
    agent_model: AgentModel | str | Unset = UNSET
    reasoning_mode: ReasoningMode | str | Unset = UNSET
    craft: Craft | str | Unset = UNSET
    craft_auto: bool | Unset = UNSET
    skills: Sequence[str] | Unset = UNSET
    webhook_url: str | Unset | None = UNSET
    expected_output: ExpectedOutput | str | Unset | None = UNSET

    def problems(self) -> dict[str, str]:
        """As for every request; besides, an empty change: what it does is not documented."""
        return {"settings": "give at least one to change"} if self.is_empty() else super().problems()


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Adoption(Request):
    """Which studio project to adopt.

    Attributes:
        project_id: Its id in the studio.
        mode: `collaborative` is the server's default here, other than for a new project.
    """

    project_id: str
    mode: Mode | str | Unset = UNSET


# -- Responses ------------------------------------------------------------------------------------------


class _Standing:
    """What a status means for whoever waits."""

    __slots__ = ()

    status: ProjectStatus | str

    @property
    def is_active(self) -> bool:
        """Whether the project holds one of the account's active-project slots."""
        return self.status in ACTIVE

    @property
    def is_settled(self) -> bool:
        """Whether polling may stop: idle, completed, failed or cancelled. An unknown status is not."""
        return self.status in SETTLED


@attrs.frozen(kw_only=True, repr=False, eq=False)
class CreatedProject(Response):
    """A project that was just created, or the one its idempotency key already stood for.

    Attributes:
        id: The project.
        status: `queued` when new; whatever it is by now when it existed.
        existed: Whether the key already stood for a project: then nothing was created (status 200, and
            only `id`, `status` and `message` are told).
        mode: `autonomous` or `collaborative`.
        project_url: The project in the studio.
        credits_balance: Credits left.
        created_at: When.
        message: The server's words when the project existed.
    """

    id: str
    status: ProjectStatus | str | None = None
    existed: bool = attrs.field(default=False, metadata=LOCAL)
    mode: Mode | str | None = None
    project_url: str | None = None
    credits_balance: float | None = None
    created_at: datetime | None = None
    message: str | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class ProjectSummary(_Standing, Model):
    """A project as the list shows it.

    Attributes:
        id: The project.
        status: Where it stands.
        mode: `autonomous`, `collaborative` or `none`.
        title: Its title.
        brief: The brief, cut at 200 characters.
        source_project_id: The studio project it was adopted from.
        expected_output: April 2026: `assembled` or `assets`.
        assembled_url: The rendered video; expires 24 hours after the render.
        project_url: The project in the studio.
        created_at: When it was created.
        updated_at: When it last changed.
    """

    id: str
    status: ProjectStatus | str
    mode: Mode | str | None = None
    title: str | None = None
    brief: str | None = None
    source_project_id: str | None = None
    expected_output: ExpectedOutput | str | None = None
    assembled_url: str | None = None
    project_url: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class ProjectPage(Response):
    """One page of `GET /projects`.

    Attributes:
        projects: At most 100.
        total: Projects in all pages.
        limit: Projects asked for.
        offset: Projects before this page.
    """

    projects: tuple[ProjectSummary, ...]
    total: int | None = None
    limit: int | None = None
    offset: int | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Project(_Standing, Response):
    """Where a project stands and what it has made.

    Attributes:
        id: The project.
        status: Where it stands. `idle` comes twice: after the agent's run, and again after a render; look
            at `assembled_url` to tell them apart, and mind that an autonomous run may render by itself.
        mode: `autonomous`, `collaborative` or `none`.
        output_type: Whether there is a video (`assembled`), single assets, or nothing yet (`pending`).
        assembled_url: The rendered video; download or share it before it expires.
        assembled_url_expires_at: When that is, 24 hours after the render.
        project_url: The project in the studio.
        agent_message: The agent's last message; in collaborative mode what it wants to know.
        variation_id: The active variation.
        created_at: When it was created.
        updated_at: When it last changed.
        credits_warning: Only when the balance is low: at or below 100 by the catalogue, below by the pages.
        error_message: What went wrong, when the status is `failed`.
    """

    id: str
    status: ProjectStatus | str
    mode: Mode | str | None = None
    output_type: OutputType | str | None = None
    assembled_url: str | None = None
    assembled_url_expires_at: datetime | None = None
    project_url: str | None = None
    agent_message: str | None = None
    variation_id: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    credits_warning: str | None = None
    error_message: str | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class ProjectSettings(Response):
    """A project's settings after a change.

    Attributes:
        title: Its title.
        mode: `autonomous`, `collaborative` or `none`.
        aspect_ratio: Its shape; no setting, the agent changes it by message.
        video_model: Id of the default video model; None when the agent chooses.
        image_model: Likewise.
        agent_model: What the agent runs on: a short name, or a full model id on older servers.
        reasoning_mode: May 2026: `thinking` or `fast`.
        craft: April 2026: creative direction.
        craft_auto: April 2026: whether the agent chooses the craft.
        skills: May 2026, instead of craft: the active skills.
        webhook_url: Where status changes are posted.
        expected_output: April 2026: `assembled` or `assets`; None when it is detected.
    """

    title: str | None = None
    mode: Mode | str | None = None
    aspect_ratio: AspectRatio | str | None = None
    video_model: str | None = None
    image_model: str | None = None
    agent_model: str | None = None
    reasoning_mode: ReasoningMode | str | None = None
    craft: Craft | str | None = None
    craft_auto: bool | None = None
    skills: tuple[str, ...] | None = None
    webhook_url: str | None = None
    expected_output: ExpectedOutput | str | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class CancelledProject(Response):
    """A project whose agent was stopped; generations already with a provider still finish.

    Attributes:
        id: The project.
        status: `cancelled`.
    """

    id: str
    status: ProjectStatus | str | None = None


# -- The studio's projects ------------------------------------------------------------------------------


@attrs.frozen(kw_only=True, repr=False, eq=False)
class StudioProject(Model):
    """A project of the studio that can be adopted.

    Attributes:
        project_id: Its id in the studio.
        title: Its title.
        aspect_ratio: Its shape.
        project_url: Where it is in the studio.
        created_at: When it was created.
        updated_at: When it last changed.
    """

    project_id: str
    title: str | None = None
    aspect_ratio: AspectRatio | str | None = None
    project_url: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class StudioProjectPage(Response):
    """One page of `GET /projects/discover`.

    Attributes:
        projects: At most 100.
        total: Projects in all pages.
        limit: Projects asked for.
        offset: Projects before this page.
    """

    projects: tuple[StudioProject, ...]
    total: int | None = None
    limit: int | None = None
    offset: int | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class AdoptedProject(Response):
    """A studio project that every endpoint works on from now on.

    Attributes:
        id: The project.
        status: `idle` when newly adopted.
        existed: Whether it had been adopted before (status 200).
        mode: `autonomous` or `collaborative`.
        project_url: The project in the studio.
        message: The server's words when it had been adopted before.
    """

    id: str
    status: ProjectStatus | str | None = None
    existed: bool = attrs.field(default=False, metadata=LOCAL)
    mode: Mode | str | None = None
    project_url: str | None = None
    message: str | None = None
