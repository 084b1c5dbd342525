"""The page: one complete file in which all texts stay text."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eversince_async.report.formatting import printable
from eversince_async.report.model import Problem, PurchaseOffer, RequestMinute
from eversince_async.report.page import page, write_html
from helpers.report_data import HERE, NOON, Parsed, at, entry, failed, overview, parsed, stage

PLAIN = parsed(
    entry(share_url="https://eversince.ai/v/1", brief="A film " * 40),
    failed(),
    minutes=[RequestMinute(NOON, 1, 2, 3, 4)],
)
"""A page about nothing dangerous, with all there is on a page."""

HOSTILE = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            "<script>alert(1)</script>",
            "</script><script>alert(1)</script>",
            "</style><img src=x onerror=alert(1)>",
            "\"><svg onload='alert(1)'>",
            "' onmouseover='alert(1)",
            "javascript:alert(1)",
            "data:text/html,<script>alert(1)</script>",
            "//evil.example/x.js",
            "&lt;b&gt;&amp;",
            "<!-- --> ]]>",
            "\u202eevil\u202c",
            "\x00\x1b[31m\ud800",
            "🎬" * 50,
            "w" * 700,
        ]
    ),
)


@given(
    key=HOSTILE,
    title=st.none() | HOSTILE,
    brief=HOSTILE,
    url=st.none() | HOSTILE,
    project_id=HOSTILE,
    problem=HOSTILE,
    kind=HOSTILE,
    name=HOSTILE,
    heading=HOSTILE,
)
@settings(max_examples=30)
def test_nothing_that_is_told_becomes_markup(
    key, title, brief, url, project_id, problem, kind, name, heading
):
    """Tags, attributes and hosts are those of a harmless page.

    The texts are all there.
    """
    told = {"key": key, "title": title, "brief": brief, "share_url": url, "project_id": project_id}
    stages = [stage(name, 0, 5, 1), stage(name, 5, 6)]
    problems = [
        failed(kind, problem, **told, stages=stages),
        failed(kind, problem, **{**told, "status": "paused"}),
    ]
    found = parsed(
        entry(**told, stages=stages),
        *problems,
        title=heading,
        paused=problem,
        offers=[PurchaseOffer(brief, url or "")],
        notes=[brief],
        minutes=[RequestMinute(NOON, 1, 2, 3, 4)],
    )

    assert set(found.tags) <= {*PLAIN.tags, "aside"}
    assert {name for _, name, _ in found.attributes} <= {
        *(name for _, name, _ in PLAIN.attributes),
        "display",
    }
    assert 1 == found.tags.count("script") == found.tags.count("style")
    assert printable(brief, 600).split("\n")[0] in found.text
    assert printable(heading, 120).split("\n")[0] in found.text
    links = [link for link in found.values("href") if not link.startswith("#")]
    assert {"http", "https"} >= {urlsplit(link).scheme for link in links}


def test_it_is_one_file_that_fetches_nothing():
    """The page names no style, script, font or picture.

    It names only videos beside it, and links to click.
    """
    sources = {(tag, name) for tag, name, _ in PLAIN.attributes if name in {"src", "href", "srcset", "data"}}

    assert {("a", "href")} == sources
    assert not re.search(r"@import|url\(", PLAIN.text)
    assert not {"link", "iframe", "object", "embed", "form", "base", "img"} & set(PLAIN.tags)


def test_a_policy_keeps_the_page_from_anything_but_videos_and_its_own_script():
    policy = next(value for value in PLAIN.values("content") if "default-src" in value)

    assert policy.startswith("default-src 'none';")
    assert "script-src 'sha256-" in policy
    assert "'unsafe-eval'" not in policy
    assert not [name for _, name, _ in PLAIN.attributes if name.startswith("on")]


@pytest.mark.parametrize(
    "secret",
    [
        "es_live_abcdefghijklmnop",
        "https://storage.example/film.mp4?X-Amz-Signature=0123456789abcdef0123456789abcdef",
        "https://someone:hunter2@example.com/film.mp4",
        "Bearer es_live_abcdefghijklmnop",
    ],
)
def test_secrets_are_not_on_it(secret):
    items = [
        entry(key=secret, brief=secret, title=secret, share_url=secret, stages=[stage(secret, 0, 9, 1)]),
        failed("ProjectFailed", secret, brief=secret, project_id=secret),
    ]
    text = page(
        overview(title=secret, paused=secret, notes=[secret], offers=[PurchaseOffer(secret, secret)]),
        items,
        HERE,
    )

    for part in ("abcdefghijklmnop", "0123456789abcdef", "hunter2"):
        assert part not in text


def test_a_purchase_link_keeps_a_query_that_is_no_secret():
    found = parsed(
        failed(),
        paused="no credits",
        offers=[PurchaseOffer("500 credits", "https://eversince.ai/buy?package=500")],
    )

    assert "https://eversince.ai/buy?package=500" in found.values("href")
    assert "Buy 500 credits" in found.text


def test_what_is_paused_says_why_and_until_when():
    found = parsed(failed(), paused="today's renders are used up", resumes_at=at(600))

    assert "today's renders are used up" in found.text
    assert "2026-11-22 22:00 UTC" in found.text


def test_a_problem_comes_with_what_to_do():
    found = parsed(failed("InsufficientCredits", "no credits left"), failed("NeverHeardOf", "odd"))

    assert "Insufficient credits" in found.text
    assert "no credits left" in found.text
    assert "Buy credits, then run the same batch again" in found.text
    assert "retry_failed=True; if it fails in the same way" in found.text


def test_everything_in_the_chart_has_a_name():
    """Each stage names its item, its kind and its duration.

    A reader may point at it, or have it read aloud.
    """
    assert "mug · rendering · 2 min · 12:09:00–12:11:00" in PLAIN.text  # noqa: RUF001
    assert "12:00 · 6 requests: 1 work, 2 looks, 3 other; 4 refused" in PLAIN.text
    assert "mug failed" in PLAIN.text


def test_an_empty_report_is_a_page_too():
    found = parsed()

    assert "There is nothing to tell yet." in found.text
    assert "section" not in found.tags


def test_no_link_of_the_menu_leads_nowhere():
    anchors = set(PLAIN.values("id"))

    assert {link[1:] for link in PLAIN.values("href") if link.startswith("#")} <= anchors
    assert len(anchors) == len(PLAIN.values("id"))


def test_a_page_about_very_many_says_what_it_leaves_out(monkeypatch):
    """The page grows no further, but its counts include all items."""
    for name, most in {"VIDEOS": 30, "PROBLEMS": 20, "DRAWN": 40}.items():
        monkeypatch.setattr(f"eversince_async.report.page.{name}", most)
    texts = [
        page(
            overview(counts={"succeeded": count, "failed": count}),
            (each for n in range(count) for each in (entry(key=f"a{n}"), failed(key=f"b{n}"))),
            HERE,
        )
        for count in (100, 600)
    ]

    assert len(texts[1]) < 1.02 * len(texts[0])
    found = Parsed(texts[1])
    assert "These are the first 30 of 600" in found.text
    assert "These are the first 20 of 600" in found.text
    assert "These are the last 40 of 1,200" in found.text
    assert 30 == sum(value == "card" for value in found.values("class"))


def test_a_failure_while_writing_leaves_the_old_page(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("the old one", "utf-8")

    def items():
        yield entry()
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_html(path, overview(), items())

    assert "the old one" == path.read_text("utf-8")
    assert [path] == list(tmp_path.iterdir())


def test_items_at_work_are_told_apart_from_failures():
    found = parsed(entry(status="working", stages=()), entry(status="paused", stages=()))

    assert "Not finished" in found.text
    assert "At work" in found.text
    assert "A process works on these right now." in found.text


def test_a_paused_item_with_a_reason_says_it():
    found = parsed(entry(status="paused", problem=Problem("WaitTimedOut", "it took too long"), stages=()))

    assert "it took too long" in found.text
    assert "The project goes on at the server." in found.text
