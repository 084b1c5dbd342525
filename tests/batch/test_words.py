"""Inputs bound to be refused are refused before anything is paid.

Such inputs are misspelt options and unknown qualities.
"""

from __future__ import annotations

from typing import Any

import pytest

from eversince_async import Eversince, Quality, Unchecked
from eversince_async.batch.items import ItemParser
from eversince_async.errors import InvalidRequest
from eversince_async.models.projects import Brief
from eversince_async.orchestrator.options import DEFAULT_SHARE, DeliveryOptions, delivery_options

INTAKE = ItemParser(options={}, delivery=DeliveryOptions(share=DEFAULT_SHARE))


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("breif", "brief"),
        ("aspect", "aspect_ratio"),
        ("Aspect_Ratio", "aspect_ratio"),
        ("titel", "title"),
        ("sahre", "share"),
        ("share_titel", "share_title"),
        ("webhook", "webhook_url"),
        ("reference", "references"),
    ],
)
def test_a_row_with_a_misspelt_option_is_told_the_nearest(name, meant):
    item = INTAKE.parse(0, {"brief": "A film", name: "x"})

    assert isinstance(item.error, InvalidRequest)
    assert [name] == list(item.error.fields)
    assert f"did you mean '{meant}'?" in str(item.error)


@pytest.mark.parametrize("brief", ["A film", Brief(brief="A film")])
def test_a_row_says_what_is_newer_than_this_version_in_extra(brief):
    spec: Any = INTAKE.parse(0, {"brief": brief, "extra": {"seed": 7}}).spec
    assert {"brief": "A film", "seed": 7} == spec["brief"]


def test_extra_that_is_no_mapping_is_refused():
    assert "extra: must be a mapping" in str(INTAKE.parse(0, {"brief": "A", "extra": [7]}).error)


@pytest.mark.parametrize("word", ["720p", "8k", "1080P", "4K", "1080", "", 4, ["4k"]])
def test_a_row_with_an_unknown_quality_is_refused(word):
    item = INTAKE.parse(0, {"brief": "A film", "render": word})
    if word == "":
        assert (None, "1080p") == (item.error, item.delivery.render)
    else:
        assert "render: must be 1080p or 4k" in str(item.error)


@pytest.mark.parametrize(
    ("word", "quality"),
    [("4k", "4k"), (True, "1080p"), ("ja", "1080p"), ("nein", None), (None, None), (Unchecked("8k"), "8k")],
)
def test_a_row_may_name_its_quality_or_say_whether(word, quality):
    item = INTAKE.parse(0, {"brief": "A film", "render": word})
    assert (None, quality) == (item.error, item.delivery.render)


# -- Calls -----------------------------------------------------------------------------------------------

CALLS: Any = {
    "produce": lambda eversince, word: eversince.produce("A film", render=word),
    "start": lambda eversince, word: eversince.start("A film", render=word),
    "resume": lambda eversince, word: eversince.resume("proj_1", render=word),
    "batch": lambda eversince, word: eversince.batch(["A film"], render=word),
    "render": lambda eversince, word: eversince.render("proj_1", quality=word),
}


@pytest.fixture
async def eversince():
    async with Eversince(api_key="es_live_none", base_url="http://127.0.0.1:1/api/v1") as eversince:
        yield eversince


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
async def test_an_unknown_quality_is_refused_before_anything_is_sent(eversince, call):
    with pytest.raises(InvalidRequest, match=r"must be 1080p or 4k, not '720p'.*Unchecked\('720p'\)"):
        call(eversince, "720p")


def test_an_unchecked_quality_is_sent_as_it_is():
    quality: Quality = Unchecked("8k")
    word = delivery_options(quality, share=False, download=None).render
    assert ("8k", str) == (word, type(word))


@pytest.mark.parametrize("verb", ["produce", "start"])
async def test_a_misspelt_option_is_told_the_nearest(eversince, verb):
    with pytest.raises(TypeError, match="no option 'aspect'; did you mean 'aspect_ratio'"):
        getattr(eversince, verb)("A film", aspect="9:16")


async def test_a_misspelt_option_of_a_batch_is_told_the_nearest(eversince):
    with pytest.raises(TypeError, match="no option 'aspect'; did you mean 'aspect_ratio'"):
        eversince.batch(["A film"], aspect="9:16")
