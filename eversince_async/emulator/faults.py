"""Faults: what goes wrong between a client and the server, by chance or by script.

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
    """The request takes a while to be served.

    Attributes:
        seconds: How long.
        after_commit: Whether the answer is late rather than the deed.
    """

    seconds: float
    after_commit: bool = False


@attrs.frozen(kw_only=True)
class ErrorAnswer:
    """The request is answered with an error.

    Attributes:
        status: HTTP status.
        code: Code of the envelope.
        message: Message of the envelope.
        after_commit: Whether what was asked is done all the same.
        retry_after: Seconds for `Retry-After`; None for no such header.
        as_date: Whether `Retry-After` is an HTTP date.
    """

    status: int = 500
    code: str = "internal_error"
    message: str = "Internal server error"
    after_commit: bool = False
    retry_after: float | None = None
    as_date: bool = False


def RateLimit(*, retry_after: float | None = 2.0, as_date: bool = False) -> ErrorAnswer:  # noqa: N802 - reads as the other faults do
    """The answer 429 rate_limited, with `Retry-After` in seconds or as an HTTP date."""
    return ErrorAnswer(
        status=429,
        code="rate_limited",
        message="Too many requests",
        retry_after=retry_after,
        as_date=as_date,
    )


def Unavailable(*, retry_after: float | None = None, after_commit: bool = False) -> ErrorAnswer:  # noqa: N802 - as above
    """The answer 503 service_unavailable."""
    return ErrorAnswer(
        status=503,
        code="service_unavailable",
        message="Temporarily unavailable",
        retry_after=retry_after,
        after_commit=after_commit,
    )


@attrs.frozen(kw_only=True)
class Reset:
    """The connection is reset instead of an answer.

    Attributes:
        after_commit: Whether what was asked is done all the same.
    """

    after_commit: bool = False


@attrs.frozen(kw_only=True)
class Truncated:
    """What was asked is done, but the connection ends within the answer's body.

    Attributes:
        keep: Share of the body that arrives.
    """

    keep: float = 0.5


@attrs.frozen(kw_only=True)
class NotJson:
    """Some gateway answers, with a page of HTML.

    Attributes:
        status: HTTP status.
        body: The page.
        content_type: Its type.
        after_commit: Whether what was asked is done all the same.
    """

    status: int = 502
    body: str = "<html><body><h1>502 Bad Gateway</h1></body></html>"
    content_type: str = "text/html"
    after_commit: bool = False


@attrs.frozen(kw_only=True)
class Stall:
    """No answer ever comes; the connection stays open until the client gives up.

    Attributes:
        after_commit: Whether what was asked is done all the same.
    """

    after_commit: bool = False


@attrs.frozen(kw_only=True)
class StaleRead:
    """A read shows what was before the latest change, if that is at most so many seconds ago.

    Attributes:
        seconds: So many.
    """

    seconds: float = 3600.0


Fault: TypeAlias = Latency | ErrorAnswer | Reset | Truncated | NotJson | Stall | StaleRead
"""Something that goes wrong with one request."""


@attrs.define
class _Scripted:
    method: str
    pattern: list[str]
    fault: Fault
    times: int


@attrs.define(kw_only=True)
class Faults:
    """What goes wrong. Shares are of all API requests and seeded; scripted faults go first.

    Attributes:
        latency: Seconds every request takes.
        error_500: Share answered 500 before anything is done.
        error_503: Share answered 503 before anything is done.
        rate_limited: Share answered 429 although the window has room.
        retry_after: Seconds these say to wait.
        reset_before_commit: Share whose connection is reset before anything is done.
        reset_after_commit: Share whose connection is reset when all is done.
        truncated: Share whose answer is cut in half.
        not_json: Share answered with a gateway's page before anything is done.
        stalled: Share that is never answered, nothing done.
        stale_reads: Seconds for which reads may show what was before a change; None for never.
        lost_webhooks: Share of webhooks that are never sent.
        clock_skew: Seconds by which `Date` and `X-RateLimit-Reset` are wrong.
        cut_downloads: Share of media transfers that break off halfway.
        seed: Seed of all chances.
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
        """Put a fault in the way of the next matching request, or of the next few.

        Args:
            method: HTTP method, or "*" for any.
            path: Path below the base URL, e.g. "/projects/*/render"; elsewhere the whole path, e.g.
                "/media/**" or "/storage/**". `*` is any one part, `**` at the end any rest.
            fault: What goes wrong.
            times: For how many requests.
        """
        self._script.append(_Scripted(method, path.split("/"), fault, times))

    @property
    def pending(self) -> int:
        """Scripted faults that did not happen yet."""
        return sum(scripted.times for scripted in self._script)

    def strike(self, method: str, path: str, *, by_chance: bool = True) -> list[Fault]:
        """What goes wrong with this request: perhaps a delay, and at most one thing besides."""
        struck = self._by_script(method, path)
        if not by_chance:
            return struck
        if self.latency is not None:
            struck.insert(0, Latency(seconds=draw(self.latency, self._rng)))
        if not struck or isinstance(struck[-1], Latency):
            struck += self._by_chance()
        return struck

    def loses_webhook(self) -> bool:
        """Whether the next webhook is lost."""
        return bool(self.lost_webhooks) and self._rng.random() < self.lost_webhooks

    def cuts_download(self) -> bool:
        """Whether the next media transfer breaks off."""
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
