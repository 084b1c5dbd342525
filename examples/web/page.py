"""The page and its headers, which block all foreign code."""

import base64
import hashlib
import re
from pathlib import Path
from typing import Final

from guard import new_cookie

_TEXT: Final = Path(__file__).with_name("page.html").read_text("utf-8")

PAGE: Final = _TEXT.encode()


def page_headers(cookies: str | None) -> dict[str, str]:
    """Return the headers of the page for a browser with these cookies."""
    return {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": POLICY,
        "Cache-Control": "no-store",
        **new_cookie(cookies),
    }


def _hash_of(tag: str) -> str:
    found = re.search(rf"<{tag}[^>]*>(.*?)</{tag}>", _TEXT, re.DOTALL)
    assert found is not None
    digest = hashlib.sha256(found[1].encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


POLICY: Final = "; ".join(
    [
        "default-src 'none'",
        f"script-src {_hash_of('script')}",
        f"style-src {_hash_of('style')}",
        "img-src data:",
        "media-src https: http:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
"""Content-Security-Policy of the page.

No text or address in the page can run code, and no other site can frame the page.
"""
