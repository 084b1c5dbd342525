"""Account, skills, memories, discovery, keys and feedback, as in the contract."""

from __future__ import annotations

from typing import Any

import pytest

from eversince_async.emulator import API_KEY
from eversince_async.emulator.routes import Router
from helpers.emulator_client import Calls


async def test_credits_and_packages_are_the_documents(call: Calls) -> None:
    packages = (await call("GET", "/account/credit-packages")).body

    assert {"credits_balance": 1450} == (await call("GET", "/account/credits")).body
    assert (1450, True, False) == tuple(
        packages[name] for name in ("credits_balance", "has_subscription", "subscription_required")
    )
    assert {
        "id": "1k",
        "credits": 1000,
        "price": "$15",
        "price_cents": 1500,
        "purchase_url": "https://eversince.ai/app/subscription?buy=1k",
    } == packages["packages"][0]


async def test_preferences_change_by_halves(call: Calls, may: Calls) -> None:
    path = "/account/learned-preferences"

    await call("PUT", path, json={"enabled": False})
    changed = await call("PUT", path, json={"content": "Brief."})

    assert {"content": "Brief.", "enabled": False, "characters": 6, "max_characters": 4000} == changed.body
    assert changed.body == (await call("GET", path)).body
    assert {"content", "enabled", "characters"} == (await may("GET", path)).body.keys()


@pytest.mark.parametrize("body", [{}, {"content": "x" * 4001}, {"content": None}, {"enabled": "no"}])
async def test_wrong_preferences_are_400(call: Calls, body: dict[str, Any]) -> None:
    reply = await call("PUT", "/account/learned-preferences", json=body)

    assert (400, "validation_error") == reply.refusal


async def test_shares_come_in_tens_newest_first(call: Calls) -> None:
    project = call.emulator.add_project(rendered=True)
    for at in range(11):
        await call("POST", f"/projects/{project.id}/share", json={"title": str(at)})

    page = (await call("GET", "/account/shares")).body
    rest = (await call("GET", "/account/shares?offset=10&limit=50")).body

    assert (10, 11, True, "10") == (
        len(page["shares"]),
        page["total"],
        page["has_more"],
        page["shares"][0]["title"],
    )
    assert (["0"], False) == ([share["title"] for share in rest["shares"]], rest["has_more"])
    assert (400, "validation_error") == (await call("GET", "/account/shares?limit=51")).refusal


# -- Skills ---------------------------------------------------------------------------------------------


async def skill(call: Calls, name: str = "Brand", **fields: Any) -> dict[str, Any]:
    reply = await call("POST", "/account/skills", json={"name": name, "instructions": "Be warm.", **fields})
    assert 201 == reply.status, reply
    return dict(reply.body["skill"])


async def test_a_skill_is_made_read_changed_and_deleted(call: Calls) -> None:
    made = await call("POST", "/account/skills", json={"name": "Brand", "instructions": "Be warm."})
    path = f"/account/skills/{made.body['skill']['id']}"

    assert (201, {"used": 8, "limit": 8000}) == (made.status, made.body["budget"])
    assert made.body["skill"] == (await call("GET", path)).body["skill"]
    changed = await call("PATCH", path, json={"instructions": "Be cold!!"})
    assert ("Be cold!!", 9, 9) == (
        changed.body["skill"]["instructions"],
        changed.body["skill"]["characters"],
        changed.body["budget"]["used"],
    )
    assert (200, {"deleted": True}) == ((gone := await call("DELETE", path)).status, gone.body)
    for method in ("GET", "PATCH", "DELETE"):
        assert (404, "not_found") == (await call(method, path, json={"name": "x"})).refusal


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["name", "instructions"]),
        ({"name": "x" * 101, "instructions": "x" * 8001}, ["name", "instructions"]),
        ({"name": "cinema", "instructions": "x"}, ["name"]),
        ({"name": "x", "instructions": "x", "is_active": None}, ["is_active"]),
    ],
)
async def test_wrong_skills_are_400(call: Calls, body: dict[str, Any], fields: list[str]) -> None:
    reply = await call("POST", "/account/skills", json=body)

    assert (400, "validation_error") == reply.refusal
    assert fields == [part.split(": ")[0] for part in reply.message.split("; ")]


async def test_the_skill_budget_counts_active_custom_characters_in_april(call: Calls) -> None:
    await skill(call, "One", instructions="x" * 5000)
    two = await skill(call, "Two", instructions="x" * 5000, is_active=False)

    over = await call("PATCH", f"/account/skills/{two['id']}", json={"is_active": True})
    craft = await call("PATCH", "/account/skills/craft-cinema", json={"is_active": True})

    assert (400, "validation_error") == over.refusal
    assert 200 == craft.status
    assert {"used": 5000, "limit": 8000} == (await call("GET", "/account/skills")).body["budget"]


async def test_crafts_exclude_each_other_in_april_and_stack_in_may(call: Calls, may: Calls) -> None:
    for calls, prefix in ((call, "craft"), (may, "skill")):
        for name in ("cinema", "ugc"):
            await calls("PATCH", f"/account/skills/{prefix}-{name}", json={"is_active": True})
    active = [
        [each["id"] for each in (await calls("GET", "/account/skills")).body["skills"] if each["is_active"]]
        for calls in (call, may)
    ]

    assert [["craft-ugc"], ["skill-cinema", "skill-ugc"]] == active


async def test_a_platform_skill_is_only_switched(call: Calls) -> None:
    path = "/account/skills/craft-cinema"

    toggled = await call("PATCH", path, json={"is_active": True})

    assert {
        "skill": {
            "id": "craft-cinema",
            "name": "Cinema",
            "is_active": True,
            "category": "craft",
            "source": "eversince",
        }
    } == toggled.body
    assert (403, "forbidden") == (await call("PATCH", path, json={"name": "x"})).refusal
    assert (403, "forbidden") == (await call("DELETE", path)).refusal
    assert (400, "validation_error") == (await call("PATCH", path, json={})).refusal


async def test_skill_items_have_the_revisions_fields(call: Calls, may: Calls) -> None:
    shapes = []
    for calls in (call, may):
        await skill(calls)
        listed = (await calls("GET", "/account/skills")).body["skills"]
        shapes.append([set(listed[0]), set(listed[-1])])
    common = {"id", "name", "is_active", "source"}

    assert [
        [common | {"description", "category", "characters"}, common | {"characters", "sort_order"}],
        [common | {"description", "tokens", "sort_order"}, common | {"tokens", "sort_order"}],
    ] == shapes


async def test_the_skill_budget_counts_all_active_tokens_in_may(may: Calls) -> None:
    await skill(may, instructions="x" * 120_000)
    answers = [
        (await may("PATCH", f"/account/skills/skill-{name}", json={"is_active": True})).status
        for name in ("cinema", "ugc", "music")
    ]

    assert [200, 200, 400] == answers
    assert {"used": 37_000, "limit": 40_000} == (await may("GET", "/account/skills")).body["budget"]
    assert (400, "validation_error") == (
        await may("POST", "/projects", json={"brief": "x", "skills": ["cinema"] * 12})
    ).refusal


# -- Memories -------------------------------------------------------------------------------------------


async def test_april_has_no_memories(call: Calls) -> None:
    assert (404, "not_found") == (await call("GET", "/account/memories")).refusal


async def test_a_memory_is_made_read_changed_and_deleted(may: Calls) -> None:
    made = await may("POST", "/account/memories", json={"title": "Dog", "body": "Her name is Ada."})
    path = f"/account/memories/{made.body['memory']['id']}"

    assert (201, {"used": 16, "limit": 10_000}) == (made.status, made.body["budget"])
    assert made.body["memory"] == (await may("GET", path)).body["memory"]
    changed = await may("PATCH", path, json={"is_active": False})
    assert (False, 0) == (changed.body["memory"]["is_active"], changed.body["budget"]["used"])
    assert 1 == len((await may("GET", "/account/memories")).body["memories"])
    assert {"deleted": True} == (await may("DELETE", path)).body
    for method in ("GET", "PATCH", "DELETE"):
        assert (404, "not_found") == (await may(method, path, json={"title": "x"})).refusal


async def test_memories_have_a_budget_and_limits(may: Calls) -> None:
    big = {"title": "x", "body": "x" * 10_000}
    await may("POST", "/account/memories", json={"title": "x", "body": "x"})
    idle = await may("POST", "/account/memories", json={**big, "is_active": False})
    path = f"/account/memories/{idle.body['memory']['id']}"

    for method, place, body in (
        ("POST", "/account/memories", big),
        ("POST", "/account/memories", {"title": "x" * 101, "body": "x" * 10_001}),
        ("PATCH", path, {"is_active": True}),
        ("PATCH", path, {}),
    ):
        assert (400, "validation_error") == (await may(method, place, json=body)).refusal


# -- Discovery ------------------------------------------------------------------------------------------


async def test_models_come_by_type_with_their_fields(call: Calls) -> None:
    everything = (await call("GET", "/models")).body["models"]
    videos = (await call("GET", "/models?type=video")).body["models"]
    images = (await call("GET", "/models?type=image")).body["models"]

    assert everything == videos + images
    assert len(everything) >= 12
    assert {24} == {len(model) for model in videos}
    assert {9} == {len(model) for model in images}
    assert (400, "validation_error") == (await call("GET", "/models?type=audio")).refusal


async def test_voices_come_by_gender(call: Calls) -> None:
    voices = (await call("GET", "/voices")).body["voices"]

    assert len(voices) >= 12
    assert {"neutral"} == {
        voice["gender"] for voice in (await call("GET", "/voices?gender=neutral")).body["voices"]
    }
    assert {"name", "gender", "age", "accent", "style", "description"} == voices[0].keys()
    assert (400, "validation_error") == (await call("GET", "/voices?gender=x")).refusal


async def test_an_estimate_adds_up_and_marks_what_it_cannot_price(call: Calls) -> None:
    operations = [
        {"tool": "generate_image", "model": "nano-banana-pro", "count": 4},
        {"tool": "generate_video", "model": "none"},
    ]

    estimate = (await call("POST", "/estimate-cost", json={"operations": operations})).body

    assert [(2, 4, 8), (0, 1, 0)] == [
        (item["credits_per_unit"], item["count"], item["subtotal"]) for item in estimate["items"]
    ]
    assert (8, True, True) == (
        estimate["total_credits"],
        estimate["is_partial"],
        "error" in estimate["items"][1],
    )


@pytest.mark.parametrize(
    "operations",
    [
        None,
        [],
        [{}],
        [7],
        [{"tool": "generate_image"}] * 51,
        [{"tool": "generate_image", "count": 101}],
        [{"tool": "generate_audio", "type": "noise"}],
        [{"tool": "generate_video", "duration": -1}],
    ],
)
async def test_wrong_estimates_are_400(call: Calls, operations: Any) -> None:
    reply = await call("POST", "/estimate-cost", json={"operations": operations})

    assert (400, "validation_error") == reply.refusal


# -- Keys and feedback ----------------------------------------------------------------------------------


async def test_a_new_key_opens_the_door_until_it_is_revoked(call: Calls) -> None:
    made = await call("POST", "/keys", json={"name": "CI"})
    key, path = made.body["key"], f"/keys/{made.body['id']}"

    assert 201 == made.status
    assert key.startswith("es_live_")
    assert key[:12] == made.body["key_prefix"]
    assert 200 == (await call("GET", "/account/credits", key=key)).status
    listed = (await call("GET", "/keys")).body["keys"]
    assert {"id", "name", "key_prefix", "last_used_at", "created_at"} == listed[-1].keys()
    assert ({"id": made.body["id"], "revoked": True}, 200) == (
        (gone := await call("DELETE", path)).body,
        gone.status,
    )
    assert (401, "unauthorized") == (await call("GET", "/account/credits", key=key)).refusal
    assert (404, "not_found") == (await call("DELETE", path)).refusal


async def test_there_are_at_most_ten_keys_with_names(call: Calls) -> None:
    answers = [(await call("POST", "/keys", json={"name": str(at)})).status for at in range(10)]

    assert [201] * 9 + [400] == answers
    assert (400, "validation_error") == (await call("POST", "/keys", json={"name": "x" * 101})).refusal
    assert (400, "validation_error") == (await call("POST", "/keys", json={})).refusal


async def test_feedback_is_received(call: Calls) -> None:
    body = {"type": "bug", "message": "x", "project_id": call.emulator.add_project().id}

    assert (201, {"received": True}) == (
        (reply := await call("POST", "/feedback", json=body)).status,
        reply.body,
    )
    assert [body] == call.emulator.account.feedback
    assert (404, "not_found") == (await call("POST", "/feedback", json={**body, "project_id": "x"})).refusal
    wrong = await call("POST", "/feedback", json={"type": "praise", "message": "x" * 5001})
    assert ["type", "message"] == [part.split(": ")[0] for part in wrong.message.split("; ")]


# -- Authentication -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header", [None, "", API_KEY, "Bearer ", "Bearer es_live_wrong", "Basic x", "Bearer \xe9"]
)
async def test_every_operation_needs_a_valid_key(may: Calls, header: str | None) -> None:

    headers = {} if header is None else {"Authorization": header}
    for name in Router(may.emulator.world.rules).names:
        method, _, path = name.partition(" ")
        reply = await may(method, path.replace(":id", "x"), key=None, headers=headers)
        assert (401, "unauthorized") == reply.refusal
