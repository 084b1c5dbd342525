"""Parsing of items: a bad item is reported and ends nothing else."""

from __future__ import annotations

import pytest

from eversince_async.batch.items import ItemParser
from eversince_async.errors import ConfigurationError, InvalidRequest
from eversince_async.models.projects import Brief
from eversince_async.orchestrator.options import DeliveryOptions

INTAKE = ItemParser(options={}, delivery=DeliveryOptions())


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"title": "no brief"}, "brief"),
        ({"brief": 7}, "brief"),
        ({"brief": "A film", "share": {"titel": "?"}}, "share"),
        ({"brief": "A film", "share": 7}, "share"),
        (7, "item"),
    ],
)
def test_what_cannot_be_read_is_an_invalid_request(given, named):
    item = INTAKE.parse(0, given)

    assert isinstance(item.error, InvalidRequest)
    assert named in str(item.error)


def test_an_item_may_say_what_its_page_is_to_show():
    item = INTAKE.parse(0, {"brief": "A film", "share": {"title": "Mug"}})

    assert item.error is None
    assert item.delivery.share is not None
    assert "Mug" == item.delivery.share.title


@pytest.mark.parametrize(
    "single", ["A film", b"A film", {"brief": "A film"}, Brief(brief="A film")], ids=repr
)
async def test_a_single_item_is_not_taken_apart(eversince, single):
    """Otherwise each letter of a text would be made and paid for."""
    with pytest.raises(ConfigurationError, match="in a list"):
        eversince.batch(single)
