"""The HTTP status, the request id and the rate headers of responses."""

from datetime import datetime

import attrs


@attrs.frozen(kw_only=True)
class RateLimit:
    """The account's request budget in the headers of a response.

    A field is None if its header was absent.

    Attributes:
        limit: The requests allowed in the window (`X-RateLimit-Limit`); 30 a minute in April 2026, 120 in
            May.
        remaining: The requests left in the window (`X-RateLimit-Remaining`).
        resets_at: The time at which the window resets (`X-RateLimit-Reset`, Unix seconds), by the server's
            clock.
        resets_in: The seconds from the response's own `Date` to the reset, which do not depend on the local
            clock.
    """

    limit: int | None = None
    remaining: int | None = None
    resets_at: datetime | None = None
    resets_in: float | None = None


@attrs.frozen(kw_only=True)
class Receipt:
    """The origin of a result.

    Quote `request_id` when you write to the vendor's support.

    Attributes:
        status: The HTTP status of the response.
        request_id: `X-Request-Id`; None if a proxy dropped the header.
        rate_limit: The request budget in the rate headers.
    """

    status: int
    request_id: str | None = None
    rate_limit: RateLimit = RateLimit()
