"""Skills: standing instructions over all projects.

Source: the account page and the catalogue.
"""

from eversince_async._wire.endpoints import CREATE_SKILL, DELETE_SKILL, GET_SKILL, LIST_SKILLS, UPDATE_SKILL
from eversince_async.models._base import UNSET, Unset
from eversince_async.models.skills import Deleted, Skill, SkillAnswer, SkillChange, SkillDraft, SkillList
from eversince_async.resources._base import Extra, Resource


class Skills(Resource):
    """The methods of `eversince.skills`."""

    async def list(self, *, extra: Extra = None) -> SkillList:
        """Return all skills, platform and custom, with their shared budget."""
        return await self._session.send(LIST_SKILLS, SkillList, extra=extra)

    async def create(
        self, name: str, instructions: str, *, is_active: bool | Unset = UNSET, extra: Extra = None
    ) -> SkillAnswer:
        """Create a skill.

        Args:
            name: At most 100 characters, unique in the account.
            instructions: The knowledge or orders for the agent, at most 8,000 characters (April 2026).
            is_active: True to use the skill at once, which is the server's default.
            extra: Fields this version does not know yet.

        Raises:
            ValidationFailed: The name is taken, or the budget of active skills would be exceeded.
            OutcomeUnknown: The skill may or may not have been created.
        """
        body = SkillDraft(name=name, instructions=instructions, is_active=is_active)
        return await self._session.send(CREATE_SKILL, SkillAnswer, body=body, extra=extra)

    async def get(self, skill_id: str, *, extra: Extra = None) -> Skill:
        """Return one skill; platform skills may hide their instructions."""
        return await self._session.send(GET_SKILL, Skill, ids={"skill_id": skill_id}, extra=extra)

    async def update(
        self,
        skill_id: str,
        *,
        name: str | Unset = UNSET,
        instructions: str | Unset = UNSET,
        is_active: bool | Unset = UNSET,
        extra: Extra = None,
    ) -> SkillAnswer:
        """Change a skill; platform skills allow `is_active` only.

        In April 2026, activating a craft switches the other crafts off; list the skills again after a toggle.

        Returns:
            The skill; `budget` is None for a platform skill.

        Raises:
            Forbidden: A platform skill cannot be renamed.
        """
        body = SkillChange(name=name, instructions=instructions, is_active=is_active, extra=dict(extra or {}))
        return await self._session.send(UPDATE_SKILL, SkillAnswer, ids={"skill_id": skill_id}, body=body)

    async def delete(self, skill_id: str, *, extra: Extra = None) -> Deleted:
        """Delete one of the account's own skills.

        Raises:
            Forbidden: The skill is a platform skill.
            NotFound: There is no such skill.
        """
        return await self._session.send(DELETE_SKILL, Deleted, ids={"skill_id": skill_id}, extra=extra)
