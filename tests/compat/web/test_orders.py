"""An order costs money: in each framework it comes from the application's own page, as JSON, up to a cap."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from applications import EXAMPLES, NEEDS, serving, uvicorn_serving

EACH = pytest.mark.parametrize("name", list(NEEDS))
BRIEF = b'{"brief": "A film"}'
JSON = {"Content-Type": "application/json"}


def briefs(emulator: Any) -> int:
    """Orders that reached the server; there may be more on their way."""
    return int(emulator.world.counts["projects"])


async def status(http: aiohttp.ClientSession, url: str, headers: dict[str, str], body: Any = BRIEF) -> int:
    async with http.post(f"{url}/films", data=body, headers=headers) as answer:
        if answer.status != 201:
            told = await answer.json()
            assert ["error"] == list(told), "in words of ours, and JSON"
            assert told["error"]
        assert "nosniff" == answer.headers["X-Content-Type-Options"]
        return answer.status


# -- From the own page ----------------------------------------------------------------------------------


@EACH
async def test_an_order_of_the_own_page_is_taken(name, example, emulator):
    async with serving(example(name)) as url, aiohttp.ClientSession() as http:
        own = [
            {},  # curl, and scripts
            {"Origin": url},
            {"Origin": url, "Sec-Fetch-Site": "same-origin"},
            {"Content-Type": "application/json; charset=utf-8"},
        ]
        assert [201] * 4 == [await status(http, url, {**JSON, **each}) for each in own]


FOREIGN = {
    "another_site": ({"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, 403),
    "another_origin": ({"Origin": "https://evil.example"}, 403),
    "another_port": ({"Origin": "http://127.0.0.1:1"}, 403),
    "a_name_that_begins_alike": ({"Origin": "http://127.0.0.1.evil.example"}, 403),
    "no_origin_to_speak_of": ({"Origin": "null"}, 403),
    "rubbish": ({"Origin": "http://["}, 403),
    "a_sibling": ({"Sec-Fetch-Site": "same-site"}, 403),
    "another_name": ({"Host": "evil.example"}, 400),
    "another_name_with_its_own_page": ({"Host": "evil.example", "Origin": "http://evil.example"}, 400),
    "a_form": ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    "a_form_with_text": ({"Content-Type": "text/plain"}, 415),
    "a_form_with_files": ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
    "nearly_json": ({"Content-Type": "application/jsonp"}, 415),
}


@EACH
async def test_an_order_of_a_foreign_page_is_refused(name, example, emulator):
    async with serving(example(name)) as url, aiohttp.ClientSession() as http:
        refused = {
            case: await status(http, url, {**JSON, **headers}) for case, (headers, _) in FOREIGN.items()
        }
        async with http.post(f"{url}/films", data=BRIEF, skip_auto_headers=["Content-Type"]) as answer:
            untyped = answer.status
        async with http.options(f"{url}/films", headers={"Origin": "https://evil.example"}) as answer:
            asked = answer

    assert {case: expected for case, (_, expected) in FOREIGN.items()} == refused
    assert 415 == untyped
    assert 403 == asked.status
    assert "Access-Control-Allow-Origin" not in asked.headers
    assert 0 == briefs(emulator)


@EACH
async def test_nothing_is_shown_under_another_name(name, example, emulator):
    async with serving(example(name)) as url, aiohttp.ClientSession() as http:
        statuses = []
        for path in ("/", "/pulse", "/films/unknown", "/films/unknown/events"):
            async with http.get(url + path, headers={"Host": "evil.example"}) as answer:
                statuses.append(answer.status)

    assert [400] * 4 == statuses


async def test_further_names_are_those_of_the_environment(example, emulator, monkeypatch):
    monkeypatch.setenv("ALLOWED_HOSTS", "films.example, Other.example")
    monkeypatch.setenv("PUBLIC_URL", "https://public.example:8443")
    async with serving(example("starlette_app")) as url, aiohttp.ClientSession() as http:
        hosts = ("films.example", "other.example:80", "public.example", "evil.example")
        statuses = [await status(http, url, {**JSON, "Host": host}) for host in hosts]

    assert [201, 201, 201, 400] == statuses


# -- As JSON --------------------------------------------------------------------------------------------

ODD = {
    "nothing": b"",
    "half": b'{"brief": "A film"',
    "null": b"null",
    "list": b"[]",
    "text": b'"A film"',
    "number": b"7",
    "endless_number": b"9" * 5000,
    "no_number": b'{"brief": NaN}',
    "deep": b"[" * 50_000,
    "deep_brief": b'{"brief": ' + b"[" * 50_000,
    "no_utf8": b'{"brief": "\xff"}',
    "utf16": '{"brief": "A film"}'.encode("utf-16"),
    "half_character": b'{"brief": "\\ud800"}',
    "control": b'{"brief": "a\\u0000b"}',
    "escape": b'{"brief": "\\u001b[2J"}',
    "no_brief": b"{}",
    "empty": b'{"brief": ""}',
    "blank": b'{"brief": " \\n "}',
    "number_for_brief": b'{"brief": 5}',
    "list_for_brief": b'{"brief": ["A film"]}',
    "long": json.dumps({"brief": "x" * 10_001}).encode(),
    "shape": b'{"brief": "A film", "aspect_ratio": "round"}',
    "list_for_shape": b'{"brief": "A film", "aspect_ratio": []}',
    "null_for_shape": b'{"brief": "A film", "aspect_ratio": null}',
    "more": b'{"brief": "A film", "webhook_url": "https://evil.example"}',
}


@EACH
async def test_an_order_for_no_film_is_answered_400(name, example, emulator):
    async with serving(example(name)) as url, aiohttp.ClientSession() as http:
        answers = {case: await status(http, url, JSON, body) for case, body in ODD.items()}

    assert dict.fromkeys(ODD, 400) == answers
    assert 0 == briefs(emulator)


@EACH
async def test_an_order_is_small_and_says_so(name, example, emulator):
    async def pieces():
        yield BRIEF

    async with serving(example(name)) as url, aiohttp.ClientSession() as http:
        assert 413 == await status(http, url, JSON, b" " * 70_000 + BRIEF)
        assert 411 == await status(http, url, JSON, pieces())


# -- Customers ------------------------------------------------------------------------------------------


async def cookie(http: aiohttp.ClientSession, url: str) -> str:
    async with http.get(url) as answer:
        return answer.headers["Set-Cookie"]


@EACH
async def test_a_customer_has_a_number_of_films_a_day(name, example, emulator, monkeypatch):
    monkeypatch.setenv("FILMS_EACH", "2")
    async with serving(example(name)) as url:
        by_customer = []
        for _ in range(2):
            async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
                await cookie(http, url)
                by_customer.append([await status(http, url, JSON) for _ in range(3)])
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
            odd = [{"Cookie": f"customer={n}"} for n in range(3)]
            without = [await status(http, url, {**JSON, **each}) for each in odd]

    assert [[201, 201, 429]] * 2 == by_customer
    assert [201, 201, 429] == without, "whoever makes cookies up goes by the address"


async def test_all_customers_together_have_a_number_as_well(example, emulator, monkeypatch):
    """One can be several."""
    monkeypatch.setenv("FILMS_IN_ALL", "3")
    async with serving(example("starlette_app")) as url:
        statuses = []
        for _ in range(5):
            async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
                await cookie(http, url)
                statuses.append(await status(http, url, JSON))

    assert [201, 201, 201, 429, 429] == statuses


async def test_a_restart_forgets_no_order(example, emulator, monkeypatch, tmp_path):
    monkeypatch.setenv("FILMS_EACH", "1")
    monkeypatch.setenv("FILMS", str(tmp_path / "films.jsonl"))
    monkeypatch.setenv("PATIENCE", "0")
    statuses = []
    for _ in range(2):
        async with serving(example("starlette_app")) as url, aiohttp.ClientSession() as http:
            statuses.append(await status(http, url, JSON))

    assert [201, 429] == statuses


@EACH
async def test_the_key_of_a_film_begins_with_its_customer(name, example, emulator):
    async with serving(example(name)) as url:
        for _ in range(2):
            async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
                await cookie(http, url)
                for _ in range(2):
                    await status(http, url, JSON)
        await asyncio.sleep(30)

    projects = [each for each in emulator.world.projects.values() if each.idempotency_key]
    customers = {project.idempotency_key.partition("-")[0] for project in projects}
    assert (4, 2) == (len(projects), len(customers))
    assert {16} == set(map(len, customers)), "and it is not the cookie"


async def test_a_key_of_one_customer_is_no_key_of_another(example, emulator):
    """Else whoever knows or guesses it gets the film."""
    made = []
    async with uvicorn_serving(example("fastapi_app").app) as url:
        for _ in range(2):
            async with aiohttp.ClientSession(
                cookie_jar=aiohttp.CookieJar(unsafe=True), timeout=aiohttp.ClientTimeout(total=None)
            ) as http:
                await cookie(http, url)
                headers = {**JSON, "Idempotency-Key": "1"}
                for _ in range(2):
                    async with http.post(f"{url}/produce", data=BRIEF, headers=headers) as answer:
                        made.append((await answer.json())["project_id"])

    one, again, other, again_other = made
    assert one == again != other == again_other


@pytest.mark.parametrize("key", ["", "x" * 101, "\xe4"])
async def test_a_key_that_is_none_is_refused(example, emulator, key):
    async with uvicorn_serving(example("fastapi_app").app) as url, aiohttp.ClientSession() as http:
        headers = {**JSON, "Idempotency-Key": key or " "}
        async with http.post(f"{url}/produce", data=BRIEF, headers=headers) as answer:
            assert answer.status == (200 if not key else 400)


async def test_waiting_for_a_film_counts_as_an_order_does(example, emulator, monkeypatch):
    monkeypatch.setenv("FILMS_EACH", "1")
    patience = aiohttp.ClientTimeout(total=None)
    async with (
        uvicorn_serving(example("fastapi_app").app) as url,
        aiohttp.ClientSession(timeout=patience) as http,
    ):
        statuses = []
        for key in ("a", "a", "b"):
            headers = {**JSON, "Idempotency-Key": key}
            async with http.post(f"{url}/produce", data=BRIEF, headers=headers) as answer:
                statuses.append(answer.status)

    assert [200, 200, 429] == statuses


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        (None, "odd", True),
    ],
)
def test_who_has_no_cookie_goes_by_the_network(monkeypatch, one, other, same):
    monkeypatch.syspath_prepend(EXAMPLES)
    from guard import customer_of

    assert same == (customer_of(None, one) == customer_of("", other))


# -- The page -------------------------------------------------------------------------------------------


@EACH
async def test_the_page_may_do_nothing_but_what_is_in_it(name, example, emulator):
    async with serving(example(name)) as url, aiohttp.ClientSession() as http, http.get(url) as answer:
        policy = dict(each.split(" ", 1) for each in answer.headers["Content-Security-Policy"].split("; "))
        said = answer.headers.getall("Set-Cookie")

    assert "'none'" == policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"]
    assert policy["script-src"].startswith("'sha256-")
    assert "unsafe" not in str(policy)
    assert "'self'" == policy["connect-src"]
    assert 1 == len(said)
    assert {"HttpOnly", "SameSite=Lax"} <= set(said[0].split("; "))
    assert "no-referrer" == answer.headers["Referrer-Policy"]


async def test_a_cookie_is_for_encrypted_addresses_where_there_is_one(example, emulator, monkeypatch):
    monkeypatch.setenv("PUBLIC_URL", "https://films.example")
    async with serving(example("starlette_app")) as url, aiohttp.ClientSession() as http:
        assert "; Secure" in await cookie(http, url)
