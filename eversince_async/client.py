"""`Eversince`: the client that users make."""

import asyncio
import os
import re
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import attrs

from eversince_async._wire.endpoints import Endpoint, Resend
from eversince_async.errors import ConfigurationError, InvalidRequest
from eversince_async.governor import Governor, Lane, Limits
from eversince_async.models.receipt import RateLimit
from eversince_async.orchestrator.desk import Desk
from eversince_async.orchestrator.schedule import PollSchedule
from eversince_async.orchestrator.tracing import Telemetry
from eversince_async.orchestrator.verbs import Verbs
from eversince_async.orchestrator.watcher import Watcher
from eversince_async.resources import Resources
from eversince_async.session.observers import AnswerReceived, Observers, RequestSent, RetryScheduled
from eversince_async.session.retry import RetryPolicy
from eversince_async.session.session import Session
from eversince_async.session.transfer import STALL_TIMEOUT, Store
from eversince_async.session.transport import BASE_URL, Transport

if TYPE_CHECKING:
    import aiohttp

ATTEMPT_TIMEOUT: Final = 60.0
"""Seconds one attempt may take by default, counted from when the governor lets it go."""

_REPEATABLE: Final = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
"""Methods that HTTP itself calls idempotent (RFC 9110, 9.2.2)."""

_METHOD: Final = re.compile(r"[A-Z]+")
"""HTTP methods, as far as anybody uses them."""

_PATH: Final = re.compile(r"/(?:(?![?#])[!-~])*")
"""A path without a query that cannot end the request line: visible ASCII, no blanks."""


class Eversince(Resources, Verbs):
    """A client of the Eversince API.

    Use it as `async with Eversince() as eversince:`, or call `aclose()`. It opens its connections on first
    use and then belongs to the running event loop. One client for a process is right: its governor keeps
    all its calls within the account's limits together.

    Args:
        api_key: The key, beginning with `es_live_`; by default the environment variable EVERSINCE_API_KEY.
        base_url: Where the API lives; by default EVERSINCE_BASE_URL, else https://eversince.ai/api/v1.
        limits: The account's limits where they differ from the documented ones.
        governor: A governor shared with other clients of the same account, instead of `limits`.
        schedule: How often projects are looked at while somebody waits for them.
        retry: How patiently failed attempts are repeated.
        timeout: Seconds one attempt may take, not counting the wait for the request budget.
        stall_timeout: Seconds without progress after which an upload or download is given up.
        source: Sent as `X-Eversince-Source`; a name for your application.
        http: An aiohttp session to use for API calls; it stays yours to close. Uploads and downloads use a
            session of their own, which carries no credentials. By itself aiohttp sends reads and deletes
            once more when a connection breaks, past all limits; only our own sessions are kept from that.
        on_request: Called before each attempt.
        on_response: Called after each answer.
        on_retry: Called when an attempt is going to be repeated.
        telemetry: What traces and measures: `eversince_async.telemetry.OpenTelemetry(…)`, or another object
            with its methods. Without it nothing is traced, whatever is installed.

    Raises:
        ConfigurationError: No key, a key or URL that cannot be used, or both `limits` and `governor`.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        limits: Limits | None = None,
        governor: Governor | None = None,
        schedule: PollSchedule | None = None,
        retry: RetryPolicy | None = None,
        timeout: float = ATTEMPT_TIMEOUT,
        stall_timeout: float = STALL_TIMEOUT,
        source: str | None = None,
        http: "aiohttp.ClientSession | None" = None,
        on_request: Callable[[RequestSent], object] | Iterable[Callable[[RequestSent], object]] = (),
        on_response: Callable[[AnswerReceived], object] | Iterable[Callable[[AnswerReceived], object]] = (),
        on_retry: Callable[[RetryScheduled], object] | Iterable[Callable[[RetryScheduled], object]] = (),
        telemetry: Telemetry | None = None,
    ) -> None:
        if limits is not None and governor is not None:
            raise ConfigurationError("give limits or a governor, not both: a governor has its own limits")
        if not timeout > 0 or not stall_timeout > 0:
            raise ConfigurationError("timeout and stall_timeout are seconds and must be positive")
        self.governor = governor or Governor(limits or Limits())
        self._transport = Transport(
            base_url=base_url or os.environ.get("EVERSINCE_BASE_URL") or BASE_URL,
            api_key=api_key or os.environ.get("EVERSINCE_API_KEY") or "",
            attempt_timeout=timeout,
            source=source,
            http=http,
        )
        observers = Observers(
            on_request=_several(on_request),
            on_response=_several(on_response),
            on_retry=_several(on_retry),
        )
        tracer = None
        if telemetry is not None:
            tracer = telemetry.of_client(base_url=self._transport.base_url, governor=self.governor)
        session = Session(
            transport=self._transport,
            governor=self.governor,
            observers=observers,
            retry=retry or RetryPolicy(),
            tracer=tracer,
        )
        super().__init__(session, Store(stall_timeout=stall_timeout))
        self._watcher = Watcher(session, schedule or PollSchedule())
        self._desk = Desk(session, self._store, self._watcher, tracer)
        self._started: set[asyncio.Task[Any]] = set()

    def __repr__(self) -> str:
        return f"<Eversince {self._transport.base_url}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop looking at projects, and close the connections.

        Productions that still run are cancelled here but go on at the server. The client can be used again,
        on another loop if need be.
        """
        for task in list(self._started):
            task.cancel()
        if self._started:
            await asyncio.wait(self._started)
        await self._watcher.aclose()
        await self._desk.aclose()
        await self._transport.aclose()
        await self._store.aclose()

    @property
    def rate_limit(self) -> RateLimit | None:
        """The rate headers of the latest answer; None before the first."""
        return self._transport.rate_limit

    def with_options(
        self, *, deadline: float | None = None, retry: RetryPolicy | None = None, lane: Lane | None = None
    ) -> Resources:
        """The same resources, over the same connections and limits, with other options for their calls.

        Args:
            deadline: Seconds one call may take in all, waiting and retries included.
            retry: How patiently failed attempts are repeated.
            lane: Whose turn the calls wait for when the request budget is short.
        """
        changed: dict[str, Any] = {"deadline": deadline, "retry": retry, "lane": lane}
        given = {name: value for name, value in changed.items() if value is not None}
        return Resources(attrs.evolve(self._session, **given), self._store)

    def nudge(self, project_id: str) -> None:
        """Look at a project now rather than when it is due: there seems to be news of it.

        This is what a webhook does. It sends nothing if nobody here waits for that project.

        Args:
            project_id: The project.
        """
        self._watcher.nudge(project_id)

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        json: Mapping[str, Any] | None = None,
        repeatable: bool | None = None,
    ) -> Any:
        """Call an operation this version does not know, through the same limits, retries and errors.

        Args:
            method: The HTTP method.
            path: The path below the base URL, beginning with a slash, already percent-encoded.
            query: Query parameters.
            json: The JSON body, an object.
            repeatable: Whether sending it twice is harmless; by default as HTTP says of the method.

        Returns:
            The JSON answer as plain Python values; None for an empty one.

        Raises:
            OutcomeUnknown: It is not repeatable, and may or may not have happened.
        """
        if not _PATH.fullmatch(path):
            raise InvalidRequest(
                {"path": f"must begin with a slash, have no query, and be percent-encoded: {path!r}"}
            )
        method = method.upper()
        if not _METHOD.fullmatch(method):
            raise InvalidRequest({"method": f"must be an HTTP method such as GET: {method!r}"})
        safe = method in _REPEATABLE if repeatable is None else repeatable
        endpoint = Endpoint(
            f"{method} {path}",
            method,
            path.replace("{", "{{").replace("}", "}}"),
            success=(),
            resend=Resend.SAFE if safe else Resend.OBSERVE,
            find_out="read whatever it would have changed",
        )
        return await self._session.send(endpoint, object, query=query, body=json)


def _several(given: Any) -> tuple[Any, ...]:
    return (given,) if callable(given) else tuple(given)
