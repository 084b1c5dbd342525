"""Projects: create, list, read, change, cancel, discover, adopt.

Source: the projects page.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Unpack

from eversince_async._wire.endpoints import (
    ADOPT_PROJECT,
    CANCEL_PROJECT,
    CHANGE_SETTINGS,
    CREATE_PROJECT,
    DISCOVER_PROJECTS,
    GET_PROJECT,
    LIST_PROJECTS,
)
from eversince_async._wire.requests import page_query
from eversince_async.limits import PAGE_PROJECTS
from eversince_async.models._base import UNSET, Unset
from eversince_async.models.projects import (
    AdoptedProject,
    Adoption,
    Brief,
    CancelledProject,
    CreatedProject,
    Project,
    ProjectPage,
    ProjectSettings,
    ProjectSummary,
    SettingsChange,
    StudioProject,
    StudioProjectPage,
)
from eversince_async.resources._base import Extra, OffsetPage, Resource, iterate_pages
from eversince_async.resources._brief import BriefOptions, build_brief


class Projects(Resource):
    """The methods of `eversince.projects`."""

    async def create(self, brief: str | Brief, **options: Unpack[BriefOptions]) -> CreatedProject:
        """Create a project; the agent begins at once and spends credits.

        Only the given values are sent. One call makes at most one project, even if the network fails: an
        idempotency key is minted once and sent with every attempt.

        This method waits for the request budget, but neither for one of the account's slots for active
        projects nor for the daily reset; `eversince.produce` and `eversince.batch` do. The project takes a
        slot at the server. Productions and batches of this client know of it only after a poll has shown it,
        so one that starts at the same moment may be refused once, and then waits.

        Args:
            brief: The creative direction, 1 to 8,000 characters (one page says 10,000); or a whole `Brief`,
                whose fields the options then replace.
            **options: Any field of `Brief`: title, mode, aspect_ratio, craft, skills, reasoning_mode,
                models, expected_output, webhook_url, idempotency_key, references, extract_content, extra.

        Returns:
            The new project, or an earlier one with the same idempotency key: then `existed` is true and most
            fields are None. After a failure, the same key begins a new project.

        Raises:
            InvalidRequest: Every revision would refuse a field; nothing was sent.
            InsufficientCredits: The account has fewer credits than a create needs.
            ProjectLimitReached: The account has too many active projects, or created too many today.
        """
        return await self._session.send(CREATE_PROJECT, CreatedProject, body=build_brief(brief, options))

    async def list(
        self,
        *,
        limit: int | None = None,
        offset: int | None = None,
        status: str | None = None,
        title: str | None = None,
        extra: Extra = None,
    ) -> ProjectPage:
        """Return one page of the account's projects.

        Args:
            limit: 1 to 100; the server's default is 20.
            offset: The number of projects to skip.
            status: List only projects in this status.
            title: List only projects whose title contains this, in any case.
            extra: Query parameters this version does not know yet.
        """
        query = {
            **page_query(largest=PAGE_PROJECTS, limit=limit, offset=offset),
            "status": status,
            "title": title,
        }
        return await self._session.send(LIST_PROJECTS, ProjectPage, query=query, extra=extra)

    def iter(
        self, *, status: str | None = None, title: str | None = None, extra: Extra = None
    ) -> AsyncIterator[ProjectSummary]:
        """Iterate over all projects, each once.

        Pages of 100 are fetched as the loop needs them.
        """

        async def page_at(offset: int) -> OffsetPage[ProjectSummary]:
            page = await self.list(
                limit=PAGE_PROJECTS, offset=offset, status=status, title=title, extra=extra
            )
            return OffsetPage(page.projects, total=page.total, limit=page.limit, unreadable=page.unreadable)

        return iterate_pages(page_at, lambda project: project.id, PAGE_PROJECTS)

    async def get(self, project_id: str, *, extra: Extra = None) -> Project:
        """Return a project's present status and results.

        Raises:
            NotFound: There is no such project in this account.
        """
        return await self._session.send(GET_PROJECT, Project, ids={"project_id": project_id}, extra=extra)

    async def settings(
        self,
        project_id: str,
        *,
        title: str | Unset | None = UNSET,
        mode: str | Unset = UNSET,
        craft: str | Unset = UNSET,
        craft_auto: bool | Unset = UNSET,
        skills: Sequence[str] | Unset = UNSET,
        reasoning_mode: str | Unset = UNSET,
        video_model: str | Unset = UNSET,
        image_model: str | Unset = UNSET,
        agent_model: str | Unset = UNSET,
        webhook_url: str | Unset | None = UNSET,
        expected_output: str | Unset | None = UNSET,
        extra: Extra = None,
    ) -> ProjectSettings:
        """Change a project's settings; values that are not given stay unchanged.

        Aspect ratio, language, captions and variations are not settings: ask the agent with a message.

        Args:
            project_id: The project.
            title: At most 30 characters; None clears it.
            mode: `autonomous`, `collaborative`, or `none`, which hands the project over to the studio.
            craft: Craft slug (April 2026).
            craft_auto: True if the agent chooses the craft (April 2026).
            skills: The whole new active set (May 2026); an empty one clears it.
            reasoning_mode: `thinking` or `fast` (May 2026).
            video_model: Model id.
            image_model: Model id.
            agent_model: As in `create`.
            webhook_url: HTTPS address; None stops notifying.
            expected_output: `assembled` or `assets`; None lets the server detect it again (April 2026).
            extra: Fields this version does not know yet.

        Raises:
            InvalidRequest: No value was given; the server's reaction to an empty change is not documented.
            StatusConflict: The agent is at work (running, generating or rendering).
        """
        change = SettingsChange(
            title=title,
            mode=mode,
            craft=craft,
            craft_auto=craft_auto,
            skills=skills,
            reasoning_mode=reasoning_mode,
            video_model=video_model,
            image_model=image_model,
            agent_model=agent_model,
            webhook_url=webhook_url,
            expected_output=expected_output,
            extra=dict(extra or {}),
        )
        return await self._session.send(
            CHANGE_SETTINGS, ProjectSettings, ids={"project_id": project_id}, body=change
        )

    async def cancel(self, project_id: str, *, extra: Extra = None) -> CancelledProject:
        """Stop the agent.

        The project must be queued, running, generating or idle. Generations already with a provider still
        finish and are paid for.

        Raises:
            StatusConflict: The status does not allow a cancellation, or changed meanwhile: read the project
                again.
            OutcomeUnknown: The project may or may not have been cancelled.
        """
        return await self._session.send(
            CANCEL_PROJECT, CancelledProject, ids={"project_id": project_id}, extra=extra
        )

    async def discover(
        self,
        *,
        limit: int | None = None,
        offset: int | None = None,
        title: str | None = None,
        extra: Extra = None,
    ) -> StudioProjectPage:
        """Return one page of studio projects that can be adopted.

        Args:
            limit: 1 to 100; the server's default is 20.
            offset: The number of projects to skip.
            title: List only projects whose title contains this.
            extra: Query parameters this version does not know yet.
        """
        query = {**page_query(largest=PAGE_PROJECTS, limit=limit, offset=offset), "title": title}
        return await self._session.send(DISCOVER_PROJECTS, StudioProjectPage, query=query, extra=extra)

    def iter_discover(self, *, title: str | None = None, extra: Extra = None) -> AsyncIterator[StudioProject]:
        """Iterate over all studio projects that can be adopted, each once."""

        async def page_at(offset: int) -> OffsetPage[StudioProject]:
            page = await self.discover(limit=PAGE_PROJECTS, offset=offset, title=title, extra=extra)
            return OffsetPage(page.projects, total=page.total, limit=page.limit, unreadable=page.unreadable)

        return iterate_pages(page_at, lambda project: project.project_id, PAGE_PROJECTS)

    async def adopt(
        self, project_id: str, *, mode: str | Unset = UNSET, extra: Extra = None
    ) -> AdoptedProject:
        """Adopt a studio project; then every endpoint works on it.

        Args:
            project_id: The studio project's id, from `discover`.
            mode: `autonomous` or `collaborative`; the server's default *here* is `collaborative`.
            extra: Fields this version does not know yet.

        Returns:
            The adopted project; `existed` is true if it had been adopted before.

        Raises:
            NotFound: There is no such studio project.
        """
        body = Adoption(project_id=project_id, mode=mode)
        return await self._session.send(ADOPT_PROJECT, AdoptedProject, body=body, extra=extra)
