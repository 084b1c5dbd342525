"""Variations: requested by message, found in the list, activated, rendered, shared."""

from __future__ import annotations

import pytest

from eversince_async import Eversince, InvalidProjectState, StageCompleted
from eversince_async.emulator import Emulator, Scenario

TIKTOK = "Create a 9:16 version for TikTok"


async def test_a_variation_of_a_production_is_a_production_of_its_own(emulator, eversince):
    film = await eversince.produce("A film")
    vertical = await eversince.variation(film, TIKTOK)

    project = emulator.world.projects[film.project_id]
    assert ["16:9", "9:16"] == [render.aspect_ratio for render in project.rendered]
    assert "TikTok Version" == vertical.variation.title
    assert vertical.share_url not in {None, film.share_url}
    assert ["Original", "TikTok Version"] == [each.title for each in await film.variations()]


async def test_one_that_the_agent_does_not_make_active_is_switched_to(emulator, eversince):
    project = emulator.add_project(rendered=True)

    await eversince.variation(project.id, TIKTOK)

    asked = [message["content"] for message in project.messages if message["role"] == "user"]
    assert [TIKTOK, "Switch to variation var_002"] == asked[1:]


async def test_one_that_the_agent_makes_active_is_not_asked_for_again():
    scenario = Scenario(activate_variations=True)
    async with Emulator(scenario=scenario) as emulator, Eversince(**emulator.connection) as eversince:
        project = emulator.add_project(rendered=True)

        await eversince.variation(project.id, TIKTOK)

        assert 1 == len(emulator.world.log.of("POST /projects/:id/messages"))
        assert "9:16" == project.last_render.aspect_ratio


async def test_switching_to_one_that_is_there_renders_it(emulator, eversince):
    project = emulator.add_project(rendered=True)
    await eversince.variation(project.id, TIKTOK)

    again = await eversince.variation(project.id, "Switch to variation var_001")

    assert "var_001" == again.variation.id
    assert "16:9" == project.last_render.aspect_ratio


async def test_an_agent_that_makes_none_is_quoted(emulator, eversince):
    project = emulator.add_project(rendered=True)

    with pytest.raises(InvalidProjectState, match=r"made no variation; it says: Done\. I changed the film"):
        await eversince.variation(project.id, "Tell me a joke")
    assert 1 == len(project.rendered)


async def test_without_a_render_the_other_variations_video_is_not_shared(emulator, eversince):
    project = emulator.add_project(rendered=True)

    vertical = await eversince.variation(project.id, TIKTOK, render=None)

    assert vertical.share is None
    assert 0 == emulator.world.counts["shares"]


async def test_a_project_at_work_is_waited_for(emulator, eversince):
    project = emulator.add_project(walks={"running": 100})

    vertical = await eversince.variation(project.id, TIKTOK)

    assert "var_002" == vertical.variation.id


async def test_its_events_can_be_followed(emulator, eversince):
    project = emulator.add_project(rendered=True)
    async with eversince.variation(project.id, TIKTOK) as workflow:
        stages = [event.stage async for event in workflow if isinstance(event, StageCompleted)]

    assert ["message", "message", "render", "share"] == stages


async def test_one_slot_is_held_from_the_message_to_the_video(emulator, eversince):
    project = emulator.add_project(rendered=True)

    await eversince.variation(project.id, TIKTOK)

    assert 1 == emulator.world.most_active
    assert 0 == eversince.governor.snapshot().slots.occupied


async def test_in_a_conversation_a_variation_is_what_gets_finished(emulator, eversince):
    project = emulator.add_project(rendered=True)
    async with eversince.converse_with(project.id) as conversation:
        made = await conversation.variation(TIKTOK)
        film = await conversation.finish()

    assert made.is_active
    assert film.share_url is not None
    assert ["16:9", "9:16"] == [render.aspect_ratio for render in project.rendered]


async def test_after_a_variation_the_conversation_goes_on(emulator, eversince):
    project = emulator.add_project(rendered=True)
    async with eversince.converse_with(project.id) as conversation:
        first = await conversation.turn()
        await conversation.variation(TIKTOK)

        assert first.is_answered
        assert "var_002 is the active variation now." == (await conversation.turn()).message
