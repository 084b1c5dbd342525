"""What the examples share, without any framework: streams of events, and films in a file."""

from __future__ import annotations

import asyncio
from importlib import import_module
from types import SimpleNamespace

import pytest
from applications import EXAMPLES

from eversince_async import ApiError, Eversince, InsufficientCredits, ProjectFailed
from eversince_async.models.account import CreditPackage


@pytest.fixture
def storage(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    return import_module("storage").FilmStorage(tmp_path / "films.jsonl")


@pytest.fixture
async def films(emulator, storage):
    films = import_module("films").Films(Eversince(**emulator.connection), storage)
    yield films
    await films.aclose()


@pytest.fixture
async def film(films):
    return films.order("customer", import_module("film").Order("A film"))


async def test_a_page_that_reads_slowly_is_told_the_end_all_the_same(films, film):
    stream = films.watch(film)
    begun = [await anext(stream) for _ in range(3)]
    await asyncio.sleep(1000)
    rest = [event async for event in stream]

    assert "event: pulse" in begun[-1]
    assert '"is_over": true' in rest[-2]
    assert f"id: {film.version}" in rest[-2]


async def test_a_stream_that_is_broken_off_leaves_nothing(films, film):
    stream = films.watch(film)
    await anext(stream)
    await stream.aclose()

    assert not film.is_over


async def test_a_page_that_waits_for_news_can_be_cancelled(films, film):
    async def page() -> None:
        async for _ in films.watch(film):
            pass

    watching = asyncio.create_task(page())
    await asyncio.sleep(10)
    watching.cancel()
    await asyncio.wait([watching])
    await asyncio.sleep(1000)

    assert watching.cancelled()
    assert film.video_url is not None


@pytest.mark.parametrize("odd", ["javascript:alert(1)", "data:text/html,x", "", " https://a.example"])
async def test_an_address_that_is_none_is_no_link_of_the_page(films, film, odd):
    made = SimpleNamespace(video_url=odd, share_url="https://eversince.ai/share/1")
    film.ended(made)

    told = film.to_json()
    assert (None, "https://eversince.ai/share/1") == (told["video_url"], told["share_url"])
    assert "video_url is no web address" in told["problem"]["text"]


def test_an_offer_that_is_no_link_is_not_offered(storage):
    refusal = InsufficientCredits("too few", status=402)
    refusal.packages = [CreditPackage(id="a", credits=100, price="$1", purchase_url="javascript:alert(1)")]

    assert [] == import_module("words").explained(refusal)["links"]


BAD = "\x1b[2Jno\u202e\u2066 <b>way</b>\n\x00\x9b" + "!" * 5000


def test_what_the_agent_says_is_one_plain_line(storage):
    failed = ProjectFailed(BAD, project_id="p1")
    text = import_module("words").explained(failed)["text"]

    assert text.startswith("The agent says: “[2Jno <b>way</b> !!!")
    assert text.isprintable()
    assert len(text) < 330


@pytest.mark.parametrize(
    "error",
    [
        InsufficientCredits(BAD, status=402),
        ProjectFailed(None, project_id="p1"),
        ProjectFailed("\u202e \n", project_id="p1"),
        ApiError(BAD, status=500, code="internal_error"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_is_told_in_our_own_words(storage, error):
    told = import_module("words").explained(error)

    assert told["text"]
    assert "way" not in str(told)


async def test_what_an_error_says_goes_to_the_log_in_one_line(films, film, caplog):
    film.failed(ApiError(BAD, status=500))

    (record,) = [each for each in caplog.records if each.name == "films"]
    assert record.getMessage().startswith(f"film {film.id}: ")
    assert "[2Jno <b>way</b>" in record.getMessage()
    assert record.getMessage().isprintable()


@pytest.mark.parametrize("status", ["upscaling", BAD, "", None])
def test_a_status_the_page_does_not_know_is_work(storage, status):
    assert "running" == import_module("words").status_of(status)


@pytest.mark.parametrize(
    "address",
    [
        "https://user:pw@eversince.ai/", "https://", "http://[", "//a.example/", "https://a.example/\u202e",
        "ftp://a/", "https://a.example/ b", "https:a.example", "HTTPS://a.example\n", "file:///etc/passwd",
        "\x01javascript:x",
    ],
)  # fmt: skip
def test_only_a_plain_web_address_is_a_link(storage, address):
    assert import_module("words").link(address) is None


def test_the_last_line_of_a_film_counts(storage):
    storage.put({"id": "a", "is_over": False})
    storage.put({"id": "b", "is_over": False})
    storage.put({"id": "a", "is_over": True})

    assert [{"id": "a", "is_over": True}, {"id": "b", "is_over": False}] == storage.records()


def test_it_does_not_grow_with_every_change(storage, tmp_path):
    for _ in range(10):
        storage.put({"id": "a"})
    storage.records()

    assert 1 == len((tmp_path / "films.jsonl").read_text().splitlines())


def test_a_line_that_was_cut_off_takes_no_other_along(storage, tmp_path):
    storage.put({"id": "a"})
    with (tmp_path / "films.jsonl").open("a") as file:
        file.write('{"id": "b", "bri')
    storage.records()
    storage.put({"id": "c"})

    assert [{"id": "a"}, {"id": "c"}] == storage.records()
