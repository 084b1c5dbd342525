"""What users write, for type checkers alone: nothing in here runs."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, assert_type

from eversince_async import (
    UNSET,
    ApiError,
    Approval,
    Batch,
    Brief,
    Cost,
    CreditsWarning,
    Event,
    Eversince,
    EversinceError,
    Governor,
    InsufficientCredits,
    InvalidResponse,
    Lane,
    LifecycleError,
    Limits,
    Operation,
    Outcome,
    OutcomeUnknown,
    Pipeline,
    Plan,
    PlannedItem,
    PollSchedule,
    Production,
    Project,
    ProjectFailed,
    ProjectLimitReached,
    ProjectStatus,
    RateLimit,
    RateLimited,
    Receipt,
    RequestSent,
    RequestTimedOut,
    ResponseReceived,
    RetryPolicy,
    Run,
    ShareOptions,
    StageCompleted,
    StatusChanged,
    StatusConflict,
    Timeouts,
    UploadReference,
    UrlReference,
    ValidationFailed,
    WaitTimedOut,
    Workflow,
    WrongStatus,
    pipeline,
)
from eversince_async.models import ItemList, UnreadableValue
from eversince_async.models.account import CreditPackage, Credits, LearnedPreferences, SharedVideo
from eversince_async.models.content import AgentMemory, Asset, Timeline, Variation
from eversince_async.models.discovery import Estimate, GenerationModel, Voice
from eversince_async.models.keys import Key, NewKey
from eversince_async.models.memories import Memory, MemoryAnswer
from eversince_async.models.messages import Message
from eversince_async.models.output import RenderStarted, Share
from eversince_async.models.projects import (
    AdoptedProject,
    CreatedProject,
    ProjectPage,
    ProjectSettings,
    ProjectSummary,
    StudioProject,
)
from eversince_async.models.skills import Skill, SkillAnswer
from eversince_async.models.uploads import Upload, UploadTicket


async def a_client_is_itself_inside_its_with() -> None:
    async with Eversince() as eversince:
        assert_type(eversince, Eversince)


def a_client_takes_options() -> Eversince:
    seen: list[ResponseReceived] = []

    def on_request(sent: RequestSent) -> None:
        assert_type(sent.waited, float)

    return Eversince(
        "es_live_…",
        base_url="http://127.0.0.1:8321/api/v1",
        limits=Limits(active_projects=3, requests_per_minute=20),
        schedule=PollSchedule(intervals={"queued": 5.0, ProjectStatus.RUNNING: 20.0}),
        retry=RetryPolicy(attempts=2, longest_wait=30),
        timeout=30,
        source="my-app",
        on_request=on_request,
        on_response=[seen.append],
        allow_private_addresses=True,
    )


def a_governor_is_shared() -> tuple[Eversince, Eversince]:
    governor = Governor(Limits())
    return Eversince(governor=governor), Eversince(governor=governor)


# -- Productions ------------------------------------------------------------------------------------------


async def a_production_is_awaited(eversince: Eversince) -> None:
    film = await eversince.produce("15-second launch film for a ceramic mug", aspect_ratio="9:16")

    assert_type(film, Production)
    assert_type(film.project, Project)
    assert_type(film.share_url, str | None)
    assert_type(film.assembled_url_expires_at, datetime | None)
    assert_type(film.files, tuple[Path, ...])
    assert_type(await film.download("mug.mp4", on_progress=lambda done, total: None), Path)


async def a_production_takes_options(eversince: Eversince) -> None:
    workflow = eversince.produce(
        Brief(brief="A film", title="Mug", references=[UploadReference(upload_id="upl_1")]),
        render=None,
        share=ShareOptions(title="Mug"),
        download=Path("mug.mp4"),
        timeouts=Timeouts(settle=None, render=600),
        on_cancel="cancel",
        mode="collaborative",
        idempotency_key="mug-1",
        extra={"brand_new": True},
    )

    assert_type(workflow, Workflow[Production])


async def a_production_is_followed(eversince: Eversince) -> None:
    async with eversince.produce("A film") as workflow:
        async for event in workflow:
            assert_type(event, Event)
            match event:
                case StatusChanged():
                    assert_type(event.status, ProjectStatus | str)
                case StageCompleted():
                    assert_type(
                        event.stage, Literal["create", "settle", "message", "render", "share", "download"]
                    )
                case CreditsWarning():
                    assert_type(event.warning, str)
                case _:
                    assert_type(event.project_id, str | None)
        assert_type(await workflow, Production)


async def steps_stand_alone(eversince: Eversince) -> None:
    assert_type(await eversince.wait("proj_1", timeout=60), Project)
    assert_type(await eversince.render("proj_1", quality="4k"), Production)
    assert_type(await eversince.share("proj_1", title="Mug"), Share)
    assert_type(await eversince.resume("proj_1", share=False), Production)


# -- Resources --------------------------------------------------------------------------------------------


async def projects(eversince: Eversince) -> None:
    created = await eversince.projects.create("A film", craft="cinema", references=[_url()])
    assert_type(created, CreatedProject)
    assert_type(created.existed, bool)
    assert_type(created.receipt, Receipt | None)

    page = await eversince.projects.list(limit=100, status=ProjectStatus.IDLE)
    assert_type(page, ProjectPage)
    assert_type(page.projects, tuple[ProjectSummary, ...])
    assert_type(eversince.projects.iter(), AsyncIterator[ProjectSummary])
    async for summary in eversince.projects.iter(title="mug"):
        assert_type(summary.is_active, bool)

    project = await eversince.projects.get("proj_1")
    assert_type(project, Project)
    assert_type(project.extra, Mapping[str, Any])
    assert_type(project.unreadable, tuple[UnreadableValue, ...])
    assert_type(await eversince.projects.settings("proj_1", title=None, skills=["cinema"]), ProjectSettings)
    assert_type((await eversince.projects.cancel("proj_1")).status, ProjectStatus | str | None)
    assert_type(eversince.projects.iter_discover(), AsyncIterator[StudioProject])
    assert_type(await eversince.projects.adopt("studio_1", mode=UNSET), AdoptedProject)


def _url() -> UrlReference:
    return UrlReference(url="https://example.com/mug.png", type="image")


async def messages_and_content(eversince: Eversince) -> None:
    await eversince.messages.send("proj_1", "Create a 9:16 version", references=(_url(),))
    assert_type([each async for each in eversince.messages.iter("proj_1", after="msg_1")], list[Message])
    assert_type((await eversince.messages.list("proj_1", limit=50)).messages, tuple[Message, ...])
    assert_type(await eversince.content.timeline("proj_1", variation_id="var_1"), Timeline)
    assert_type([asset async for asset in eversince.content.iter_assets("proj_1")], list[Asset])
    assert_type(await eversince.content.variations("proj_1"), ItemList[Variation])
    assert_type(await eversince.content.memory("proj_1"), AgentMemory)
    assert_type(await eversince.output.render("proj_1"), RenderStarted)
    assert_type(await eversince.output.share("proj_1", description="A mug"), Share)


async def uploads(eversince: Eversince, stream: AsyncIterator[bytes]) -> None:
    async def told(sent: int, total: int) -> None: ...

    upload = await eversince.uploads.upload("mug.png")
    assert_type(upload, Upload)
    assert_type(upload.reference, UploadReference)
    await eversince.uploads.upload(Path("mug.png"), on_progress=told)
    await eversince.uploads.upload(b"...", name="mug.png", content_type="image/png")
    await eversince.uploads.upload(stream, name="mug.mp4", size=5)
    assert_type(await eversince.uploads.request("mug.png", "image/png", 5), UploadTicket)


async def account(eversince: Eversince) -> None:
    assert_type(await eversince.account.credits(), Credits)
    assert_type((await eversince.account.credit_packages()).packages, tuple[CreditPackage, ...])
    assert_type(await eversince.account.update_learned_preferences(enabled=False), LearnedPreferences)
    assert_type(eversince.account.iter_shares(), AsyncIterator[SharedVideo])
    assert_type((await eversince.skills.list()).skills, tuple[Skill, ...])
    assert_type(await eversince.skills.create("Brand", "Navy and gold", is_active=False), SkillAnswer)
    assert_type(await eversince.skills.get("skill_1"), Skill)
    assert_type(await eversince.memories.get("mem_1"), Memory)
    assert_type(await eversince.memories.update("mem_1", is_active=True), MemoryAnswer)
    assert_type(await eversince.keys.create("CI"), NewKey)
    assert_type(await eversince.keys.list(), ItemList[Key])
    await eversince.feedback.send("bug", "It is blue", project_id="proj_1")


async def discovery(eversince: Eversince) -> None:
    assert_type(await eversince.discovery.models(type="video"), ItemList[GenerationModel])
    assert_type(await eversince.discovery.voices(gender="female"), ItemList[Voice])
    operations: Sequence[Operation] = [Operation(tool="generate_image", count=2)]
    assert_type(await eversince.discovery.estimate_cost(operations), Estimate)


async def options_and_unknown_calls(eversince: Eversince) -> None:
    patient = eversince.with_options(deadline=5.0, lane=Lane.WORK, retry=RetryPolicy(attempts=1))
    assert_type(await patient.projects.get("proj_1"), Project)
    assert_type(await eversince.request("POST", "/brand/new", json={"a": 1}, repeatable=True), Any)
    assert_type(eversince.rate_limit, RateLimit | None)


# -- Errors -----------------------------------------------------------------------------------------------


async def errors_tell_their_facts(eversince: Eversince) -> None:
    try:
        await eversince.produce("A film")
    except InsufficientCredits as error:
        assert_type(error.balance, float | None)
        assert_type(error.packages, Sequence[CreditPackage])
    except RateLimited as error:
        assert_type(error.retry_after, float | None)
    except ProjectLimitReached as error:
        assert_type(error.daily, bool | None)
    except ValidationFailed as error:
        assert_type(error.fields, dict[str, str])
    except ApiError as error:
        assert_type(error.rate_limit, RateLimit | None)
        assert_type(error.code, str | None)
    except OutcomeUnknown as error:
        assert_type(error.find_out, str)
    except InvalidResponse as error:
        assert_type(error.path, str)
    except ProjectFailed as error:
        assert_type(error.error_message, str | None)
    except WaitTimedOut as error:
        assert_type(error.handle, Mapping[str, Any] | None)
        timeout: TimeoutError = error
        raise timeout from None
    except LifecycleError as error:
        assert_type(error.project_id, str | None)
    except EversinceError:
        raise


def errors_are_what_else_they_are(
    wrong: WrongStatus, late: RequestTimedOut
) -> tuple[StatusConflict, ValidationFailed, TimeoutError]:
    return wrong, wrong, late


def misspelt_names_are_seen() -> object:
    import eversince_async

    return eversince_async.Eversnice  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


# -- Pipelines ------------------------------------------------------------------------------------------


class Campaign:
    """What a pipeline returns."""


@pipeline(name="other", version="2")
async def line(run: Run) -> int:
    return 1


@pipeline
async def campaign(run: Run, brief: str, photo: Path | None = None) -> Campaign:
    assert_type(run.key, str)
    product = await run.upload(photo or Path("mug.png"))
    assert_type(product, UploadReference)
    master = await run.produce(brief, references=[product], share=True, aspect_ratio="9:16")
    assert_type(master, Production)
    assert_type(await run.variation(master, "Create a 9:16 version"), Production)
    assert_type(await run.render_and_share(master), Production)
    assert_type(await run.download(master, "mug.mp4"), Path)
    assert_type(await run.send(master, "Make it warmer"), Project)
    assert_type(await run.step("count", count, "a"), int)
    assert_type(await run.step("slowly", count_slowly, "a"), int)
    assert_type(await run.now(), datetime)
    if not await run.approval("ship it?", show=master, timeout=3600):
        return Campaign()
    pair = await run.gather(run.produce(brief), counted(run.branch("counted")))
    assert_type(pair, tuple[Production, int])
    assert_type(await run.gather(*[run.produce(brief) for _ in range(9)]), tuple[Production, ...])
    return Campaign()


async def counted(run: Run) -> int:
    return await run.step("count", count, "a") + await line(run.branch("line"))


def count(text: str) -> int:
    return len(text)


async def count_slowly(text: str) -> int:
    return len(text)


async def pipelines_keep_their_types(eversince: Eversince) -> None:
    whichever: Pipeline[..., Campaign] = campaign
    assert_type(whichever.name, str)
    result: Campaign = await eversince.run(campaign, "x", key="k")
    assert_type(result, Campaign)
    assert_type(eversince.run(campaign, "x", Path("y"), key="k", journal="j.db"), Workflow[Campaign])
    assert_type(await eversince.run(campaign, brief="x", photo=None, key="k", retry_failed=True), Campaign)
    assert_type(await eversince.run(line, key="k"), int)
    assert_type(await eversince.approvals(journal="j.db"), list[Approval])
    await eversince.approve("k", answer=False, name="approval", journal="j.db")
    await eversince.decide("k", None, effect="share", journal="j.db")


@pipeline
async def postcard(run: Run, brief: str, size: int, *, loud: bool = False) -> bytes:
    return brief.encode()


@pipeline
async def signed(run: Run, brief: str, /, *, by: str) -> str:
    return brief + by


@pipeline
async def letters(run: Run, *briefs: str, loud: bool = False) -> int:
    return len(briefs)


async def arguments_may_be_given_by_place_and_by_name(eversince: Eversince) -> None:
    assert_type(eversince.run(postcard, "x", 1, key="k", loud=True), Workflow[bytes])
    assert_type(eversince.run(postcard, "x", 1, key="k"), Workflow[bytes])
    assert_type(eversince.run(postcard, "x", key="k", size=1), Workflow[bytes])
    assert_type(eversince.run(postcard, key="k", brief="x", size=1, loud=True), Workflow[bytes])
    assert_type(eversince.run(signed, "x", key="k", by="me", retry_failed=True), Workflow[str])
    assert_type(eversince.run(letters, "x", "y", "z", key="k", loud=True), Workflow[int])
    eversince.run(postcard, 7, key="k", size=1)  # type: ignore[arg-type]  # the point
    eversince.run(signed, 7, key="k", by="me")  # type: ignore[arg-type]  # the point
    eversince.batch(["x"], pipeline=None)


async def iterations_go_on(eversince: Eversince) -> None:
    async with eversince.batch(["x"]) as batch, eversince.watch("proj_1") as watch:
        assert_type(await anext(batch), Outcome)
        assert_type(await anext(aiter(watch)), Event)


async def wrong_arguments_are_errors(eversince: Eversince, run: Run) -> None:
    eversince.run(campaign, 7, key="k")  # type: ignore[arg-type]  # the point
    eversince.run(campaign, key="k")
    eversince.run(campaign, "x")  # type: ignore[call-overload]  # there is no key
    eversince.run(count_slowly, "x", key="k")  # type: ignore[arg-type]  # it is no pipeline
    await run.step("count", count, 7)  # type: ignore[arg-type]  # the point
    await campaign(run, 7)  # type: ignore[arg-type]  # the point


async def a_batch_of_pipelines_takes_their_arguments(eversince: Eversince) -> None:
    batch = eversince.batch([("x", None), {"brief": "y"}, "z"], pipeline=campaign, journal="j.db")
    assert_type(batch, Batch)
    async with batch:
        async for outcome in batch:
            assert_type(outcome, Outcome)
    eversince.batch(["x"], pipeline=campaign, render=None)  # type: ignore[call-overload]  # the function's


async def a_plan_is_typed(eversince: Eversince) -> None:
    plan = await eversince.plan(["x", {"brief": "y"}], journal="j.db", render="4k", aspect_ratio="9:16")
    assert_type(plan, Plan)
    assert_type(plan.items, Sequence[PlannedItem])
    assert_type(plan.cost, Cost | None)
    assert_type(plan.balance, float | None)
    await eversince.plan(7)  # type: ignore[arg-type]  # the point
