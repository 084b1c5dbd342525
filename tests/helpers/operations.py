"""Every operation once: how to prepare it, how to call it, what it should give, and how it can be refused."""

from collections.abc import Awaitable, Callable
from typing import Any

import attrs

from eversince_async import Eversince, Operation, Project
from eversince_async.emulator import Emulator
from eversince_async.models.account import CreditPackages, Credits, LearnedPreferences, SharePage
from eversince_async.models.content import AgentMemory, AssetPage, Timeline, Variation
from eversince_async.models.discovery import Estimate, GenerationModel, Voice
from eversince_async.models.feedback import FeedbackReceipt
from eversince_async.models.keys import Key, NewKey, RevokedKey
from eversince_async.models.memories import Memory, MemoryAnswer, MemoryList
from eversince_async.models.messages import MessagePage, SentMessage
from eversince_async.models.output import RenderStarted, Share
from eversince_async.models.projects import (
    AdoptedProject,
    CancelledProject,
    CreatedProject,
    ProjectPage,
    ProjectSettings,
    StudioProjectPage,
)
from eversince_async.models.skills import Deleted, Skill, SkillAnswer, SkillList
from eversince_async.models.uploads import Upload, UploadTicket

Prepare = Callable[[Emulator, Eversince], Awaitable[str]]
"""Makes what the operation needs; gives its id."""


@attrs.frozen
class Case:
    """One operation.

    Attributes:
        call: Calls it, with the id of what was prepared.
        returns: The class of its result, or of the items of its list.
        status: Its documented success.
        errors: Documented errors beyond the common ones ("Operations at a glance").
        prepare: Makes what it needs.
        may_only: Whether only the revision of May has it.
    """

    call: Callable[[Eversince, str], Awaitable[Any]]
    returns: type
    status: int = 200
    errors: tuple[int, ...] = ()
    prepare: Prepare | None = None
    may_only: bool = False

    async def run(self, emulator: Emulator, eversince: Eversince) -> Any:
        return await self.call(eversince, await self.prepared(emulator, eversince))

    async def prepared(self, emulator: Emulator, eversince: Eversince) -> str:
        return "nothing" if self.prepare is None else await self.prepare(emulator, eversince)


# -- What operations need ---------------------------------------------------------------------------------


async def idle(emulator: Emulator, _: Eversince) -> str:
    return emulator.add_project("A film").id


async def rendered(emulator: Emulator, _: Eversince) -> str:
    return emulator.add_project("A film", rendered=True).id


async def in_the_studio(emulator: Emulator, eversince: Eversince) -> str:
    return (await eversince.projects.discover()).projects[0].project_id


async def put(_: Emulator, eversince: Eversince) -> str:
    ticket = await eversince.uploads.request("mug.png", "image/png", 5)
    await eversince.uploads.put(ticket, b"12345", name="mug.png", content_type="image/png", size=5)
    return ticket.r2_key


async def skill(_: Emulator, eversince: Eversince) -> str:
    return (await eversince.skills.create("Brand", "Navy and gold")).skill.id


async def memory(_: Emulator, eversince: Eversince) -> str:
    return (await eversince.memories.create("Brand", "Navy and gold")).memory.id


async def key(_: Emulator, eversince: Eversince) -> str:
    return (await eversince.keys.create("CI")).id


# -- The operations ---------------------------------------------------------------------------------------

CASES: dict[str, Case] = {
    "projects.create": Case(
        lambda eversince, _: eversince.projects.create("A film"), CreatedProject, 202, (402, 404, 413)
    ),
    "projects.list": Case(lambda eversince, _: eversince.projects.list(limit=5), ProjectPage, prepare=idle),
    "projects.get": Case(
        lambda eversince, id_: eversince.projects.get(id_), Project, errors=(404,), prepare=idle
    ),
    "projects.settings": Case(
        lambda eversince, id_: eversince.projects.settings(id_, title="Mug"),
        ProjectSettings,
        errors=(404, 409, 413),
        prepare=idle,
    ),
    "projects.cancel": Case(
        lambda eversince, id_: eversince.projects.cancel(id_),
        CancelledProject,
        errors=(404, 409),
        prepare=idle,
    ),
    "projects.discover": Case(lambda eversince, _: eversince.projects.discover(limit=1), StudioProjectPage),
    "projects.adopt": Case(
        lambda eversince, id_: eversince.projects.adopt(id_),
        AdoptedProject,
        201,
        (404, 409, 413),
        prepare=in_the_studio,
    ),
    "messages.list": Case(
        lambda eversince, id_: eversince.messages.list(id_, limit=5),
        MessagePage,
        errors=(404,),
        prepare=idle,
    ),
    "messages.send": Case(
        lambda eversince, id_: eversince.messages.send(id_, "More red"),
        SentMessage,
        202,
        (402, 404, 409, 413),
        prepare=idle,
    ),
    "content.timeline": Case(
        lambda eversince, id_: eversince.content.timeline(id_), Timeline, errors=(404,), prepare=idle
    ),
    "content.assets": Case(
        lambda eversince, id_: eversince.content.assets(id_, limit=5), AssetPage, errors=(404,), prepare=idle
    ),
    "content.variations": Case(
        lambda eversince, id_: eversince.content.variations(id_), Variation, errors=(404,), prepare=idle
    ),
    "content.memory": Case(
        lambda eversince, id_: eversince.content.memory(id_), AgentMemory, errors=(404,), prepare=idle
    ),
    "output.render": Case(
        lambda eversince, id_: eversince.output.render(id_),
        RenderStarted,
        202,
        (402, 404, 409, 413),
        prepare=idle,
    ),
    "output.share": Case(
        lambda eversince, id_: eversince.output.share(id_, title="Mug"),
        Share,
        201,
        (404, 409, 413),
        prepare=rendered,
    ),
    "uploads.request": Case(
        lambda eversince, _: eversince.uploads.request("mug.png", "image/png", 5), UploadTicket, errors=(413,)
    ),
    "uploads.confirm": Case(
        lambda eversince, id_: eversince.uploads.confirm(id_, "mug.png", "image/png", 5),
        Upload,
        201,
        (404, 409, 413),
        prepare=put,
    ),
    "account.credits": Case(lambda eversince, _: eversince.account.credits(), Credits),
    "account.credit_packages": Case(lambda eversince, _: eversince.account.credit_packages(), CreditPackages),
    "account.learned_preferences": Case(
        lambda eversince, _: eversince.account.learned_preferences(), LearnedPreferences
    ),
    "account.update_learned_preferences": Case(
        lambda eversince, _: eversince.account.update_learned_preferences(content="Navy", enabled=False),
        LearnedPreferences,
        errors=(413,),
    ),
    "account.shares": Case(lambda eversince, _: eversince.account.shares(limit=5), SharePage),
    "skills.list": Case(lambda eversince, _: eversince.skills.list(), SkillList),
    "skills.create": Case(
        lambda eversince, _: eversince.skills.create("Brand", "Navy and gold"), SkillAnswer, 201, (413,)
    ),
    "skills.get": Case(lambda eversince, id_: eversince.skills.get(id_), Skill, errors=(404,), prepare=skill),
    "skills.update": Case(
        lambda eversince, id_: eversince.skills.update(id_, name="House style"),
        SkillAnswer,
        errors=(404, 413),
        prepare=skill,
    ),
    "skills.delete": Case(
        lambda eversince, id_: eversince.skills.delete(id_), Deleted, errors=(404,), prepare=skill
    ),
    "memories.list": Case(lambda eversince, _: eversince.memories.list(), MemoryList, may_only=True),
    "memories.create": Case(
        lambda eversince, _: eversince.memories.create("Brand", "Navy and gold"),
        MemoryAnswer,
        201,
        (413,),
        may_only=True,
    ),
    "memories.get": Case(
        lambda eversince, id_: eversince.memories.get(id_),
        Memory,
        errors=(404,),
        prepare=memory,
        may_only=True,
    ),
    "memories.update": Case(
        lambda eversince, id_: eversince.memories.update(id_, title="House style"),
        MemoryAnswer,
        errors=(404, 413),
        prepare=memory,
        may_only=True,
    ),
    "memories.delete": Case(
        lambda eversince, id_: eversince.memories.delete(id_),
        Deleted,
        errors=(404,),
        prepare=memory,
        may_only=True,
    ),
    "discovery.models": Case(lambda eversince, _: eversince.discovery.models(type="video"), GenerationModel),
    "discovery.voices": Case(lambda eversince, _: eversince.discovery.voices(gender="female"), Voice),
    "discovery.estimate_cost": Case(
        lambda eversince, _: eversince.discovery.estimate_cost([Operation(tool="generate_image", count=3)]),
        Estimate,
        errors=(413,),
    ),
    "keys.create": Case(lambda eversince, _: eversince.keys.create("CI"), NewKey, 201, (409, 413)),
    "keys.list": Case(lambda eversince, _: eversince.keys.list(), Key),
    "keys.revoke": Case(
        lambda eversince, id_: eversince.keys.revoke(id_), RevokedKey, errors=(404, 409), prepare=key
    ),
    "feedback.send": Case(
        lambda eversince, _: eversince.feedback.send("bug", "It is blue"), FeedbackReceipt, 201, (404, 413)
    ),
}
