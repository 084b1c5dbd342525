"""The top of the page: the outcome, figures and any pause."""

from collections.abc import Collection
from statistics import median
from typing import Final

from eversince_async.report.formatting import clock_time, format_duration, link_url, plural, printable
from eversince_async.report.markup import ELSEWHERE, Markup, tag
from eversince_async.report.model import Entry, Overview


def headline(overview: Overview, entries: Collection[Entry]) -> str:
    """Return the outcome of the batch in a sentence."""
    succeeded, items = overview.counts.get("succeeded", 0), overview.items
    if not items:
        return "There is nothing to tell yet."
    took = f" in {format_duration(overview.seconds)}" if overview.seconds else ""
    first = f"All {plural(items, 'video')} are made{took}." if succeeded == items > 1 else ""
    first = (
        first or f"{succeeded:,} of {plural(items, 'video')} {'is' if succeeded == 1 else 'are'} made{took}."
    )
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
    """Build the figures, sized by their importance."""
    return tag(
        "dl", _of_items(overview), _of_time(overview, entries), _of_account(overview), class_="figures"
    )


def _of_items(overview: Overview) -> list[Markup]:
    counts = overview.counts
    failed = counts.get("failed", 0) + counts.get("cancelled", 0)
    unfinished = counts.get("paused", 0) + counts.get("working", 0) + overview.left
    parts = [
        _figure(f"{counts.get('succeeded', 0):,}", "made", f"of {overview.items:,}", look="good"),
        _figure(f"{failed:,}", "failed", look="bad" if failed else ""),
    ]
    return [*parts, _figure(f"{unfinished:,}", "not finished", look="warn")] if unfinished else parts


def _of_time(overview: Overview, entries: Collection[Entry]) -> list[Markup]:
    parts, succeeded = list[Markup](), overview.counts.get("succeeded", 0)
    if overview.seconds:
        pace = f"{3600 * succeeded / overview.seconds:.1f} videos an hour" if overview.seconds > 60 else None
        name = "all runs together" if _some_earlier(entries) else "duration"
        parts.append(_figure(format_duration(overview.seconds), name, pace))
    usual = [entry.seconds_at_work for entry in entries if entry.status == "succeeded" and entry.stages]
    if usual:
        parts.append(
            _figure(format_duration(median(usual)), "a video", "half took less, waiting not counted")
        )
    return parts


def _of_account(overview: Overview) -> list[Markup]:
    parts, succeeded = list[Markup](), overview.counts.get("succeeded", 0)
    if overview.minutes:
        each = f"{overview.requests / succeeded:.3g} for each video" if succeeded else None
        parts.append(_figure(f"{overview.requests:,}", "requests", each))
        refused = _figure(
            f"{overview.refused:,}", "refused requests", look="warn" if overview.refused else ""
        )
        parts.append(refused)
    if overview.credits_spent is not None:
        spent = f"{overview.credits_spent:,.2f}".removesuffix(".00")
        parts.append(_figure(spent, "credits spent", "the fall of the balance, use by others included"))
    return parts


def _some_earlier(entries: Collection[Entry]) -> bool:
    """Return True if earlier runs made some of the items."""
    return any(entry.earlier for entry in entries)


def _figure(value: str, name: str, more: str | None = None, *, look: str = "") -> Markup:
    return tag(
        "div",
        tag("dt", name),
        tag("dd", _with_units(value), class_=f"value {look}".strip()),
        tag("dd", more, class_="more") if more else None,
    )


def _with_units(value: str) -> list[Markup]:
    """Make the numbers large and their units small."""
    return [tag("small", part) if part.isalpha() else tag("span", part) for part in value.split(" ")]


def pause(overview: Overview) -> Markup | None:
    """Build the notice of a pause; None if there was none.

    The notice gives the reason, the time at which the batch can go on, and links to buy credits.
    """
    if overview.paused is None:
        return None
    offers = [
        tag("a", f"Buy {printable(offer.label, 60)}", href=url, class_="buy", **ELSEWHERE)
        for offer in overview.offers
        if (url := link_url(offer.url)) is not None
    ]
    when = None
    if overview.resumes_at is not None:
        when = tag("p", f"The daily quota has room again at about {clock_time(overview.resumes_at)} UTC.")
    return tag(
        "aside",
        tag("h2", "Paused"),
        tag("p", printable(overview.paused, 600), class_="why", dir="auto"),
        when,
        tag("p", "Run the same batch with the same journal to go on: what is finished is not made again."),
        tag("p", offers, class_="offers") if offers else None,
        class_="pause",
    )
