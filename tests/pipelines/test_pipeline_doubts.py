"""Doubts about a step that no poll can resolve.

A person decides, and the pipeline continues.
"""

from __future__ import annotations

import pytest

from eversince_async import Eversince, InDoubt
from eversince_async.emulator.faults import Reset
from helpers.pipeline_runs import counts, one_film


async def shared_by_two(emulator, eversince, journal) -> InDoubt:
    """Lose a share's response, moments after another client's share.

    The other client shares another video.
    """
    async with Eversince(**emulator.connection) as somebody:
        await somebody.produce("Something else")
    emulator.faults.once("POST", "/projects/*/share", Reset(after_commit=True))
    with pytest.raises(InDoubt) as raised:
        await eversince.run(one_film, "A mug", key="mug", journal=journal)
    return raised.value


async def test_a_share_that_may_be_one_of_two_is_for_a_person(emulator, eversince, journal):
    doubt = await shared_by_two(emulator, eversince, journal)

    assert ("mug", "produce:share") == (doubt.key, doubt.effect)
    assert 2 == len(doubt.candidates)


async def test_it_goes_on_with_what_a_person_has_found(emulator, eversince, journal):
    doubt = await shared_by_two(emulator, eversince, journal)

    await eversince.decide("mug", doubt.candidates[1], journal=journal)
    film = await eversince.run(one_film, "A mug", key="mug", journal=journal)

    assert doubt.candidates[1] == film.share_url
    assert {"projects": 2, "renders": 2, "shares": 2} == counts(emulator)


async def test_it_does_again_what_a_person_has_not_found(emulator, eversince, journal):
    doubt = await shared_by_two(emulator, eversince, journal)

    await eversince.decide("mug", None, journal=journal)
    film = await eversince.run(one_film, "A mug", key="mug", journal=journal)

    assert film.share_url not in doubt.candidates
    assert 3 == emulator.world.counts["shares"]


async def test_undecided_nothing_is_repeated(emulator, eversince, journal):
    await shared_by_two(emulator, eversince, journal)

    with pytest.raises(InDoubt):
        await eversince.run(one_film, "A mug", key="mug", journal=journal)
    assert {"projects": 2, "renders": 2, "shares": 2} == counts(emulator)
