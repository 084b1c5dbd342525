"""What came with an answer besides its body: the HTTP status, the request id, the rate headers."""

from datetime import datetime

import attrs


@attrs.frozen(kw_only=True)
class RateLimit:
    """The account's request budget as one answer's headers told it; None where a header was absent.

    Attributes:
        limit: Requests allowed in the window (`X-RateLimit-Limit`); 30 a minute in April 2026, 120 in May.
        remaining: Requests left in the window (`X-RateLimit-Remaining`).
        resets_at: When the window resets (`X-RateLimit-Reset`, Unix seconds), by the server's clock.
        resets_in: Seconds from the answer's own `Date` to the reset, so that the local clock plays no part.
    """

    limit: int | None = None
    remaining: int | None = None
    resets_at: datetime | None = None
    resets_in: float | None = None


@attrs.frozen(kw_only=True)
class Receipt:
    """Where a result came from; quote `request_id` when writing to the vendor's support.

    Attributes:
        status: HTTP status of the answer.
        request_id: `X-Request-Id`; None if something in between dropped it.
        rate_limit: What the rate headers said.
    """

    status: int
    request_id: str | None = None
    rate_limit: RateLimit = RateLimit()
