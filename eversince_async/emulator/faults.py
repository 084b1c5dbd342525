"""Faults between a client and the server, by chance or by script.

```python
faults = Faults(error_503=0.02, reset_after_commit=0.01, latency=(0.05, 0.4), seed=7)
faults.once("POST", "/projects", Reset(after_commit=True))
faults.once("GET", "/projects/*", RateLimit(retry_after=3, as_date=True), times=2)
```
"""

from collections.abc import Iterable
from random import Random
from typing import TypeAlias

import attrs

from eversince_async.emulator.scenario import Span, draw


@attrs.frozen(kw_only=True)
class Latency:
    """A delay in serving the request.

    Attributes:
        seconds: Length of the delay, in seconds.
        after_commit: True if the delay follows the operation and precedes the response.
    """

    seconds: float
    after_commit: bool = False


@attrs.frozen(kw_only=True)
class ErrorAnswer:
    """An error response to the request.

    Attributes:
        status: HTTP status.
        code: Code of the envelope.
        message: Message of the envelope.
        after_commit: True if the operation is carried out all the same.
        retry_after: Seconds for `Retry-After`; None for no such header.
        as_date: True if `Retry-After` is an HTTP date.
    """

    status: int = 500
    code: str = "internal_error"
    message: str = "Internal server error"
    after_commit: bool = False
    retry_after: float | None = None
    as_date: bool = False


def RateLimit(*, retry_after: float | None = 2.0, as_date: bool = False) -> ErrorAnswer:  # noqa: N802 - reads as the other faults do
    """Build a 429 rate_limited, with `Retry-After` in seconds or as a date."""
    return ErrorAnswer(
        status=429,
        code="rate_limited",
        message="Too many requests",
        retry_after=retry_after,
        as_date=as_date,
    )


def Unavailable(*, retry_after: float | None = None, after_commit: bool = False) -> ErrorAnswer:  # noqa: N802 - as above
    """Build a 503 service_unavailable."""
    return ErrorAnswer(
        status=503,
        code="service_unavailable",
        message="Temporarily unavailable",
        retry_after=retry_after,
        after_commit=after_commit,
    )


@attrs.frozen(kw_only=True)
class Reset:
    """A reset of the connection in place of a response.

    Attributes:
        after_commit: True if the operation is carried out all the same.
    """

    after_commit: bool = False


@attrs.frozen(kw_only=True)
class Truncated:
    """An end of the connection within the body of the response.

    The operation is carried out.

    Attributes:
        keep: Share of the body that arrives.
    """

    keep: float = 0.5


@attrs.frozen(kw_only=True)
class NotJson:
    """An HTML page in place of the response, as a gateway sends.

    Attributes:
        status: HTTP status.
        body: The page.
        content_type: MIME type of the page.
        after_commit: True if the operation is carried out all the same.
    """

    status: int = 502
    body: str = "<html><body><h1>502 Bad Gateway</h1></body></html>"
    content_type: str = "text/html"
    after_commit: bool = False


@attrs.frozen(kw_only=True)
class Stall:
    """A response that never comes.

    The connection stays open until the client gives up.

    Attributes:
        after_commit: True if the operation is carried out all the same.
    """

    after_commit: bool = False


@attrs.frozen(kw_only=True)
class StaleRead:
    """A read that shows the state before the latest change.

    Attributes:
        seconds: Largest age of the change, in seconds.
    """

    seconds: float = 3600.0


Fault: TypeAlias = Latency | ErrorAnswer | Reset | Truncated | NotJson | Stall | StaleRead
"""A fault in one request."""


@attrs.define
class _Scripted:
    method: str
    pattern: list[str]
    fault: Fault
    times: int


@attrs.define(kw_only=True)
class Faults:
    """All faults of an emulator.

    Shares are shares of all API requests, drawn with a seed. Scripted faults take precedence.

    Attributes:
        latency: Seconds that every request takes.
        error_500: Share that receives a 500, without carrying out the operation.
        error_503: Share that receives a 503, without carrying out the operation.
        rate_limited: Share that receives a 429 although the window has room.
        retry_after: Seconds in the `Retry-After` of these responses.
        reset_before_commit: Share whose connection is reset before the operation.
        reset_after_commit: Share whose connection is reset after the operation.
        truncated: Share whose response is cut in half.
        not_json: Share that receives a gateway's page, without carrying out the operation.
        stalled: Share that never receives a response and whose operation is not carried out.
        stale_reads: Seconds for which reads may show the state before a change; None for never.
        lost_webhooks: Share of webhooks that are never sent.
        clock_skew: Seconds by which `Date` and `X-RateLimit-Reset` are wrong.
        cut_downloads: Share of media transfers that break off halfway.
        seed: Seed of all random choices.
    """

    latency: Span | None = None
    error_500: float = 0.0
    error_503: float = 0.0
    rate_limited: float = 0.0
    retry_after: float = 2.0
    reset_before_commit: float = 0.0
    reset_after_commit: float = 0.0
    truncated: float = 0.0
    not_json: float = 0.0
    stalled: float = 0.0
    stale_reads: float | None = None
    lost_webhooks: float = 0.0
    clock_skew: float = 0.0
    cut_downloads: float = 0.0
    seed: int = 0
    _script: list[_Scripted] = attrs.field(factory=list, init=False)
    _rng: Random = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._rng = Random(self.seed)

    def once(self, method: str, path: str, fault: Fault, *, times: int = 1) -> None:
        """Inject a fault into the next matching requests.

        Args:
            method: HTTP method, or "*" for any.
            path: Path below the base URL, e.g. "/projects/*/render"; outside the API the whole path, e.g.
                "/media/**" or "/storage/**". `*` matches any one part, `**` at the end any rest.
            fault: The fault.
            times: Number of requests to inject it into.
        """
        self._script.append(_Scripted(method, path.split("/"), fault, times))

    @property
    def pending(self) -> int:
        """The number of scripted faults that have not happened yet."""
        return sum(scripted.times for scripted in self._script)

    def strike(self, method: str, path: str, *, by_chance: bool = True) -> list[Fault]:
        """Return a request's faults: perhaps a delay, and at most one other."""
        faults = self._by_script(method, path)
        if not by_chance:
            return faults
        if self.latency is not None:
            faults.insert(0, Latency(seconds=draw(self.latency, self._rng)))
        if not faults or isinstance(faults[-1], Latency):
            faults += self._by_chance()
        return faults

    def loses_webhook(self) -> bool:
        """Return True if the next webhook is lost."""
        return bool(self.lost_webhooks) and self._rng.random() < self.lost_webhooks

    def cuts_download(self) -> bool:
        """Return True if the next media transfer breaks off."""
        return bool(self.cut_downloads) and self._rng.random() < self.cut_downloads

    def _by_script(self, method: str, path: str) -> list[Fault]:
        if not self._script:
            return []
        parts = path.split("/")
        for scripted in self._script:
            if scripted.method in {method, "*"} and _matches(scripted.pattern, parts):
                scripted.times -= 1
                if not scripted.times:
                    self._script.remove(scripted)
                return [scripted.fault]
        return []

    def _by_chance(self) -> Iterable[Fault]:
        chances = (
            (self.error_500, ErrorAnswer()),
            (self.error_503, Unavailable()),
            (self.rate_limited, RateLimit(retry_after=self.retry_after)),
            (self.reset_before_commit, Reset()),
            (self.reset_after_commit, Reset(after_commit=True)),
            (self.truncated, Truncated()),
            (self.not_json, NotJson()),
            (self.stalled, Stall()),
        )
        if not any(share for share, _ in chances):
            return
        lot = self._rng.random()
        for share, fault in chances:
            if lot < share:
                yield fault
                return
            lot -= share


def _matches(pattern: list[str], parts: list[str]) -> bool:
    if pattern and pattern[-1] == "**":
        return len(parts) >= len(pattern) and _matches(pattern[:-1], parts[: len(pattern) - 1])
    same_length = len(pattern) == len(parts)
    return same_length and all(wanted in {"*", part} for wanted, part in zip(pattern, parts, strict=True))
