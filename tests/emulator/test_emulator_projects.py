"""Projects, messages, content and output, as in the contract."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from eversince_async.emulator import Emulator, Limits, Scenario
from helpers.emulator_client import Calls, calling


async def test_create_answers_202_with_the_documented_fields(call: Calls) -> None:
    reply = await call("POST", "/projects", json={"brief": "A film", "title": "Mug"})

    assert 202 == reply.status
    assert {"id", "status", "mode", "project_url", "credits_balance", "created_at"} == reply.body.keys()
    assert ("queued", "autonomous", 1450) == tuple(
        reply.body[name] for name in ("status", "mode", "credits_balance")
    )


async def test_a_known_idempotency_key_answers_200_in_the_other_shape(call: Calls) -> None:
    project_id = await call.create(idempotency_key="k")

    reply = await call("POST", "/projects", json={"brief": "A film", "idempotency_key": "k"})

    message = "Project already exists for this idempotency key"
    assert 200 == reply.status
    assert {"id": project_id, "status": "queued", "message": message} == reply.body
    assert [False, True] == [entry.replayed for entry in call.emulator.world.log.of("POST /projects")]


async def test_the_key_of_a_failed_project_starts_anew_and_of_a_cancelled_one_does_not(call: Calls) -> None:
    failed = await call.create(idempotency_key="k")
    call.emulator.studio.fail(failed)
    second = await call.create(idempotency_key="k")

    await call("POST", f"/projects/{second}/cancel")
    reply = await call("POST", "/projects", json={"brief": "A film", "idempotency_key": "k"})

    assert failed != second
    assert (200, second, "cancelled") == (reply.status, reply.body["id"], reply.body["status"])


PAGE = {"url": "https://a.example", "type": "url"}
MODES = "mode must be one of: autonomous, collaborative"
WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"brief": None}, "brief", "brief is required"),
    ({"brief": "  "}, "brief", "brief is required"),
    ({"brief": 7}, "brief", "brief must be a string"),
    ({"brief": "x" * 8001}, "brief", "brief must be at most 8000 characters"),
    ({"title": "x" * 31}, "title", "title must be at most 30 characters"),
    ({"title": None}, "title", "title must be a string"),
    ({"mode": "none"}, "mode", MODES),
    ({"aspect_ratio": "4:3"}, "aspect_ratio", "aspect_ratio must be one of: 16:9, 9:16, 1:1, 21:9"),
    ({"agent_model": "opus"}, "agent_model", "agent_model must be one of: opus-4.7, opus-4.6, sonnet-4.6"),
    ({"craft_auto": "yes"}, "craft_auto", "craft_auto must be a boolean"),
    ({"expected_output": None}, "expected_output", "expected_output must be one of: assembled, assets"),
    ({"webhook_url": "http://a.example"}, "webhook_url", "webhook_url must be a valid HTTPS URL"),
    ({"webhook_url": "https://[::1"}, "webhook_url", "webhook_url must be a valid HTTPS URL"),
    ({"idempotency_key": "x" * 257}, "idempotency_key", "idempotency_key must be at most 256 characters"),
    ({"references": {}}, "references", "references must be an array"),
    ({"references": [PAGE] * 11}, "references", "references must have at most 10 items"),
    ({"references": [PAGE] * 4}, "references", "references must have at most 3 URLs"),
    ({"references": ["x"]}, "references[0]", "reference must be an object"),
    ({"references": [{}]}, "references[0]", "reference must have an upload_id or a url"),
    ({"references": [{**PAGE, "url": "x"}]}, "references[0].url", "url must be a valid URL"),
    (
        {"references": [PAGE, {**PAGE, "type": "x"}]},
        "references[1].type",
        "type must be one of: image, video, audio, url",
    ),
]


@pytest.mark.parametrize(("body", "field", "text"), WRONG, ids=[text[:40] for *_, text in WRONG])
async def test_create_names_the_wrong_field(call: Calls, body: dict[str, Any], field: str, text: str) -> None:
    reply = await call("POST", "/projects", json={"brief": "x", **body})

    assert (400, "validation_error") == reply.refusal
    assert f"{field}: {text}" == reply.message


async def test_create_joins_all_problems(call: Calls) -> None:
    reply = await call("POST", "/projects", json={"mode": 2})

    assert f"brief: brief is required; mode: {MODES}" == reply.message


async def test_an_unknown_upload_is_404(call: Calls) -> None:
    body = {"brief": "x", "references": [{"upload_id": "upl_none"}]}

    assert (404, "not_found") == (await call("POST", "/projects", json=body)).refusal


async def test_unknown_fields_and_the_other_revisions_fields_are_ignored(call: Calls, may: Calls) -> None:
    assert await call.create(skills=["nonsense"], new_field={"a": 1})
    assert await may.create(craft="nonsense", expected_output=7)


async def test_too_few_credits_to_create_is_402(call: Calls, may: Calls) -> None:
    for calls, needed in ((call, 50), (may, 30)):
        calls.emulator.account.credits = needed - 1
        assert (402, "insufficient_credits") == (
            await calls("POST", "/projects", json={"brief": "x"})
        ).refusal
        calls.emulator.account.credits = needed
        assert await calls.create()


async def test_a_film_goes_through_the_documented_life(call: Calls) -> None:
    """The project is idle twice: without a video, and after a render."""
    project_id = await call.create(title="Mug")

    first = await call.settled(project_id)
    rendering = await call("POST", f"/projects/{project_id}/render", json={"quality": "1080p"})
    second = await call.settled(project_id)

    assert ("idle", "pending", None) == (first["status"], first["output_type"], first["assembled_url"])
    assert (202, {"id": project_id, "status": "rendering", "quality": "1080p"}) == (
        rendering.status,
        rendering.body,
    )
    assert ("idle", "assembled") == (second["status"], second["output_type"])
    assert second["assembled_url"].startswith(call.emulator.places.storage)
    assert "credits_warning" not in second
    assert "error_message" not in second


async def test_the_content_of_a_film_hangs_together(call: Calls) -> None:
    """Scenes show assets, their lengths add up, and all URLs work."""
    project_id = await call.create()
    await call.settled(project_id)

    timeline = (await call("GET", f"/projects/{project_id}/timeline")).body["timeline"]
    assets = (await call("GET", f"/projects/{project_id}/assets?limit=50")).body["assets"]
    variations = (await call("GET", f"/projects/{project_id}/variations")).body["variations"]

    refs = {asset["ref"]: asset for asset in assets}
    assert len(timeline["scenes"]) > 0
    assert timeline["duration_seconds"] == sum(scene["duration"] for scene in timeline["scenes"])
    assert all(scene["video_url"] == refs[scene["ref"]]["url"] for scene in timeline["scenes"])
    assert timeline["audio"]["music"]["url"] in {asset["url"] for asset in assets}
    assert [(len(timeline["scenes"]), True)] == [
        (each["scene_count"], each["is_active"]) for each in variations
    ]
    assert {(200, "image/png"), (200, "video/mp4"), (200, "audio/wav")} == {
        (reply.status, reply.headers["Content-Type"])
        for reply in [await call("GET", url["url"]) for url in assets]
    }


async def test_the_plan_is_there_before_the_pictures_and_those_before_the_clips() -> None:
    scenario = Scenario(queued=10, running=10, images=10, videos=10)
    async with calling(Emulator(scenario=scenario)) as call:
        project_id = await call.create()
        kinds = []
        for wait in (5, 10, 10, 10, 10, 10):
            await asyncio.sleep(wait)
            timeline = (await call("GET", f"/projects/{project_id}/timeline")).body["timeline"]
            kinds.append(timeline["scenes"][0]["type"] if timeline["scenes"] else None)

        assert [None, None, "empty", "image", "image", "video"] == kinds


async def test_assets_only_need_no_render(call: Calls) -> None:
    project_id = await call.create(expected_output="assets")

    settled = await call.settled(project_id)

    assert ("idle", "assets", None) == (settled["status"], settled["output_type"], settled["assembled_url"])


async def test_an_autonomous_run_may_render_by_itself() -> None:
    async with calling(Emulator(scenario=Scenario(self_render=1.0))) as call:
        settled = await call.settled(await call.create())

        assert "assembled" == settled["output_type"]


async def test_a_collaborative_project_stops_for_review_and_goes_on_with_a_message(call: Calls) -> None:
    project_id = await call.create(mode="collaborative")
    questions = []
    for _ in range(2):
        questions.append((await call.settled(project_id))["agent_message"])
        sent = await call("POST", f"/projects/{project_id}/messages", json={"message": "Go on"})
        assert (202, {"id": project_id, "status": "running"}) == (sent.status, sent.body)
    last = await call.settled(project_id)

    assert all(question.endswith("Shall I go on?") for question in questions)
    assert last["agent_message"].startswith("Your project is complete.")


async def test_a_failed_run_says_why() -> None:
    async with calling(Emulator(scenario=Scenario(failure=1.0, failure_in="generating"))) as call:
        settled = await call.settled(await call.create())

        assert "failed" == settled["status"]
        assert settled["error_message"]


async def test_some_projects_may_have_another_scenario() -> None:
    scenario = Scenario().when("doomed", failure=1.0)
    async with calling(Emulator(scenario=scenario)) as call:
        ends = [(await call.settled(await call.create(brief)))["status"] for brief in ("fine", "doomed")]

        assert ["idle", "failed"] == ends


async def test_cancel_works_until_it_is_too_late(call: Calls) -> None:
    project_id = await call.create()

    first = await call("POST", f"/projects/{project_id}/cancel")
    second = await call("POST", f"/projects/{project_id}/cancel")

    assert (200, {"id": project_id, "status": "cancelled"}) == (first.status, first.body)
    assert (400, "validation_error") == second.refusal
    assert (404, "not_found") == (await call("POST", "/projects/none/cancel")).refusal


async def test_what_the_providers_were_generating_still_arrives_after_a_cancel(call: Calls) -> None:
    project_id = await call.create()
    while call.emulator.world.projects[project_id].status != "generating":
        await asyncio.sleep(1)
    await call("POST", f"/projects/{project_id}/cancel")
    before = (await call("GET", f"/projects/{project_id}/assets")).body["total"]
    await asyncio.sleep(3600)
    after = (await call("GET", f"/projects/{project_id}/assets")).body["total"]

    assert 0 == before < after
    assert "cancelled" == (await call("GET", f"/projects/{project_id}")).body["status"]


async def test_settings_change_what_was_sent_and_null_clears(call: Calls) -> None:
    project_id = await call.create(title="Mug", webhook_url="https://a.example/hook", craft="cinema")

    body = {"title": None, "mode": "none", "video_model": "veo-3.1", "craft": "ugc"}
    reply = await call("PATCH", f"/projects/{project_id}/settings", json=body)

    assert 200 == reply.status
    assert {
        "title": None,
        "mode": "none",
        "aspect_ratio": "16:9",
        "video_model": "veo-3.1",
        "image_model": None,
        "agent_model": "opus-4.7",
        "craft": "ugc",
        "craft_auto": False,
        "webhook_url": "https://a.example/hook",
        "expected_output": None,
    } == reply.body


async def test_settings_are_refused_while_the_agent_works(call: Calls) -> None:
    project = call.emulator.add_project(status="running")

    path = f"/projects/{project.id}/settings"

    assert (409, "conflict") == (await call("PATCH", path, json={"title": "x"})).refusal
    assert (404, "not_found") == (await call("PATCH", "/projects/none/settings", json={})).refusal


async def test_the_aspect_ratio_is_no_setting(call: Calls) -> None:
    project = call.emulator.add_project()

    reply = await call("PATCH", f"/projects/{project.id}/settings", json={"aspect_ratio": "1:1", "title": 3})

    assert (400, "validation_error") == reply.refusal
    assert ["aspect_ratio", "title"] == [part.split(": ")[0] for part in reply.message.split("; ")]


async def test_the_list_is_newest_first_in_pages_and_can_be_filtered(call: Calls) -> None:
    ids = [call.emulator.add_project("b" * 300, title=title).id for title in ("One", "Two", "Three")]
    failed = call.emulator.add_project(status="failed").id

    page = (await call("GET", "/projects?limit=2&offset=1")).body
    titled = (await call("GET", "/projects?title=tH")).body
    settled = (await call("GET", "/projects?status=failed")).body

    assert (4, 2, 1, [ids[2], ids[1]]) == (
        page["total"],
        page["limit"],
        page["offset"],
        [each["id"] for each in page["projects"]],
    )
    assert 200 == len(page["projects"][0]["brief"])
    assert [ids[2]] == [each["id"] for each in titled["projects"]]
    assert ([failed], 1) == ([each["id"] for each in settled["projects"]], settled["total"])


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "limit=", "offset=-1", "limit=1_0"])
async def test_a_wrong_page_is_400(call: Calls, query: str) -> None:
    assert (400, "validation_error") == (await call("GET", f"/projects?{query}")).refusal


async def test_studio_projects_are_discovered_adopted_once_and_then_listed(call: Calls) -> None:
    found = (await call("GET", "/projects/discover?title=sneaker")).body
    source = found["projects"][0]["project_id"]

    first = await call("POST", "/projects/adopt", json={"project_id": source})
    second = await call("POST", "/projects/adopt", json={"project_id": source, "mode": "autonomous"})
    listed = (await call("GET", "/projects")).body["projects"]

    assert (1, 201, 200) == (found["total"], first.status, second.status)
    assert ("idle", "collaborative") == (first.body["status"], first.body["mode"])
    assert {**first.body, "message": "Project already adopted"} == second.body
    assert [(first.body["id"], source)] == [(each["id"], each["source_project_id"]) for each in listed]
    assert 1 == (await call("GET", "/projects/discover")).body["total"]
    assert (404, "not_found") == (await call("GET", f"/projects/{source}")).refusal
    assert (await call("GET", f"/projects/{first.body['id']}/timeline")).body["timeline"]["scenes"]


async def test_adopting_needs_a_project_that_is_there(call: Calls) -> None:
    assert (400, "validation_error") == (await call("POST", "/projects/adopt", json={})).refusal
    assert (404, "not_found") == (await call("POST", "/projects/adopt", json={"project_id": "x"})).refusal


async def test_messages_are_paged_by_cursor_oldest_first(call: Calls) -> None:
    project_id = await call.create()
    await call.settled(project_id)
    path = f"/projects/{project_id}/messages"

    everything = (await call("GET", path)).body
    ids = [message["id"] for message in everything["messages"]]
    newest = (await call("GET", f"{path}?limit=2")).body
    older = (await call("GET", f"{path}?limit=1&before={ids[2]}")).body
    newer = (await call("GET", f"{path}?limit=1&after={ids[0]}")).body
    none = (await call("GET", f"{path}?after={ids[-1]}")).body

    assert ("user", "A film", "chat") == tuple(
        everything["messages"][0][name] for name in ("role", "content", "source")
    )
    assert "" in {message["content"] for message in everything["messages"]}, "internal markers are there"
    assert (False, ids[-2:], True) == (
        everything["has_more"],
        [message["id"] for message in newest["messages"]],
        newest["has_more"],
    )
    assert ([ids[1]], True) == ([message["id"] for message in older["messages"]], older["has_more"])
    assert ([ids[1]], True) == ([message["id"] for message in newer["messages"]], newer["has_more"])
    assert ([], False) == (none["messages"], none["has_more"])
    assert (400, "validation_error") == (await call("GET", f"{path}?after=msg_none")).refusal
    assert (400, "validation_error") == (await call("GET", f"{path}?limit=51")).refusal


@pytest.mark.parametrize("status", ["queued", "running", "generating", "rendering", "failed", "cancelled"])
async def test_april_takes_messages_only_when_idle(call: Calls, status: str) -> None:
    project = call.emulator.add_project(status=status)

    reply = await call("POST", f"/projects/{project.id}/messages", json={"message": "x"})

    assert (400, "validation_error") == reply.refusal


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        ("idle", 202),
        ("completed", 202),
        ("cancelled", 202),
        ("failed", 202),
        ("running", 400),
        ("rendering", 400),
    ],
)
async def test_may_takes_messages_from_settled_projects(may: Calls, status: str, answer: int) -> None:
    project = may.emulator.add_project(status=status)

    reply = await may("POST", f"/projects/{project.id}/messages", json={"message": "x"})

    assert answer == reply.status


async def test_a_message_needs_words_and_ten_credits(call: Calls) -> None:
    project = call.emulator.add_project()
    path = f"/projects/{project.id}/messages"

    wrong = await call("POST", path, json={"message": "x" * 8001, "extract_content": 1})
    call.emulator.account.credits = 9
    poor = await call("POST", path, json={"message": "x"})

    assert ["message", "extract_content"] == [part.split(": ")[0] for part in wrong.message.split("; ")]
    assert (402, "insufficient_credits") == poor.refusal
    assert (404, "not_found") == (
        await call("POST", "/projects/none/messages", json={"message": "x"})
    ).refusal


async def test_variations_are_made_by_message(call: Calls) -> None:
    """A new variation is inactive until a message switches to it.

    A render then has its aspect ratio.
    """
    project = call.emulator.add_project()
    path = f"/projects/{project.id}"

    async def ask(message: str) -> list[tuple[str, str, bool]]:
        await call("POST", f"{path}/messages", json={"message": message})
        await call.settled(project.id)
        listed = (await call("GET", f"{path}/variations")).body["variations"]
        return [(each["id"], each["aspect_ratio"], each["is_active"]) for each in listed]

    assert [("var_001", "16:9", True), ("var_002", "9:16", False)] == await ask(
        "Create a 9:16 version for TikTok"
    )
    other = await call("GET", f"{path}/timeline?variation_id=var_002")
    assert "9:16" == other.body["timeline"]["aspect_ratio"]
    assert "16:9" == (await call("GET", f"{path}/timeline")).body["timeline"]["aspect_ratio"]
    assert [False, True] == [active for *_, active in await ask("Switch to variation var_002")]
    assert "var_002" == (await call("GET", path)).body["variation_id"]
    assert ("var_003", "9:16", False) == (await ask("Duplicate the current variation"))[2]
    assert 2 == len(await ask("Delete variation var_003"))
    assert (404, "not_found") == (await call("GET", f"{path}/timeline?variation_id=var_9")).refusal


async def test_render_is_for_idle_projects_and_4k_for_pro(call: Calls) -> None:
    project, busy = call.emulator.add_project(), call.emulator.add_project(status="running")

    assert (409, "conflict") == (await call("POST", f"/projects/{busy.id}/render")).refusal
    assert (404, "not_found") == (await call("POST", "/projects/none/render")).refusal
    assert (400, "validation_error") == (
        await call("POST", f"/projects/{project.id}/render", json={"quality": "8k"})
    ).refusal
    four_k = {"quality": "4k"}
    assert (403, "forbidden") == (await call("POST", f"/projects/{project.id}/render", json=four_k)).refusal
    call.emulator.account.plan = "pro"
    assert 202 == (await call("POST", f"/projects/{project.id}/render", json=four_k)).status


async def test_render_needs_ten_credits_and_takes_none(call: Calls) -> None:
    project = call.emulator.add_project()
    path = f"/projects/{project.id}/render"

    call.emulator.account.credits = 9
    assert (402, "insufficient_credits") == (await call("POST", path)).refusal
    call.emulator.account.credits = 10
    assert 202 == (await call("POST", path)).status
    await call.settled(project.id)
    assert 10 == call.emulator.account.credits


async def test_credits_run_low_with_a_warning(call: Calls) -> None:
    project = call.emulator.add_project()
    call.emulator.account.credits = 100

    assert "credits_warning" in (await call("GET", f"/projects/{project.id}")).body


async def test_share_needs_a_render_and_its_video_stays(call: Calls) -> None:
    bare, rendered = call.emulator.add_project(), call.emulator.add_project(rendered=True)

    reply = await call("POST", f"/projects/{rendered.id}/share", json={"title": "Mug"})
    await asyncio.sleep(40 * 86_400)
    page = await call("GET", reply.body["share_url"])
    video = await call("GET", reply.body["video_url"])
    listed = (await call("GET", "/account/shares")).body

    assert 201 == reply.status
    assert (200, 200, "video/mp4") == (page.status, video.status, video.headers["Content-Type"])
    assert (1, 1, False, "Mug") == (
        listed["total"],
        listed["total_views"],
        listed["has_more"],
        listed["shares"][0]["title"],
    )
    assert (400, "validation_error") == (await call("POST", f"/projects/{bare.id}/share")).refusal
    assert (404, "not_found") == (await call("POST", "/projects/none/share")).refusal


async def test_an_assembled_url_expires_after_a_day(call: Calls) -> None:
    project = call.emulator.add_project(rendered=True)
    status = (await call("GET", f"/projects/{project.id}")).body

    await asyncio.sleep(86_399)
    assert 200 == (await call("GET", status["assembled_url"])).status
    await asyncio.sleep(2)
    assert (403, "forbidden") == (await call("GET", status["assembled_url"])).refusal
    assert status == (await call("GET", f"/projects/{project.id}")).body, "the answer still names it"


async def test_each_render_has_a_url_of_its_own(call: Calls) -> None:
    project = call.emulator.add_project(rendered=True)
    first = (await call("GET", f"/projects/{project.id}")).body["assembled_url"]

    await call("POST", f"/projects/{project.id}/render")
    second = (await call.settled(project.id))["assembled_url"]

    assert first != second
    assert (await call("GET", first)).body != (await call("GET", second)).body


async def test_memory_and_assets_have_the_revisions_shape(call: Calls, may: Calls) -> None:
    april, later = call.emulator.add_project().id, may.emulator.add_project().id

    old = (await call("GET", f"/projects/{april}/memory")).body
    new = (await may("GET", f"/projects/{later}/memory")).body

    assert ({"creative": 4000, "plan": 5500, "assets": 5000}, 14_500) == (
        {name: section["capacity"] for name, section in old["sections"].items()},
        old["total_capacity"],
    )
    assert ({"creative", "todos", "assets"}, False) == (set(new["sections"]), "total_capacity" in new)
    assert old["total_tokens"] == sum(section["tokens"] for section in old["sections"].values())
    assert (400, "validation_error") == (await call("GET", f"/projects/{april}/assets?limit=51")).refusal
    assert 200 == (await may("GET", f"/projects/{later}/assets?limit=200")).status


async def test_may_has_skills_in_place_of_crafts(may: Calls) -> None:
    project_id = await may.create(skills=["cinema"], reasoning_mode="fast")
    timeline = (await may("GET", f"/projects/{project_id}/timeline")).body["timeline"]

    settings = (await may("PATCH", f"/projects/{project_id}/settings", json={"skills": []})).body
    wrong = await may("POST", "/projects", json={"brief": "x", "skills": ["none"], "reasoning_mode": "slow"})

    assert (["skill-cinema"], False) == (timeline["skills"], "craft" in timeline)
    assert ([], "fast") == (settings["skills"], settings["reasoning_mode"])
    assert not {"craft", "craft_auto", "expected_output"} & settings.keys()
    assert ["skills", "reasoning_mode"] == [part.split(": ")[0] for part in wrong.message.split("; ")]
    assert "expected_output" not in (await may("GET", "/projects")).body["projects"][0]


async def test_content_of_an_unknown_project_is_404(call: Calls) -> None:
    for what in ("", "/messages", "/timeline", "/assets", "/variations", "/memory"):
        assert (404, "not_found") == (await call("GET", f"/projects/none{what}")).refusal


async def test_another_accounts_projects_are_not_there() -> None:
    from eversince_async.emulator.account import Account

    async with calling(Emulator(limits=Limits.none())) as call:
        world = call.emulator.world
        world.add_key(world.open_account(Account(id="acc_other")), "Other", "es_live_other", 0.0)
        project_id = await call.create()

        assert (404, "not_found") == (
            await call("GET", f"/projects/{project_id}", key="es_live_other")
        ).refusal
        assert 0 == (await call("GET", "/projects", key="es_live_other")).body["total"]
