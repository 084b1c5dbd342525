"""The top of the page: how it went in a sentence, in figures, and why it stopped if it did."""

from collections.abc import Collection
from statistics import median
from typing import Final

from eversince_async.report.formatting import clock_time, format_duration, link_url, plural, printable
from eversince_async.report.markup import ELSEWHERE, Markup, tag
from eversince_async.report.model import Entry, Overview


def headline(overview: Overview, entries: Collection[Entry]) -> str:
    """How it went, in a sentence."""
    made, items = overview.counts.get("succeeded", 0), overview.items
    if not items:
        return "There is nothing to tell yet."
    took = f" in {format_duration(overview.seconds)}" if overview.seconds else ""
    first = f"All {plural(items, 'video')} are made{took}." if made == items > 1 else ""
    first = first or f"{made:,} of {plural(items, 'video')} {'is' if made == 1 else 'are'} made{took}."
    rest = [f"{count:,} {_WORDS[status]}" for status, count in overview.counts.items() if status in _WORDS]
    if overview.left:
        rest.append(f"{overview.left:,} not begun")
    return f"{first} {', '.join(rest)}." if rest else first


_WORDS: Final = {
    "failed": "failed",
    "cancelled": "cancelled",
    "paused": "not finished",
    "working": "at work right now",
}


def figures(overview: Overview, entries: Collection[Entry]) -> Markup:
    """The figures, as large as they matter."""
    return tag(
        "dl", _of_items(overview), _of_time(overview, entries), _of_account(overview), class_="figures"
    )


def _of_items(overview: Overview) -> list[Markup]:
    counts = overview.counts
    failed = counts.get("failed", 0) + counts.get("cancelled", 0)
    unfinished = counts.get("paused", 0) + counts.get("working", 0) + overview.left
    told = [
        _figure(f"{counts.get('succeeded', 0):,}", "made", f"of {overview.items:,}", look="good"),
        _figure(f"{failed:,}", "failed", look="bad" if failed else ""),
    ]
    return [*told, _figure(f"{unfinished:,}", "not finished", look="warn")] if unfinished else told


def _of_time(overview: Overview, entries: Collection[Entry]) -> list[Markup]:
    told, made = list[Markup](), overview.counts.get("succeeded", 0)
    if overview.seconds:
        pace = f"{3600 * made / overview.seconds:.1f} videos an hour" if overview.seconds > 60 else None
        name = "all runs together" if _some_earlier(entries) else "duration"
        told.append(_figure(format_duration(overview.seconds), name, pace))
    usual = [entry.seconds_at_work for entry in entries if entry.status == "succeeded" and entry.stages]
    if usual:
        told.append(_figure(format_duration(median(usual)), "a video", "half took less, waiting not counted"))
    return told


def _of_account(overview: Overview) -> list[Markup]:
    told, made = list[Markup](), overview.counts.get("succeeded", 0)
    if overview.minutes:
        each = f"{overview.requests / made:.3g} for each video" if made else None
        told.append(_figure(f"{overview.requests:,}", "requests", each))
        refused = _figure(
            f"{overview.refused:,}", "refused requests", look="warn" if overview.refused else ""
        )
        told.append(refused)
    if overview.credits_spent is not None:
        spent = f"{overview.credits_spent:,.2f}".removesuffix(".00")
        told.append(_figure(spent, "credits spent", "by what the balance fell, others' use included"))
    return told


def _some_earlier(entries: Collection[Entry]) -> bool:
    """Whether earlier runs have made some of it."""
    return any(entry.earlier for entry in entries)


def _figure(value: str, name: str, more: str | None = None, *, look: str = "") -> Markup:
    return tag(
        "div",
        tag("dt", name),
        tag("dd", _with_units(value), class_=f"value {look}".strip()),
        tag("dd", more, class_="more") if more else None,
    )


def _with_units(value: str) -> list[Markup]:
    """Numbers large, their units small."""
    return [tag("small", part) if part.isalpha() else tag("span", part) for part in value.split(" ")]


def pause(overview: Overview) -> Markup | None:
    """Why it stopped, when it can go on, and where credits are sold; None if it did not stop."""
    if overview.paused is None:
        return None
    offers = [
        tag("a", f"Buy {printable(offer.label, 60)}", href=url, class_="buy", **ELSEWHERE)
        for offer in overview.offers
        if (url := link_url(offer.url)) is not None
    ]
    when = None
    if overview.resumes_at is not None:
        when = tag("p", f"There is more of the day at about {clock_time(overview.resumes_at)} UTC.")
    return tag(
        "aside",
        tag("h2", "Paused"),
        tag("p", printable(overview.paused, 600), class_="why", dir="auto"),
        when,
        tag("p", "Run the same batch with the same journal to go on: what is finished is not made again."),
        tag("p", offers, class_="offers") if offers else None,
        class_="pause",
    )
