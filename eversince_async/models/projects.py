"""Requests and responses for projects, from creation to adoption."""

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
    """The way in which the agent works on a project; open."""

    AUTONOMOUS = "autonomous"
    """The agent runs from start to finish."""
    COLLABORATIVE = "collaborative"
    """The agent stops at decision points and asks in `agent_message`."""
    NONE = "none"
    """The project is handed over to the studio; possible in settings only."""


class AspectRatio(StrEnum):
    """The aspect ratios of a project; open."""

    LANDSCAPE = "16:9"
    PORTRAIT = "9:16"
    SQUARE = "1:1"
    ULTRAWIDE = "21:9"


class Craft(StrEnum):
    """Creative directions of the April 2026 catalogue.

    The list is open, because the pages had others.
    """

    AUTO = "auto"
    GENERAL = "general"
    CINEMA = "cinema"
    ANIMATION = "animation"
    UGC = "ugc"
    MUSIC = "music"
    PHOTOGRAPHY = "photography"
    MOTION_GRAPHICS = "motion-graphics"


class AgentModel(StrEnum):
    """Models that the agent itself can run on.

    The names are the catalogue's. The list is open, because the pages said `opus`, `sonnet`.
    """

    OPUS_4_7 = "opus-4.7"
    OPUS_4_6 = "opus-4.6"
    SONNET_4_6 = "sonnet-4.6"


class ReasoningMode(StrEnum):
    """The depth of the agent's thinking (May 2026); open."""

    THINKING = "thinking"
    FAST = "fast"


class ExpectedOutput(StrEnum):
    """The kind of output a project asks for; open.

    May 2026 no longer has it.
    """

    ASSEMBLED = "assembled"
    """A rendered video."""
    ASSETS = "assets"
    """Single images, clips or sounds; nothing to render."""


class OutputType(StrEnum):
    """The kind of output a project has; open."""

    ASSEMBLED = "assembled"
    """A rendered video."""
    ASSETS = "assets"
    """Single assets; no render is needed."""
    PENDING = "pending"
    """The agent is still at work."""


# -- Requests -------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Brief(Request):
    """The description of a new project: the body of `POST /projects`.

    Wishes without a field of their own (length, voiceover, music, captions, language) belong in the brief.
    UNSET fields are not sent, and the server's defaults apply.

    Attributes:
        brief: The creative direction. 8,000 characters are safe on every server; the pages said 10,000.
        title: The project's title, at most 30 characters.
        mode: `autonomous` is the server's default.
        aspect_ratio: `16:9` is the server's default.
        craft: April 2026: creative direction, by default `auto`. The documents list different values.
        craft_auto: April 2026: True to let the agent choose the craft; by default true if craft is `auto`.
        skills: May 2026, instead of craft: slugs of Eversince skills (`cinema`) or ids of custom skills.
        reasoning_mode: May 2026: `thinking` is the server's default.
        video_model: The id of a model of `GET /models`; if UNSET, the agent chooses.
        image_model: The id of a model of `GET /models`; if UNSET, the agent chooses.
        agent_model: The model that the agent runs on. The default changed often: do not rely on it.
        expected_output: April 2026: `assembled` or `assets`; if UNSET, the server detects it from the brief.
        webhook_url: HTTPS address that status changes are posted to.
        idempotency_key: At most 256 characters. The same key never makes a second project, unless the
            first has failed. The client mints a key if none is given, so that retries are safe.
        references: Up to ten uploads or URLs, of which up to three of type `url`.
        extract_content: True to let the server fetch and read referenced pages (its default), False to pass
            their addresses on unchanged.
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
        """Return the problems, including too many references of type `url`."""
        return {**url_references_problem(self.references), **super().problems()}


@attrs.frozen(kw_only=True, repr=False, eq=False)
class SettingsChange(Request):
    """A change of a project's settings; UNSET fields stay unchanged.

    Aspect ratio, language, captions and variations are not settings: ask the agent with a message.

    Attributes:
        title: New title, at most 30 characters. None clears it.
        mode: `none` hands the project over to the studio.
        video_model: The id of the default video model.
        image_model: The id of the default image model.
        agent_model: The model that the agent runs on.
        reasoning_mode: May 2026: `thinking` or `fast`.
        craft: April 2026: creative direction.
        craft_auto: April 2026: True to let the agent choose the craft.
        skills: May 2026: the whole new active set; an empty list clears it.
        webhook_url: HTTPS address to notify. None stops notifying.
        expected_output: April 2026: `assembled` or `assets`. None lets the server detect it.
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
        """Return the problems; an empty change is one.

        The effect of an empty change is not documented.
        """
        return {"settings": "give at least one to change"} if self.is_empty() else super().problems()


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Adoption(Request):
    """A request to adopt a studio project.

    Attributes:
        project_id: The project's id in the studio.
        mode: `collaborative` is the server's default here, unlike for a new project.
    """

    project_id: str
    mode: Mode | str | Unset = UNSET


# -- Responses ------------------------------------------------------------------------------------------


class _Standing:
    """The meaning of a status for waiters."""

    __slots__ = ()

    status: ProjectStatus | str

    @property
    def is_active(self) -> bool:
        """True if the project holds one of the account's slots."""
        return self.status in ACTIVE

    @property
    def is_settled(self) -> bool:
        """True if polling may stop.

        The settled statuses are idle, completed, failed and cancelled. An unknown status is not settled.
        """
        return self.status in SETTLED


@attrs.frozen(kw_only=True, repr=False, eq=False)
class CreatedProject(Response):
    """A new project, or the earlier one with its idempotency key.

    Attributes:
        id: The project's id.
        status: `queued` for a new project; the present status of an earlier one.
        existed: True if the key already belonged to a project: then nothing was created (the HTTP status is
            200, and the response has only `id`, `status` and `message`).
        mode: `autonomous` or `collaborative`.
        project_url: The address of the project in the studio.
        credits_balance: The remaining credits.
        created_at: The time of creation.
        message: The server's message if the project existed.
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
    """A project in the list of projects.

    Attributes:
        id: The project's id.
        status: The project's status.
        mode: `autonomous`, `collaborative` or `none`.
        title: The project's title.
        brief: The brief, cut at 200 characters.
        source_project_id: The id of the studio project that this project was adopted from.
        expected_output: April 2026: `assembled` or `assets`.
        assembled_url: The address of the rendered video; expires 24 hours after the render.
        project_url: The address of the project in the studio.
        created_at: The time of creation.
        updated_at: The time of the last change.
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
        projects: At most 100 projects.
        total: The number of projects on all pages.
        limit: The page size that was requested.
        offset: The number of projects before this page.
    """

    projects: tuple[ProjectSummary, ...]
    total: int | None = None
    limit: int | None = None
    offset: int | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Project(_Standing, Response):
    """A project with its status and results.

    Attributes:
        id: The project's id.
        status: The project's status. `idle` comes twice: after the agent's run, and again after a render. Use
            `assembled_url` to distinguish the two; but an autonomous run may render by itself.
        mode: `autonomous`, `collaborative` or `none`.
        output_type: The present output: a video (`assembled`), single assets, or nothing yet (`pending`).
        assembled_url: The address of the rendered video; download or share it before it expires.
        assembled_url_expires_at: The time of expiry, 24 hours after the render.
        project_url: The address of the project in the studio.
        agent_message: The agent's last message; in collaborative mode its question.
        variation_id: The id of the active variation.
        created_at: The time of creation.
        updated_at: The time of the last change.
        credits_warning: A warning if the balance is low: at or below 100 credits according to the catalogue,
            below 100 according to the pages.
        error_message: The reason of a `failed` status.
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
        title: The project's title.
        mode: `autonomous`, `collaborative` or `none`.
        aspect_ratio: The aspect ratio. It is not a setting; ask the agent with a message to change it.
        video_model: The id of the default video model; None if the agent chooses.
        image_model: The id of the default image model; None if the agent chooses.
        agent_model: The model that the agent runs on: a short name, or a full model id on older servers.
        reasoning_mode: May 2026: `thinking` or `fast`.
        craft: April 2026: creative direction.
        craft_auto: April 2026: True if the agent chooses the craft.
        skills: May 2026, instead of craft: the active skills.
        webhook_url: The address that status changes are posted to.
        expected_output: April 2026: `assembled` or `assets`; None if the server detects it.
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
    """A project whose agent was stopped.

    Generations already with a provider still finish.

    Attributes:
        id: The project's id.
        status: `cancelled`.
    """

    id: str
    status: ProjectStatus | str | None = None


# -- The studio's projects ------------------------------------------------------------------------------


@attrs.frozen(kw_only=True, repr=False, eq=False)
class StudioProject(Model):
    """A project of the studio that can be adopted.

    Attributes:
        project_id: The project's id in the studio.
        title: The project's title.
        aspect_ratio: The aspect ratio.
        project_url: The address of the project in the studio.
        created_at: The time of creation.
        updated_at: The time of the last change.
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
        projects: At most 100 projects.
        total: The number of projects on all pages.
        limit: The page size that was requested.
        offset: The number of projects before this page.
    """

    projects: tuple[StudioProject, ...]
    total: int | None = None
    limit: int | None = None
    offset: int | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class AdoptedProject(Response):
    """An adopted studio project, which every endpoint now works on.

    Attributes:
        id: The project's id.
        status: `idle` for a newly adopted project.
        existed: True if the project had been adopted before (HTTP status 200).
        mode: `autonomous` or `collaborative`.
        project_url: The address of the project in the studio.
        message: The server's message if the project had been adopted before.
    """

    id: str
    status: ProjectStatus | str | None = None
    existed: bool = attrs.field(default=False, metadata=LOCAL)
    mode: Mode | str | None = None
    project_url: str | None = None
    message: str | None = None
