"""Videos made turn by turn with the agent."""

from __future__ import annotations

import asyncio

import pytest

from eversince_async import (
    CreditsWarning,
    Eversince,
    InsufficientCredits,
    InvalidProjectState,
    Limits,
    NotFound,
    ProjectCancelled,
    ProjectFailed,
    StatusChanged,
    StatusConflict,
    Timeouts,
    UrlReference,
    WaitTimedOut,
)
from eversince_async.emulator import Emulator, Scenario

THREE_TURNS = ["ready for review", "ready for review", "complete"]


async def test_every_turn_is_the_agents_word_and_an_answer_brings_the_next(eversince):
    said = []
    async with eversince.converse("A bakery film") as conversation:
        async for turn in conversation:
            said.append(turn.message)
            if turn.number == 3:
                break
            await turn.approve()

    assert all(words in message for words, message in zip(THREE_TURNS, said, strict=True))


async def test_it_is_collaborative_unless_another_mode_is_asked_for(emulator, eversince):
    async with eversince.converse("One"), eversince.converse("Two", mode="autonomous"):
        pass

    assert ["collaborative", "autonomous"] == [
        project.mode for project in emulator.world.projects.values() if not project.studio
    ]


async def test_a_turn_shows_what_is_new_since_the_last(emulator, eversince):
    """It shows each message, without internal markers, and each asset once."""
    async with eversince.converse("A bakery film") as conversation:
        turns = []
        async for turn in conversation:
            turns.append(turn)
            if turn.number < 3:
                await turn.reply(f"Answer {turn.number}")

    project = emulator.world.projects[conversation.project_id]
    shown = [message.id for turn in turns for message in turn.messages]
    assert [message["id"] for message in project.messages if message["content"]] == shown
    assert len(project.assets) == len({asset.ref for turn in turns for asset in turn.assets})
    assert len(project.assets) == sum(len(turn.assets) for turn in turns)
    assert "Answer 1" == turns[1].messages[0].content


async def test_the_loop_ends_when_a_turn_is_left_unanswered(eversince):
    turns = 0
    async with eversince.converse("A film") as conversation:
        async for _ in conversation:
            turns += 1
        assert conversation.current is not None
        assert [] == [turn async for turn in conversation]

    assert 1 == turns


async def test_a_turn_can_be_answered_once(emulator, eversince):
    async with eversince.converse("A film") as conversation:
        turn = await conversation.turn()
        assert turn is await conversation.turn()
        await turn.reply("Go on")

        assert turn.is_answered
        with pytest.raises(InvalidProjectState, match="this turn has been answered"):
            await turn.reply("Go on")
    assert 1 == len(emulator.world.log.of("POST /projects/:id/messages"))


async def test_references_go_with_an_answer(emulator, eversince):
    async with eversince.converse("A film") as conversation:
        turn = await conversation.turn()
        await turn.reply("Like this", references=[UrlReference(url="https://x.example/a.png", type="image")])

    assert 202 == emulator.world.log.of("POST /projects/:id/messages")[0].status


async def test_no_slot_is_held_while_a_person_thinks():
    """Five conversations wait for an answer, with five slots.

    A sixth project goes through at once.
    """
    async with Emulator() as emulator, Eversince(**emulator.connection) as eversince:
        conversations = [eversince.converse(f"Film {number}") for number in range(5)]
        for conversation in conversations:
            async with conversation:
                await conversation.turn()
        assert 0 == eversince.governor.snapshot().slots.occupied

        film = await eversince.produce("The sixth")

        assert film.share_url is not None
        assert 1 == emulator.world.most_active


async def test_an_answer_goes_before_new_productions():
    """An answer and a new production wait for the only slot.

    The answer gets it first.
    """
    async with (
        Emulator() as emulator,
        Eversince(**emulator.connection, limits=Limits(active_projects=1)) as eversince,
        eversince.converse("Begun") as conversation,
    ):
        turn = await conversation.turn()
        first = eversince.start("First", render=None)
        await asyncio.sleep(1)
        second = eversince.start("Second", render=None)
        await asyncio.sleep(1)
        await turn.reply("Go on")
        assert 1 == len(emulator.world.log.of("POST /projects")) - 1  # the second still waits
        await first
        await conversation.turn()
        await second


async def test_it_ends_like_any_production(eversince, tmp_path):
    async with eversince.converse("A film") as conversation:
        async for turn in conversation:
            if turn.number < 3:
                await turn.approve()
        film = await conversation.finish(download=tmp_path)

    assert film.share_url is not None
    assert (tmp_path / f"{conversation.project_id}.mp4",) == film.files


async def test_finishing_waits_for_the_answer_that_is_being_worked_on(emulator, eversince):
    async with eversince.converse("A film") as conversation:
        await (await conversation.turn()).reply("Make it short, then you are done")
        film = await conversation.finish(share=False)

    assert 1 == len(emulator.world.projects[film.project_id].rendered)


async def test_a_finished_video_is_rendered_anew_only_if_something_was_said_since(emulator, eversince):
    project = emulator.add_project(rendered=True)
    async with eversince.converse_with(project.id) as conversation:
        await conversation.finish(share=False)
        assert 1 == len(project.rendered)
        await conversation.say("Make it brighter")
        film = await conversation.finish(share=False)
        assert 2 == len(project.rendered)
        await conversation.finish(share=False)

    assert 2 == len(project.rendered)
    assert "render-2" in (film.assembled_url or "")


async def test_single_assets_are_not_rendered(emulator, eversince):
    async with eversince.converse("Assets only, please") as conversation:
        async for turn in conversation:
            if turn.number < 2:
                await turn.approve()
        production = await conversation.finish()

    assert [] == emulator.world.projects[production.project_id].rendered
    assert production.assets


async def test_settings_change_between_turns(emulator, eversince):
    async with eversince.converse("A film") as conversation:
        turn = await conversation.turn()
        settings = await conversation.settings(title="Crumbs", mode="autonomous")
        await turn.reply("And now do the rest by yourself")
        turn = await conversation.turn()

    assert "Crumbs" == settings.title
    assert "complete" in turn.message


async def test_settings_are_refused_while_the_agent_works(eversince):
    async with eversince.converse("A film") as conversation:
        await (await conversation.turn()).approve()
        with pytest.raises(StatusConflict):
            await conversation.settings(title="Crumbs")


async def test_handing_over_leaves_the_project_to_the_studio(emulator, eversince):
    async with eversince.converse("A film") as conversation:
        await conversation.turn()
        url = await conversation.hand_over()
        assert [] == [turn async for turn in conversation]

    assert url is not None
    assert conversation.project_id in url
    assert "none" == emulator.world.projects[conversation.project_id].mode


async def test_it_is_taken_up_by_the_project_id_where_it_was(emulator, eversince):
    """The second conversation, as if in another process, shows what is new."""
    async with eversince.converse("A film") as conversation:
        await (await conversation.turn()).reply("Yes")
        seen = conversation.cursor
    await asyncio.sleep(7 * 86_400)

    async with Eversince(**emulator.connection) as other:
        async with other.converse_with(conversation.project_id, after=seen) as again:
            turn = await again.turn()
        async with other.converse_with(conversation.project_id) as anew:
            whole = await anew.turn()

    assert "Yes" == turn.messages[0].content
    assert len(turn.messages) < len(whole.messages)


async def test_it_works_on_a_studio_project_that_was_adopted(emulator, eversince):
    studio = (await eversince.projects.discover()).projects[0]

    async with eversince.converse_with(await eversince.adopt(studio.project_id)) as conversation:
        turn = await conversation.turn()
        await turn.reply("Make it shorter")
        film = await conversation.finish()

    assert film.share_url is not None


async def test_an_unknown_project_is_told_on_entering(eversince):
    with pytest.raises(NotFound):
        async with eversince.converse_with("proj_nowhere"):
            pass


async def test_somebody_who_answers_in_the_studio_is_noticed(emulator, eversince):
    """The answer given here is not sent.

    The loop goes on with the agent's next stop.
    """
    async with eversince.converse("A film") as conversation:
        turns = []
        async for turn in conversation:
            turns.append(turn)
            if turn.number == 1:
                await eversince.messages.send(conversation.project_id, "From the studio")
                with pytest.raises(InvalidProjectState, match="the agent is at work"):
                    await turn.reply("From here")

    assert 2 == len(turns)
    assert "From the studio" == turns[1].messages[0].content
    assert 1 == len(emulator.world.log.of("POST /projects/:id/messages"))


async def test_a_failure_is_told_and_the_agent_can_be_asked_again_where_the_server_takes_it():
    """The documents of May 2026 say: "Send a message to retry"."""
    async with (
        Emulator(revision="2026-05") as emulator,
        Eversince(**emulator.connection) as eversince,
        eversince.converse("A film") as conversation,
    ):
        await asyncio.sleep(5)
        emulator.studio.fail(conversation.project_id, "No idea")
        with pytest.raises(ProjectFailed, match="No idea"):
            await conversation.turn()
        await conversation.say("Try again")
        turn = await conversation.turn()

        assert "ready for review" in turn.message


async def test_a_server_that_takes_no_message_after_a_failure_says_so():
    """Servers of April 2026 take none."""
    failing = Scenario(failure=1.0, failure_in="running")
    async with (
        Emulator(scenario=failing) as emulator,
        Eversince(**emulator.connection) as eversince,
        eversince.converse("A film") as conversation,
    ):
        with pytest.raises(ProjectFailed):
            await conversation.turn()
        with pytest.raises(InvalidProjectState, match="Messages cannot be sent while the project is failed"):
            await conversation.say("Try again")


async def test_a_project_that_was_cancelled_in_the_studio_ends_the_loop_with_that(emulator, eversince):
    async with eversince.converse("A film") as conversation:
        await asyncio.sleep(1)
        emulator.studio.cancel(conversation.project_id)

        with pytest.raises(ProjectCancelled):
            await conversation.turn()


async def test_an_agent_that_takes_too_long_can_be_waited_for_again(eversince):
    async with eversince.converse("A film", timeouts=Timeouts(settle=10)) as conversation:
        with pytest.raises(WaitTimedOut):
            await conversation.turn()
        await asyncio.sleep(3600)

        assert 1 == (await conversation.turn()).number


async def test_too_few_credits_for_an_answer_come_with_what_can_be_bought(emulator, eversince):
    async with eversince.converse("A film") as conversation:
        turn = await conversation.turn()
        emulator.account.credits = 3
        with pytest.raises(InsufficientCredits) as refused:
            await turn.reply("Go on")

        assert 3 == refused.value.balance
        assert refused.value.packages
        emulator.account.credits = 500
        await turn.reply("Go on")


async def test_what_happens_is_told(emulator, eversince):
    emulator.account.credits = 90
    events = []
    async with eversince.converse("A film", on_event=events.append) as conversation:
        await conversation.turn()

    assert 1 == sum(isinstance(event, CreditsWarning) for event in events)
    assert "idle" == [event.status for event in events if isinstance(event, StatusChanged)][-1]


async def test_leaving_by_cancellation_cancels_the_project_on_those_terms(emulator, eversince):
    """This holds also while a person thinks.

    A bound on one wait alone does not cancel the project.
    """
    async with eversince.converse("Stays", on_cancel="cancel") as stays:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await stays.turn()
    goes = eversince.converse("Goes", on_cancel="cancel")

    async def think() -> None:
        async with goes:
            await goes.turn()
            await asyncio.sleep(7200)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(think(), 3600)

    assert "cancelled" != emulator.world.projects[stays.project_id].status
    assert "cancelled" == emulator.world.projects[goes.project_id].status


async def test_another_error_in_the_block_leaves_the_project_alone(emulator, eversince):
    with pytest.raises(ZeroDivisionError):
        async with eversince.converse("A film", on_cancel="cancel") as conversation:
            raise ZeroDivisionError

    assert "cancelled" != emulator.world.projects[conversation.project_id].status
