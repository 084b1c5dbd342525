"""Safe display of texts and addresses from outside.

They never appear unchanged.
"""

from typing import Any, Final
from urllib.parse import urlsplit

from eversince_async import EversinceError, InsufficientCredits, ProjectCancelled, ProjectFailed

STATUSES: Final = ("queued", "running", "generating", "rendering", "idle", "completed", "failed", "cancelled")


def plain(text: object, most: int = 300) -> str:
    """Return a text as one line of bounded length.

    Characters that steer terminals or reverse the reading direction are removed.
    """
    whole = "".join(each if each.isprintable() else " " for each in str(text)[: 4 * most])
    line = " ".join(whole.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def status_of(text: object) -> str:
    """Return a status that the page knows, or "running" for others."""
    return str(text) if str(text) in STATUSES else "running"


def link(address: str | None) -> str | None:
    """Return an address that a page may link to, or None.

    The page would run a `javascript:` address, regardless of its author.
    """
    if address is None or not address.isascii() or not address.isprintable() or " " in address:
        return None
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    is_web = parts.scheme in {"http", "https"} and parts.hostname and "@" not in parts.netloc
    return address if is_web else None


def explained(error: EversinceError) -> dict[str, Any]:
    """Describe an error to a customer: title, reason and helpful links.

    The error's own text is for the log.
    """
    links: list[dict[str, str]] = []
    match error:
        case InsufficientCredits():
            title, text = "Not enough credits", "Too few credits are left for a film."
            if error.balance is not None:
                text = f"{error.balance:g} credits are left, which is too few for a film."
            links = [
                {"text": f"{package.credits:g} credits for {plain(package.price, 20)}", "url": url}
                for package in error.packages
                if (url := link(package.purchase_url)) and package.credits
            ]
        case ProjectFailed(error_message=str(reason)) if plain(reason):
            title, text = "The film failed", f"The agent says: “{plain(reason)}”"
        case ProjectFailed():
            title, text = "The film failed", "The agent gave no reason."
        case ProjectCancelled():
            title, text = "The film was cancelled", "Someone stopped it in the studio."
        case _:
            title, text = "The film could not be made", "Something went wrong between us and the agent."
    return {"title": title, "text": text, "links": links}
