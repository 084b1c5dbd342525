"""Documented numbers, each with its source and the documents' disagreements.

`pages` are the documentation pages of April 2026, `catalogue` is the endpoint catalogue of 16 April
2026, `May` the catalogue and pages of 18 May 2026. The client refuses locally only what *every*
revision refuses; at the edges the server decides.
"""

from typing import Final

MIB: Final = 2**20
"""Bytes in a megabyte.

The documents do not say 10^6 or 2^20; the larger reading refuses less."""

# -- Requests -------------------------------------------------------------------------------------------

REQUESTS_PER_MINUTE: Final = 30
"""Requests a minute for the account, over all keys (overview, catalogue).

May: 120. The limit is learned from `X-RateLimit-Limit`; a client only starts with this number."""

REQUEST_WINDOW: Final = 60.0
"""Seconds of the request window ("30 requests per minute")."""

ACTIVE_PROJECTS: Final = 5
"""Projects queued, running, generating or rendering at once (catalogue: "default, configurable")."""

PROJECTS_PER_DAY: Final = 500
"""Projects a day (catalogue).

Missing in the overview's table, named in its error table."""

RENDERS_PER_DAY: Final = 50
"""Renders a day (overview, catalogue).

Notes of May: 10 without a subscription."""

RENDERS_PER_DAY_UNSUBSCRIBED: Final = 10
"""Renders a day without a subscription (notes of May).

For messages to people only."""

REQUEST_BODY_BYTES: Final = MIB
"""Bytes of the largest request body, "1 MB" (overview, catalogue)."""

# -- Fields ---------------------------------------------------------------------------------------------

BRIEF_CHARACTERS_SAFE: Final = 8_000
"""Characters of the longest brief or message that every revision takes.

Sources: catalogue, May. The pages said 10,000."""

BRIEF_CHARACTERS: Final = 10_000
"""Characters of the longest brief or message that any revision takes.

Source: pages. A longer one is refused locally."""

TITLE_CHARACTERS: Final = 30
"""Characters of the longest project title (pages, catalogue)."""

IDEMPOTENCY_KEY_CHARACTERS: Final = 256
"""Characters of the longest `idempotency_key` (pages).

The catalogue names no limit."""

REFERENCES: Final = 10
"""References in one request (pages, catalogue)."""

URL_REFERENCES: Final = 3
"""References of type `url` in one request ("max 3 URL references").

Whether direct media URLs count is not documented, so those are left to the server."""

NAME_CHARACTERS: Final = 100
"""Characters of the longest name of a skill or a key.

The same holds for the title of a memory (pages, catalogue, May)."""

FEEDBACK_CHARACTERS: Final = 5_000
"""Characters of the longest feedback message (pages, catalogue)."""

MEMORY_CHARACTERS: Final = 10_000
"""Characters of the longest memory body (May)."""

ESTIMATE_OPERATIONS: Final = 50
"""Operations in one cost estimate (catalogue)."""

ESTIMATE_COUNT: Final = 100
"""Largest count of one estimated operation (catalogue)."""

# -- Uploads and outputs --------------------------------------------------------------------------------

UPLOAD_BYTES: Final = {"image": 10 * MIB, "audio": 50 * MIB, "video": 500 * MIB}
"""Bytes of the largest upload by kind (output page, catalogue)."""

UPLOAD_TYPES: Final = frozenset(
    {
        "image/jpeg",
        "image/jpg",
        "image/png",
        "image/webp",
        "video/mp4",
        "video/webm",
        "video/quicktime",
        "video/x-msvideo",
        "audio/mpeg",
        "audio/mp3",
        "audio/wav",
        "audio/mp4",
        "audio/m4a",
    }
)
"""MIME types named by the output page.

The catalogue names fewer and only informally."""

ASSEMBLED_URL_SECONDS: Final = 24 * 3600.0
"""Seconds for which an `assembled_url` is valid (overview).

The project's `assembled_url_expires_at` is exact."""

# -- Pages ----------------------------------------------------------------------------------------------

PAGE_PROJECTS: Final = 100
"""Items in the largest page of projects (projects page, catalogue).

The endpoints are `GET /projects` and `GET /projects/discover`."""

PAGE_ASSETS: Final = 50
"""Items in a page of assets that every revision takes.

The endpoint is `GET /projects/:id/assets`. May: up to 200."""

PAGE_ASSETS_MAY: Final = 200
"""Items in the largest page of assets that any revision takes (May)."""

PAGE_SHARES: Final = 50
"""Items in the largest page of `GET /account/shares`.

Its default is 10; the default of every other list is 20."""

PAGE_MESSAGES: Final = 50
"""Items in the largest page of `GET /projects/:id/messages`."""

# -- Credits --------------------------------------------------------------------------------------------

CREDITS_TO_CREATE: Final = 50
"""Credits that a create needs (overview).

May: 30. Never checked locally; for messages to people only."""

CREDITS_WARNING_AT: Final = 100
"""The balance, in credits, at or below which responses carry `credits_warning`.

Source: catalogue. The pages say "below"."""
