"""The age of a webhook depends on the wall clock.

Two machines share no other clock.
"""

from __future__ import annotations

import asyncio

import pytest

from eversince_async import WebhookReceiver, clock
from eversince_async.errors import TimestampOutsideTolerance
from eversince_async.webhooks.signature import sign, verify_signature
from helpers.wall_clocks import set_clock

SECRET, BODY = "whsec_c2VjcmV0", b"{}"


def verify(timestamp: str) -> None:
    verify_signature(SECRET, timestamp=timestamp, body=BODY, signature=sign(SECRET, timestamp, BODY))


@pytest.mark.parametrize("seconds", [-400.0, 400.0])
async def test_a_clock_that_is_set_makes_a_webhook_older_or_newer(seconds):
    timestamp = str(int(clock.wall_seconds()))
    verify(timestamp)
    set_clock(seconds)

    with pytest.raises(TimestampOutsideTolerance):
        verify(timestamp)


async def test_a_clock_that_is_set_back_does_not_silence_the_log(caplog):
    receiver = WebhookReceiver(secret=SECRET)
    for _ in range(3):
        receiver.receive({}, BODY)
        set_clock(-86_400.0)
        await asyncio.sleep(31)

    assert 2 == len(caplog.records)
