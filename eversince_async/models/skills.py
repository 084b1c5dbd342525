"""Skills: standing instructions for the agent over all projects."""

from datetime import datetime
from enum import StrEnum

import attrs

from eversince_async import limits
from eversince_async.models._base import UNSET, Model, Request, Response, Unset
from eversince_async.models._checks import length


class SkillSource(StrEnum):
    """Who wrote a skill; open."""

    EVERSINCE = "eversince"
    """A platform skill: it can be switched on and off."""
    USER = "user"
    """A custom skill: it can also be changed and deleted."""


class SkillCategory(StrEnum):
    """What a platform skill is about (gone in May 2026); open."""

    CRAFT = "craft"
    """April 2026: activating one switches the other crafts off."""
    TECHNIQUE = "technique"
    WORKFLOW = "workflow"


@attrs.frozen(kw_only=True, repr=False, eq=False)
class SkillDraft(Request):
    """A new custom skill.

    Attributes:
        name: At most 100 characters, unique in the account.
        instructions: What the agent should know or do. April 2026: at most 8,000 characters, also for all
            active ones together; May: no such limit for one, 40,000 tokens for all. The server judges.
        is_active: Enabled at once is the server's default.
    """

    name: str = attrs.field(metadata=length(limits.NAME_CHARACTERS))
    instructions: str
    is_active: bool | Unset = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class SkillChange(Request):
    """What to change about a skill; whatever stays UNSET is left alone.

    Attributes:
        name: At most 100 characters. Custom skills only.
        instructions: Custom skills only.
        is_active: Enable or disable.
    """

    name: str | Unset = attrs.field(default=UNSET, metadata=length(limits.NAME_CHARACTERS))
    instructions: str | Unset = UNSET
    is_active: bool | Unset = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Skill(Response):
    """A skill, as far as the call at hand tells about it.

    Attributes:
        id: The skill; opaque: `craft-cinema`, `skill-cinema` and the `cinema` of requests are one thing in
            three documents, and none can be made from another.
        name: What it is called.
        is_active: Whether the agent receives it.
        source: `eversince` or `user`.
        category: April 2026, platform skills: `craft`, `technique` or `workflow`.
        description: Platform skills.
        instructions: Custom skills; lists leave it out.
        characters: Size; lists of May 2026 give `tokens` instead.
        tokens: Size; lists of May 2026 only.
        sort_order: Place in the list.
        created_at: Custom skills.
        updated_at: Custom skills.
    """

    id: str
    name: str | None = None
    is_active: bool | None = None
    source: SkillSource | str | None = None
    category: SkillCategory | str | None = None
    description: str | None = None
    instructions: str | None = None
    characters: int | None = None
    tokens: int | None = None
    sort_order: int | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class SkillBudget(Model):
    """How much of the room for active skills is used.

    Attributes:
        used: April 2026: characters of active custom skills, crafts not counted. May: tokens of all.
        limit: April 2026: 8,000 characters. May: 40,000 tokens.
    """

    used: int | None = None
    limit: int | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class SkillList(Response):
    """All skills of the account, platform and custom.

    Attributes:
        skills: The skills, without their instructions.
        budget: The room for active ones.
    """

    skills: tuple[Skill, ...]
    budget: SkillBudget | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class SkillAnswer(Response):
    """A skill that was created, changed or toggled.

    Attributes:
        skill: The skill as it is now. Others may have been switched off: read the list again.
        budget: The room for active ones; None when a platform skill was toggled.
    """

    skill: Skill
    budget: SkillBudget | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Deleted(Response):
    """Something is gone.

    Attributes:
        deleted: True.
    """

    deleted: bool | None = None
