"""Messages that are never sent twice and never lost.

This holds for any response to them.
"""

from __future__ import annotations

import asyncio

import pytest

from eversince_async import Eversince, OutcomeUnknown, RetryPolicy
from eversince_async.emulator import Emulator
from eversince_async.emulator.faults import (
    ErrorAnswer,
    Latency,
    NotJson,
    Reset,
    Stall,
    Truncated,
    Unavailable,
)
from helpers.lagging_reads import edited

MESSAGES = "/projects/*/messages"

UNDONE = [Reset(), ErrorAnswer(), NotJson(), Stall(), Unavailable(), Unavailable(retry_after=3)]
DONE = [
    Reset(after_commit=True),
    ErrorAnswer(after_commit=True),
    NotJson(after_commit=True),
    Stall(after_commit=True),
    Truncated(),
    Latency(seconds=90, after_commit=True),
]


def said(emulator: Emulator, project_id: str, text: str = "Make it blue") -> int:
    return sum(message["content"] == text for message in emulator.world.projects[project_id].messages)


@pytest.mark.parametrize("fault", UNDONE + DONE, ids=str)
async def test_an_answer_that_gets_lost_once(emulator, eversince, fault):
    async with eversince.converse("A film") as conversation:
        turn = await conversation.turn()
        emulator.faults.once("POST", MESSAGES, fault)
        await turn.reply("Make it blue")
        assert 2 == (await conversation.turn()).number

    assert 1 == said(emulator, conversation.project_id)


@pytest.mark.parametrize("odd", [{"id": None}, {"role": None}, {"created_at": "soon"}], ids=str)
async def test_a_message_that_came_but_cannot_be_read_is_not_sent_again(emulator, eversince, odd):
    """The readable rest suffices: the text is that of the message."""

    class Kept(list):
        def append(self, message):
            super().append({**message, **odd} if message["role"] == "user" else message)

    async with eversince.converse("A film") as conversation:
        turn = await conversation.turn()
        project = emulator.world.projects[conversation.project_id]
        project.messages = Kept(project.messages)
        emulator.faults.once("POST", MESSAGES, Reset(after_commit=True))
        await turn.reply("Make it blue")

    assert 1 == said(emulator, conversation.project_id)


@pytest.mark.parametrize("fault", [Reset(), Stall(), ErrorAnswer()], ids=str)
async def test_answers_that_get_lost_again_and_again(emulator, eversince, fault):
    async with eversince.converse("A film") as conversation:
        turn = await conversation.turn()
        emulator.faults.once("POST", MESSAGES, fault, times=3)
        await turn.reply("Make it blue")

    assert 1 == said(emulator, conversation.project_id)


async def test_a_server_that_never_answers_leaves_it_in_doubt_and_another_try_finds_out(emulator):
    """The last attempt arrived.

    The caller repeats the reply, and nothing is sent.
    """
    impatient = Eversince(**emulator.connection, retry=RetryPolicy(attempts=2))
    async with impatient as eversince, eversince.converse("A film") as conversation:
        turn = await conversation.turn()
        emulator.faults.once("POST", MESSAGES, Reset())
        emulator.faults.once("POST", MESSAGES, Reset(after_commit=True))
        with pytest.raises(OutcomeUnknown):
            await turn.reply("Make it blue")
        await turn.reply("Make it blue")
        await conversation.turn()

    assert 1 == said(emulator, conversation.project_id)
    assert 2 == len(emulator.world.log.of("POST /projects/:id/messages"))


async def test_a_request_that_arrives_late_is_waited_for(emulator, eversince):
    """The client gives up after a minute.

    The server carries the request out a quarter of a minute later.
    """
    async with eversince.converse("A film") as conversation:
        turn = await conversation.turn()
        emulator.faults.once("POST", MESSAGES, Latency(seconds=75))
        await turn.reply("Make it blue")
        await conversation.turn()

    assert 1 == said(emulator, conversation.project_id)


async def test_the_same_words_said_before_are_not_taken_for_it(emulator, eversince):
    """An approval always has the same text.

    The second one, lost before the server read it, is sent again.
    """
    async with eversince.converse("A film") as conversation:
        async for turn in conversation:
            if turn.number == 3:
                break
            if turn.number == 2:
                emulator.faults.once("POST", MESSAGES, Reset())
            await turn.approve()

    assert 2 == said(emulator, conversation.project_id, "Approved. Please go on.")


async def test_the_same_words_twice_without_a_turn_between_are_two_messages(emulator, eversince):
    project = emulator.add_project()
    async with eversince.converse_with(project.id) as conversation:
        await conversation.say("Once more")
        await eversince.wait(project.id)
        emulator.faults.once("POST", MESSAGES, Reset())
        await conversation.say("Once more")

    assert 2 == said(emulator, project.id, "Once more")


@pytest.mark.parametrize("seconds", [0.0, 1.0, 30.0, 65.0, 100.0])
async def test_a_reply_that_was_cancelled_in_doubt_can_be_repeated(emulator, eversince, seconds):
    async with eversince.converse("A film") as conversation:
        turn = await conversation.turn()
        emulator.faults.once("POST", MESSAGES, Stall(after_commit=True))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(20):
                await turn.reply("Make it blue")
        await asyncio.sleep(seconds)
        await turn.reply("Make it blue")
        assert 2 == (await conversation.turn()).number

    assert 1 == said(emulator, conversation.project_id)


async def test_a_reply_that_was_cancelled_before_it_left_is_sent(emulator, eversince):
    async with eversince.converse("A film") as conversation:
        turn = await conversation.turn()
        replying = asyncio.create_task(turn.reply("Make it blue"))
        await asyncio.sleep(0)
        replying.cancel()
        await asyncio.wait([replying])
        await turn.reply("Make it blue")

    assert 1 == said(emulator, conversation.project_id)


async def test_a_text_the_server_has_normalised_is_recognised(emulator, eversince):
    async with eversince.converse("A film") as conversation:
        turn = await conversation.turn()
        emulator.faults.once("POST", MESSAGES, Reset(after_commit=True))
        await turn.reply("  Un cafe\u0301,\n please ")
        messages = emulator.world.projects[conversation.project_id].messages
        assert 1 == sum(message["role"] == "user" for message in messages) - 1


ESCAPED = {"content": "It&#39;s &lt;blue&gt; &amp; green"}


@pytest.mark.parametrize("shown", [{"content": None}, {"role": "human"}, {"role": None}, ESCAPED], ids=str)
async def test_a_message_is_recognised_however_it_is_shown(emulator, eversince, shown):
    """The server may omit its text, escape it, or change the role."""

    def edit(path, plain):
        if path.endswith("/messages"):
            ours = [message for message in plain["messages"] if message["role"] == "user"]
            for message in ours:
                message.update(shown)
        return plain

    edited(eversince, edit)
    async with eversince.converse("A film") as conversation:
        turn = await conversation.turn()
        emulator.faults.once("POST", MESSAGES, Reset(after_commit=True))
        await turn.reply("It's <blue> & green")
        await conversation.turn()

    assert 1 == said(emulator, conversation.project_id, "It's <blue> & green")


async def test_a_long_conversation_is_searched_from_its_newest_message(emulator, eversince):
    """There is more than a page of messages.

    The same text is among them.
    """
    project = emulator.add_project()
    async with eversince.converse_with(project.id) as conversation:
        for _ in range(26):
            await conversation.say("Again")
            await conversation.turn()
        emulator.faults.once("POST", MESSAGES, Reset())
        await conversation.say("Again")

    assert 27 == said(emulator, project.id, "Again")


@pytest.mark.parametrize("fault", [Reset(), Reset(after_commit=True)], ids=["before", "after"])
async def test_a_variation_is_asked_for_once(emulator, eversince, fault):
    project = emulator.add_project(rendered=True)
    emulator.faults.once("POST", MESSAGES, fault)

    await eversince.variation(project.id, "Create a 9:16 version for TikTok")

    assert ["16:9", "9:16"] == [variation.aspect_ratio for variation in project.variations]
