"""The top of the page: how it went in a sentence, in figures, and why it stopped if it did."""

from collections.abc import Sequence
from statistics import median

from eversince_async.report.entries import Entry, Overview
from eversince_async.report.markup import ELSEWHERE, Markup, tag
from eversince_async.report.texts import clock_time, plural, shown, shown_url, spelled


def headline(overview: Overview) -> str:
    """How it went, in a sentence."""
    made, items = overview.counts.get("succeeded", 0), overview.items
    if not items:
        return "There is nothing to tell yet."
    took = "" if overview.seconds is None else f" in {spelled(overview.seconds)}"
    first = f"All {plural(items, 'video')} are made{took}." if made == items > 1 else ""
    first = first or f"{made:,} of {plural(items, 'video')} {'is' if made == 1 else 'are'} made{took}."
    parts = [
        f"{overview.counts[status]:,} {words}"
        for status, words in (
            ("failed", "failed"),
            ("cancelled", "cancelled"),
            ("paused", "not finished"),
            ("working", "at work right now"),
        )
        if overview.counts.get(status)
    ]
    return first if not parts else f"{first} {', '.join(parts).capitalize()}."


def figures(overview: Overview, entries: Sequence[Entry]) -> Markup:
    """The figures, as large as they matter."""
    made = overview.counts.get("succeeded", 0)
    failed = overview.counts.get("failed", 0) + overview.counts.get("cancelled", 0)
    unfinished = overview.counts.get("paused", 0) + overview.counts.get("working", 0)
    told = [_figure(f"{made:,}", "made", f"of {overview.items:,}", "good" if made else "")]
    told.append(_figure(f"{failed:,}", "failed", None, "bad" if failed else ""))
    if unfinished:
        told.append(_figure(f"{unfinished:,}", "not finished", None, "warn"))
    if overview.seconds:
        pace = (
            f"{made / overview.seconds * 3600:.1f} videos an hour" if made and overview.seconds > 60 else None
        )
        told.append(_figure(spelled(overview.seconds), "duration", pace))
    usual = [entry.seconds - (entry.seconds_in("waiting") or 0.0) for entry in entries if _tells(entry)]
    if usual:
        told.append(_figure(spelled(median(usual)), "a video", "half took less, waiting not counted"))
    if overview.minutes:
        each = f"{overview.requests / made:.1f} for each video" if made else None
        told.append(_figure(f"{overview.requests:,}", "requests", each))
        told.append(
            _figure(f"{overview.refused:,}", "refused requests", None, "warn" if overview.refused else "")
        )
    if overview.credits_spent is not None:
        told.append(
            _figure(f"{overview.credits_spent:,.10g}", "credits spent", "by what the account told last")
        )
    return tag("dl", told, class_="figures")


def _tells(entry: Entry) -> bool:
    return entry.status == "succeeded" and bool(entry.stages)


def _figure(value: str, name: str, more: str | None, look: str = "") -> Markup:
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
        tag("a", f"Buy {shown(offer.label, 60)}", href=url, class_="buy", **ELSEWHERE)
        for offer in overview.offers
        if (url := shown_url(offer.url)) is not None
    ]
    when = None
    if overview.resumes_at is not None:
        when = tag("p", f"There is more of the day at about {clock_time(overview.resumes_at)} UTC.")
    return tag(
        "aside",
        tag("h2", "Paused"),
        tag("p", shown(overview.paused, 600), class_="why", dir="auto"),
        when,
        tag("p", "Run the same batch with the same journal to go on: what is finished is not made again."),
        tag("p", offers, class_="offers") if offers else None,
        class_="pause",
    )
