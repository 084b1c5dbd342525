"""Only genuine, new deliveries have an effect."""

from __future__ import annotations

import asyncio
import json
import logging
import re

import pytest

from eversince_async import ConfigurationError, ProjectStatus, WebhookReceiver
from helpers.webhook_deliveries import OTHER_SECRET, SECRET, Client, payload, signed

HOUR = 3600.0


@pytest.fixture
def client():
    return Client()


@pytest.fixture
def receiver(client):
    return WebhookReceiver(client, secret=SECRET)


def deliver(receiver, body=b"", **how):
    """Deliver a signed body; return the code of the result."""
    body = body or payload()
    return receiver.receive(signed(body, **how), body).code


# -- Genuine ones ---------------------------------------------------------------------------------------


async def test_a_genuine_delivery_wakes_the_client_and_reaches_the_application(receiver, client):
    events = receiver.events()

    assert "received" == deliver(receiver, payload("p7", "idle"))
    assert ["p7"] == client.nudged
    assert ("p7", ProjectStatus.IDLE) == ((event := await anext(events)).id, event.event)


async def test_an_event_is_typed_down_to_timeline_and_assets(receiver):
    body = payload(
        timeline={"scenes": [{"id": "s1", "ref": "x7y8z9a0", "duration": 5}]},
        assets=[{"ref": "x7y8z9a0", "type": "image", "url": "https://cdn.test/a1?sig=x"}],
        skills=["skill-cinema"],
        memory_of_next_year={"x": 1},
    )
    event = receiver.receive(signed(body), body).event

    assert event is not None
    assert 5 == event.timeline.scenes[0].duration
    assert "x7y8z9a0" == event.assets[0].ref
    assert {"x": 1} == event.extra["memory_of_next_year"]
    assert "sig=x" not in repr(event)


async def test_the_verdict_is_the_answer(receiver):
    """A user's own endpoint passes on status, headers and body."""
    verdict = receiver.receive(signed(payload()), payload())
    refusal = receiver.receive({}, payload())

    assert (200, False, b'{"received":true}') == (verdict.status, verdict.is_error, verdict.body)
    assert (401, True) == (refusal.status, refusal.is_error)
    assert {
        "code": "unauthorized",
        "message": "the X-Eversince-Signature header is missing",
        "status": 401,
    } == json.loads(refusal.body)["error"]
    assert {"Content-Type": "application/json"} == refusal.headers


async def test_a_client_that_fails_costs_no_delivery(caplog):
    """A delivery comes only once, so it must not be lost.

    The client may be the application's own object.
    """

    class Broken:
        def nudge(self, project_id: str, /) -> None:
            raise RuntimeError(project_id)

    receiver = WebhookReceiver(Broken(), secret=SECRET)
    events = receiver.events()

    assert "received" == deliver(receiver)
    assert 1 == len(events)
    assert "RuntimeError: p1" in caplog.text


@pytest.mark.parametrize("case", [str.lower, str.upper, str.title])
async def test_headers_are_found_whatever_their_case(receiver, case):
    headers = {case(name): value for name, value in signed(payload()).items()}

    assert "received" == receiver.receive(headers, payload()).code


async def test_a_receiver_takes_each_of_its_secrets(client):
    receiver = WebhookReceiver(client, secret=[SECRET, OTHER_SECRET])

    assert "received" == deliver(receiver, secret=SECRET)
    assert "received" == deliver(receiver, payload(event="idle"), secret=OTHER_SECRET)


async def test_a_receiver_needs_no_client():
    receiver = WebhookReceiver(secret=SECRET)
    events = receiver.events()
    deliver(receiver)

    assert "p1" == (await anext(events)).id


# -- Others ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("age", [-301, 301])
async def test_what_is_outside_tolerance_is_refused(receiver, client, age):
    assert "unauthorized" == deliver(receiver, age=age)
    assert [] == client.nudged


async def test_the_tolerance_is_the_callers_choice(client):
    assert "received" == deliver(WebhookReceiver(client, secret=SECRET, tolerance=None), age=HOUR)
    assert "unauthorized" == deliver(WebhookReceiver(client, secret=SECRET, tolerance=10), age=11)


async def test_a_replay_has_no_effect_for_as_long_as_it_could_be_taken(receiver, client):
    """The longest case is a signer with a fast clock.

    The clock is fast by the tolerance, and the replay comes at the last possible moment.
    """
    events = receiver.events()
    headers = signed(payload(), age=-299)
    verdicts = []
    for _ in range(5):
        verdicts.append(receiver.receive(headers, payload()).code)
        await asyncio.sleep(149)

    assert ["received", *["duplicate"] * 4] == verdicts
    assert "unauthorized" == receiver.receive(headers, payload()).code
    assert ["p1"] == client.nudged
    assert 1 == len(events)


async def test_a_replay_signed_with_another_secret_is_one_too(client):
    receiver = WebhookReceiver(client, secret=[SECRET, OTHER_SECRET])
    verdicts = [
        deliver(receiver, timestamp=signed(b"")["X-Eversince-Timestamp"], secret=secret)
        for secret in (SECRET, OTHER_SECRET)
    ]

    assert ["received", "duplicate"] == verdicts


async def test_the_same_event_at_another_time_is_no_replay(receiver, client):
    deliver(receiver)
    await asyncio.sleep(1)
    deliver(receiver)

    assert ["p1", "p1"] == client.nudged


async def test_memory_of_replays_is_bounded(receiver):
    for number in range(5000):
        deliver(receiver, payload(f"p{number}"))
    replays = receiver._handler._replays

    assert 4096 == len(replays)
    await asyncio.sleep(611)
    deliver(receiver)
    assert 1 == len(replays)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "not JSON"),
        (b"event=idle", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", r"\$"),
        (b"null", r"\$"),
        (b'{"status": "idle", "event": "idle"}', r"\$\.id"),
        (b'{"id": "p1", "event": "idle"}', r"\$\.status"),
        (payload(event=7), r"\$\.status"),
    ],
)
async def test_a_signed_delivery_that_is_no_event_is_refused(receiver, body, problem):
    events = receiver.events()
    verdict = receiver.receive(signed(body), body)

    assert ("validation_error", 400) == (verdict.code, verdict.status)
    assert re.search(problem, verdict.message)
    assert 0 == len(events)


async def test_a_signed_delivery_of_a_revision_we_cannot_read_still_wakes_the_client(receiver, client):
    """The delivery is genuine, and the poll finds out what it means."""
    assert "validation_error" == deliver(receiver, payload("p3", status={"next": "revision"}))
    assert ["p3"] == client.nudged


@pytest.mark.parametrize(
    ("odd", "path"),
    [
        ({"timeline": "later"}, "$.timeline"),
        ({"timeline": {"scenes": [7]}}, "$.timeline.scenes[0]"),
        ({"assets": {}}, "$.assets"),
        ({"assets": [7]}, "$.assets[0]"),
        ({"created_at": "soon"}, "$.created_at"),
        ({"mode": {"next": "revision"}}, "$.mode"),
    ],
    ids=str,
)
async def test_what_cannot_be_read_does_not_cost_the_event(receiver, client, odd, path):
    """A delivery comes only once, so it must not be lost.

    The form of early events is not documented.
    """
    body = payload(agent_message="at work", **odd)
    event = receiver.receive(signed(body), body).event

    assert ("running", "at work") == (event.event, event.agent_message)
    assert [path] == [each.path for each in event.unreadable]
    assert ["p1"] == client.nudged


async def test_an_unknown_event_is_an_event(receiver):
    body = payload(event="upscaling")

    assert "upscaling" == receiver.receive(signed(body), body).event.event


async def test_a_body_over_the_limit_is_refused(client):
    receiver = WebhookReceiver(client, secret=SECRET, body_limit=len(payload()))

    assert "received" == deliver(receiver)
    assert "payload_too_large" == deliver(receiver, payload() + b" ")


# -- Unsigned ones --------------------------------------------------------------------------------------


async def test_unsigned_deliveries_need_leave(receiver, client):
    assert "unauthorized" == receiver.receive({}, payload()).code
    assert [] == client.nudged


async def test_unsigned_deliveries_are_taken_with_leave_and_one_warning(client, caplog):
    receiver = WebhookReceiver(client, allow_unsigned=True)
    for number in range(3):
        assert "received" == receiver.receive({}, payload(f"p{number}")).code

    assert ["p0", "p1", "p2"] == client.nudged
    assert ["allow_unsigned" in record.message for record in caplog.records] == [True]


async def test_without_a_secret_a_signature_says_nothing(client):
    assert "received" == deliver(WebhookReceiver(client, allow_unsigned=True))


async def test_with_a_secret_a_signature_that_is_there_must_be_right(client):
    receiver = WebhookReceiver(client, secret=SECRET, allow_unsigned=True)

    assert "unauthorized" == deliver(receiver, secret=OTHER_SECRET)
    assert "unauthorized" == deliver(receiver, age=HOUR)
    assert "received" == receiver.receive({}, payload()).code


async def test_unsigned_repetitions_count_as_such_only_with_a_timestamp(client):
    """Without a timestamp, a second event may look like the first."""
    receiver = WebhookReceiver(client, allow_unsigned=True)
    dated = {"X-Eversince-Timestamp": "1715900000"}

    assert ["received", "received"] == [receiver.receive({}, payload()).code for _ in "ab"]
    assert ["received", "duplicate"] == [receiver.receive(dated, payload()).code for _ in "ab"]


def test_a_receiver_without_a_secret_is_a_mistake():
    with pytest.raises(ConfigurationError, match="allow_unsigned=True"):
        WebhookReceiver()


@pytest.mark.parametrize(
    "options",
    [{"secret": ""}, {"secret": []}, {"tolerance": -1}, {"body_limit": 0}, {"queue_size": 0}],
    ids=str,
)
def test_a_receiver_with_options_that_make_no_sense_is_a_mistake(options):
    with pytest.raises(ConfigurationError):
        WebhookReceiver(**{"secret": SECRET, **options})


# -- What a person sees ---------------------------------------------------------------------------------


async def test_statistics_count_what_there_was(receiver):
    events = receiver.events()
    deliver(receiver)
    deliver(receiver)
    deliver(receiver, secret=OTHER_SECRET)
    deliver(receiver, b"{}")
    seen = receiver.statistics()

    assert (1, 1, 0, 1) == (seen.received, seen.duplicates, seen.dropped, seen.subscriptions)
    assert {"unauthorized": 1, "validation_error": 1} == seen.refused
    assert "<WebhookReceiver 1 received, 1 again, 2 refused>" == repr(receiver)
    assert "<Subscription 1 events waiting, 0 dropped>" == repr(events)


async def test_no_secret_is_ever_shown(receiver, caplog):
    """Neither representations at any depth nor logs show it."""
    caplog.set_level(logging.DEBUG)
    deliver(receiver, secret=OTHER_SECRET)
    deliver(receiver, b"{}")
    delivery_handler = receiver._handler

    shown = f"{receiver!r} {receiver.asgi!r} {vars(receiver)} {vars(delivery_handler)} {caplog.text}"
    assert SECRET not in shown
    assert "<1 signing keys>" in shown


async def test_refusals_are_logged_once_a_minute_for_each_reason(receiver, caplog):
    """The address is public: strangers must not fill the log."""
    for _ in range(120):
        deliver(receiver, secret=OTHER_SECRET)
        deliver(receiver, b"{}")
        await asyncio.sleep(1)

    warnings = [record.message for record in caplog.records]
    assert 2 == sum("401 unauthorized" in text for text in warnings)
    assert 2 == sum("400 validation_error" in text for text in warnings)
    assert 4 == len(warnings)


# -- Loops ----------------------------------------------------------------------------------------------


def test_a_receiver_is_made_anywhere_but_works_in_a_loop(receiver):
    for use in (receiver.events, lambda: deliver(receiver)):
        with pytest.raises(ConfigurationError, match="inside a running asyncio event loop"):
            use()


def test_a_receiver_refuses_a_second_loop_while_the_first_lives(receiver):
    async def use():
        deliver(receiver)

    with asyncio.Runner() as first, asyncio.Runner() as second:
        first.run(use())
        with pytest.raises(ConfigurationError, match="belongs to another event loop"):
            second.run(use())


def test_a_receiver_goes_on_in_a_new_loop_when_its_own_is_gone(receiver):
    """This happens under reload, and in tests with a loop each."""
    left = []

    async def use():
        left.append(receiver.events())
        waiting = asyncio.ensure_future(anext(left[-1]))
        await asyncio.sleep(0)
        deliver(receiver, payload(f"p{len(left)}"))
        return (await waiting).id

    assert ["p1", "p2"] == [asyncio.run(use()), asyncio.run(use())]
    assert 1 == receiver.statistics().subscriptions
