"""Skills: standing instructions for the agent over all projects."""

from datetime import datetime
from enum import StrEnum

import attrs

from eversince_async import limits
from eversince_async.models._base import UNSET, Model, Request, Response, Unset
from eversince_async.models._checks import length


class SkillSource(StrEnum):
    """The author of a skill; open."""

    EVERSINCE = "eversince"
    """A platform skill: it can be switched on and off."""
    USER = "user"
    """A custom skill: it can also be changed and deleted."""


class SkillCategory(StrEnum):
    """The subject of a platform skill; open.

    May 2026 no longer has it.
    """

    CRAFT = "craft"
    """April 2026: activating a craft switches the other crafts off."""
    TECHNIQUE = "technique"
    WORKFLOW = "workflow"


@attrs.frozen(kw_only=True, repr=False, eq=False)
class SkillDraft(Request):
    """A new custom skill.

    Attributes:
        name: The name, at most 100 characters, unique in the account.
        instructions: The knowledge or orders for the agent. April 2026: at most 8,000 characters, and the
            same limit for all active skills together. May: no limit for one skill, 40,000 tokens for all. The
            server judges.
        is_active: True to enable the skill at once, which is the server's default.
    """

    name: str = attrs.field(metadata=length(limits.NAME_CHARACTERS))
    instructions: str
    is_active: bool | Unset = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class SkillChange(Request):
    """A change of a skill; UNSET fields stay unchanged.

    Attributes:
        name: The new name, at most 100 characters. Custom skills only.
        instructions: The new instructions. Custom skills only.
        is_active: True to enable the skill, False to disable it.
    """

    name: str | Unset = attrs.field(default=UNSET, metadata=length(limits.NAME_CHARACTERS))
    instructions: str | Unset = UNSET
    is_active: bool | Unset = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Skill(Response):
    """A skill; the fields that are set depend on the endpoint.

    Attributes:
        id: The skill's id. It is opaque: `craft-cinema`, `skill-cinema` and the `cinema` of requests name the
            same skill in three documents, and no name can be derived from another.
        name: The name.
        is_active: True if the agent receives the skill.
        source: `eversince` or `user`.
        category: April 2026, platform skills only: `craft`, `technique` or `workflow`.
        description: The description; platform skills only.
        instructions: The instructions; custom skills only, and not in lists.
        characters: The size in characters; lists of May 2026 give `tokens` instead.
        tokens: The size in tokens; lists of May 2026 only.
        sort_order: The place in the list.
        created_at: The time of creation; custom skills only.
        updated_at: The time of the last change; custom skills only.
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
    """The budget of active skills.

    Attributes:
        used: April 2026: the characters of active custom skills, without crafts. May: the tokens of all
            active skills.
        limit: April 2026: 8,000 characters. May: 40,000 tokens.
    """

    used: int | None = None
    limit: int | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class SkillList(Response):
    """All skills of the account, platform and custom.

    Attributes:
        skills: The skills, without their instructions.
        budget: The budget of active skills.
    """

    skills: tuple[Skill, ...]
    budget: SkillBudget | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class SkillAnswer(Response):
    """A skill that was created, changed or toggled.

    Attributes:
        skill: The skill as it is now. Others may have been switched off: read the list again.
        budget: The budget of active skills; None if a platform skill was toggled.
    """

    skill: Skill
    budget: SkillBudget | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Deleted(Response):
    """The confirmation of a deletion.

    Attributes:
        deleted: True if the object is deleted.
    """

    deleted: bool | None = None
