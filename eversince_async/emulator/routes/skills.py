"""Skills: standing instructions of the platform and of the account."""

import secrets
import uuid
from collections.abc import Iterable

from eversince_async.emulator.account import Account, Skill
from eversince_async.emulator.call import Answer, Call
from eversince_async.emulator.errors import Json, forbidden, not_found, validation
from eversince_async.emulator.validation import Fields


def _size_of(call: Call) -> int:
    """Return the active skills' part of the budget, in its unit."""
    active = (skill for skill in call.account.skills.values() if skill.is_active)
    if call.rules.skills_stack:
        return sum(skill.tokens for skill in active)
    return sum(len(skill.instructions) for skill in active if not skill.platform)


def _budget(call: Call) -> Json:
    return call.views.budget(_size_of(call), call.rules.skill_budget, kept=call.world.limits.budgets)


def _need_budget(call: Call, skill: Skill, instructions: str) -> None:
    """Refuse to activate a skill that exceeds the budget.

    The other active skills count too.
    """
    used = _size_of(call)
    stack = call.rules.skills_stack
    if skill.is_active:
        used -= skill.tokens if stack else len(skill.instructions)
    wanted = -(-len(instructions) // 4) if stack else len(instructions)
    limit = call.rules.skill_budget
    if call.world.limits.budgets and used + wanted > limit:
        unit = "tokens" if stack else "characters"
        raise validation(f"is_active: active skills would take {used + wanted} of {limit} {unit}")


def _need_free_name(fields: Fields, account: Account, name: str | None, itself: str = "") -> None:
    taken = {skill.name.casefold() for skill in account.skills.values() if skill.id != itself}
    if name is not None and name.casefold() in taken:
        fields.problem("name", "name is already taken by another skill")


def _skill(call: Call) -> Skill:
    skill = call.account.skills.get(call.id)
    if skill is None:
        raise not_found("Skill")
    return skill


def listing(call: Call) -> Answer:
    """Respond to GET /account/skills."""
    skills = [call.views.skill_item(skill) for skill in call.account.skills.values()]
    return Answer(body={"skills": skills, "budget": _budget(call)})


def create(call: Call) -> Answer:
    """Respond to POST /account/skills."""
    fields = call.fields()
    name = fields.text("name", required=True, longest=100, blank=False)
    instructions = fields.text(
        "instructions", required=True, longest=call.rules.skill_characters, blank=False
    )
    is_active = fields.flag("is_active")
    _need_free_name(fields, call.account, name)
    fields.check()
    own = [skill for skill in call.account.skills.values() if not skill.platform]
    skill = Skill(
        id=str(uuid.uuid4()) if call.rules.skills_stack else f"skill_{secrets.token_hex(6)}",
        name=name or "",
        instructions=instructions or "",
        is_active=False,
        sort_order=max((each.sort_order + 1 for each in own), default=0),
        created_at=call.now,
        updated_at=call.now,
    )
    if is_active is not False:
        _need_budget(call, skill, skill.instructions)
        skill.is_active = True
    call.account.skills[skill.id] = skill
    call.world.touch(call.account)
    return Answer(body={"skill": call.views.skill(skill), "budget": _budget(call)}, status=201)


def detail(call: Call) -> Answer:
    """Respond to GET /account/skills/:id."""
    return Answer(body={"skill": call.views.skill(_skill(call))})


def change(call: Call) -> Answer:
    """Respond to PATCH /account/skills/:id.

    It changes a custom skill, or switches a platform skill on or off.
    """
    skill = _skill(call)
    return _toggle(call, skill) if skill.platform else _change_own(call, skill)


def _toggle(call: Call, skill: Skill) -> Answer:
    fields = call.fields()
    wanted = fields.flag("is_active")
    fields.check()
    if "name" in fields or "instructions" in fields:
        raise forbidden("Only is_active of a platform skill can be changed")
    if wanted is None:
        raise validation("is_active: is_active is required")
    if wanted:
        if call.rules.skills_stack:
            _need_budget(call, skill, skill.instructions)
        elif skill.category == "craft":
            _deactivate(each for each in call.account.skills.values() if each.category == "craft")
    skill.is_active = wanted
    call.world.touch(call.account)
    return Answer(body={"skill": call.views.skill_switch(skill)})


def _deactivate(skills: Iterable[Skill]) -> None:
    for skill in skills:
        skill.is_active = False


def _change_own(call: Call, skill: Skill) -> Answer:
    fields = call.fields()
    name = fields.text("name", longest=100, blank=False)
    instructions = fields.text("instructions", longest=call.rules.skill_characters, blank=False)
    is_active = fields.flag("is_active")
    _need_free_name(fields, call.account, name, skill.id)
    fields.check()
    text = skill.instructions if instructions is None else instructions
    active = skill.is_active if is_active is None else is_active
    if active:
        _need_budget(call, skill, text)
    skill.name = skill.name if name is None else name
    skill.instructions, skill.is_active, skill.updated_at = text, active, call.now
    call.world.touch(call.account)
    return Answer(body={"skill": call.views.skill(skill), "budget": _budget(call)})


def delete(call: Call) -> Answer:
    """Respond to DELETE /account/skills/:id, for custom skills only."""
    skill = _skill(call)
    if skill.platform:
        raise forbidden("Platform skills cannot be deleted")
    del call.account.skills[skill.id]
    call.world.touch(call.account)
    return Answer(body={"deleted": True})


def read_project_skills(call: Call, fields: Fields) -> list[str] | None:
    """Read a project's `skills` (May) and return skill IDs.

    The request names slugs like "cinema" or IDs of custom skills.
    """
    names = fields.array("skills")
    if names is None:
        return None
    known = {skill.slug or skill.id: skill for skill in call.account.skills.values()}
    chosen = [known.get(name) if isinstance(name, str) else None for name in names]
    if None in chosen:
        fields.problem("skills", "skills must be slugs of Eversince skills or IDs of custom skills")
        return None
    skills = [skill for skill in chosen if skill is not None]
    tokens = sum(skill.tokens for skill in skills)
    if call.world.limits.budgets and tokens > call.rules.skill_budget:
        fields.problem("skills", f"skills take {tokens} of {call.rules.skill_budget} tokens")
        return None
    return [skill.id for skill in skills]
