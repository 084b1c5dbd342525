"""`Eversince`, the client of the API."""

import asyncio
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import attrs

from eversince_async._redaction import Hidden
from eversince_async._wire.addresses import AddressPolicy
from eversince_async._wire.endpoints import Endpoint, Idempotency
from eversince_async.batch.client_methods import BatchMethods
from eversince_async.errors import ConfigurationError, EversinceError, InvalidRequest
from eversince_async.governor import Governor, GovernorProtocol, Lane, Limits
from eversince_async.lifecycle import ProjectStatus
from eversince_async.models.receipt import RateLimit
from eversince_async.orchestrator.client_methods import WorkflowMethods
from eversince_async.orchestrator.conversation_methods import ConversationMethods
from eversince_async.orchestrator.handle import Handle
from eversince_async.orchestrator.options import CANCEL_TIMEOUT
from eversince_async.orchestrator.registry import ON_CLOSE, PATIENCE, OnClose, UnfinishedProduction
from eversince_async.orchestrator.runtime import Runtime
from eversince_async.orchestrator.tracing import Telemetry
from eversince_async.pipelines.client_methods import PipelineMethods
from eversince_async.polling.poller import Poller
from eversince_async.polling.schedule import PollSchedule
from eversince_async.resources import Resources
from eversince_async.session.body import MAX_RESPONSE_BYTES
from eversince_async.session.hooks import Hooks, RequestSent, ResponseReceived, RetryScheduled
from eversince_async.session.new_projects import Newborn
from eversince_async.session.retry import RetryPolicy
from eversince_async.session.session import Session
from eversince_async.session.transport import BASE_URL, Transport
from eversince_async.tasks import finish
from eversince_async.transfers.store import STALL_TIMEOUT, Store

if TYPE_CHECKING:
    import ssl

    import aiohttp

ATTEMPT_TIMEOUT: Final = 60.0
"""Seconds that one attempt may take by default.

They count from the departure that the governor grants."""

_REPEATABLE: Final = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
"""Methods that HTTP itself calls idempotent (RFC 9110, 9.2.2)."""

_METHOD: Final = re.compile(r"[A-Z]+")
"""HTTP methods, as far as any are in use."""

_PATH: Final = re.compile(r"/(?:(?![?#])[!-~])*")
"""A path without a query that cannot end the request line.

It consists of visible ASCII, without blanks."""


class Eversince(Resources, WorkflowMethods, ConversationMethods, PipelineMethods, BatchMethods):
    """A client of the Eversince API.

    Use it as `async with Eversince() as eversince:`, or call `aclose()`. It opens its connections on first
    use and then belongs to the running event loop. Use one client for a process: its governor keeps all its
    calls together within the account's limits.

    Args:
        api_key: The key, beginning with `es_live_`; by default the environment variable EVERSINCE_API_KEY.
        base_url: The URL of the API; by default EVERSINCE_BASE_URL, else https://eversince.ai/api/v1.
        limits: The account's limits if they differ from the documented ones.
        governor: A governor shared with other clients of the same account, instead of `limits`: a `Governor`
            or another object with its methods.
        schedule: The intervals at which projects are polled while a caller waits for them.
        retry: The policy for retrying failed attempts.
        timeout: Seconds that one attempt may take, not counting the wait for the request budget.
        stall_timeout: Seconds without progress after which an upload or download fails.
        max_response_bytes: Bytes that one response may have when it is unpacked; by default 32 MiB. A read
            with a larger response raises `ResponseTooLarge`; a write is in doubt. Uploads and downloads are
            not bounded.
        source: The value of `X-Eversince-Source`; a name for your application.
        http: An aiohttp session to use for API calls; closing it remains your task, and its own proxy,
            `trust_env` and certificates apply. No credentials of its own (`auth=`, `.netrc`) are sent.
        transfers: The same for uploads and downloads, which otherwise use a session of ours. They carry no
            credentials but their presigned URLs.
        ssl_context: The trust of the sessions that we open, e.g. in a private certificate authority:
            `ssl.create_default_context(cafile="ca.pem")`. By default they trust the system's certificates, or
            those that SSL_CERT_FILE or SSL_CERT_DIR names. These sessions also follow HTTPS_PROXY,
            HTTP_PROXY, ALL_PROXY and NO_PROXY as they are when the client is made; this machine is never
            reached by a proxy.
        on_request: Called before each attempt.
        on_response: Called after each response.
        on_retry: Called when an attempt is going to be repeated.
        telemetry: The object that traces and measures: `eversince_async.telemetry.OpenTelemetry(…)`, or
            another object with its methods. Without it nothing is traced, even if OpenTelemetry is installed.
        allow_private_addresses: True if videos and uploads may be at a loopback, private or link-local
            address although the API itself is not. By default that is refused, so that no response can lead
            the client to a machine behind a firewall. Hosts are judged by their spelling; names are not
            resolved.
        allow_http: True if the API key may be sent without encryption to a machine other than this one, as
            between containers of one network. By default, or unless EVERSINCE_ALLOW_HTTP=1 is set, a base URL
            that begins with `http://` must be that of this machine.

    Raises:
        ConfigurationError: There is no key; a key, URL, session, proxy or certificate cannot be used; or both
            `limits` and `governor` are given.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        limits: Limits | None = None,
        governor: GovernorProtocol | None = None,
        schedule: PollSchedule | None = None,
        retry: RetryPolicy | None = None,
        timeout: float = ATTEMPT_TIMEOUT,
        stall_timeout: float = STALL_TIMEOUT,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
        source: str | None = None,
        http: "aiohttp.ClientSession | None" = None,
        transfers: "aiohttp.ClientSession | None" = None,
        ssl_context: "ssl.SSLContext | None" = None,
        on_request: Callable[[RequestSent], object] | Iterable[Callable[[RequestSent], object]] = (),
        on_response: Callable[[ResponseReceived], object]
        | Iterable[Callable[[ResponseReceived], object]] = (),
        on_retry: Callable[[RetryScheduled], object] | Iterable[Callable[[RetryScheduled], object]] = (),
        telemetry: Telemetry | None = None,
        allow_private_addresses: bool = False,
        allow_http: bool = False,
    ) -> None:
        if limits is not None and governor is not None:
            raise ConfigurationError("give limits or a governor, not both: a governor has its own limits")
        if not timeout > 0 or not stall_timeout > 0:
            raise ConfigurationError("timeout and stall_timeout are seconds and must be positive")
        api_key = Hidden(api_key or os.environ.get("EVERSINCE_API_KEY") or "")
        self.governor: GovernorProtocol = governor or Governor(limits or Limits())
        self._made_at = _caller_location()
        self._transport = Transport(
            base_url=base_url or os.environ.get("EVERSINCE_BASE_URL") or BASE_URL,
            api_key=api_key,
            attempt_timeout=timeout,
            max_response_bytes=max_response_bytes,
            source=source,
            http=http,
            allow_http=allow_http,
            ssl_context=ssl_context,
        )
        observers = Hooks(
            on_request=_as_tuple(on_request),
            on_response=_as_tuple(on_response),
            on_retry=_as_tuple(on_retry),
        )
        tracer = None
        if telemetry is not None:
            tracer = telemetry.tracer_for(base_url=self._transport.base_url, governor=self.governor)
        schedule = schedule or PollSchedule()
        session = Session(
            transport=self._transport,
            governor=self.governor,
            observers=observers,
            retry=retry or RetryPolicy(),
            tracer=tracer,
            newborn=Newborn(schedule.grace),
        )
        addresses = AddressPolicy.of(
            self._transport.base_url, allow_private_addresses=allow_private_addresses
        )
        super().__init__(
            session, Store(addresses, stall_timeout=stall_timeout, http=transfers, ssl_context=ssl_context)
        )
        self._poller = Poller(session, schedule)
        self._runtime = Runtime(session, self._store, self._poller, tracer)
        self._background_tasks: set[asyncio.Task[Any]] = set()

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

    async def aclose(
        self, *, productions: OnClose = "leave", drain_timeout: float | None = None
    ) -> tuple[Handle, ...]:
        """Stop polling projects, and close the connections.

        Every call that still waits for a project, in any task, ends with `ClientClosed`. The client can be
        used again, on another loop if need be.

        A second call while the first one drains ends the draining. Cancelling the draining closes at once.
        Closing itself runs to its end when it is cancelled, and the cancellation is raised then. It waits
        half a minute at most for tasks that do not end although they were cancelled twice, and leaves those
        behind.

        Args:
            productions: The treatment of running productions. `leave`: the client stops waiting for them, and
                they continue at the server unless their own `on_cancel` says otherwise. `drain`: the client
                waits for them, and leaves them only when `drain_timeout` is over, or if they wait for a
                person or for the daily reset, or sleep for more than two minutes; start no new work
                meanwhile. `cancel`: active projects are cancelled at the server, which takes ten seconds at
                most.
            drain_timeout: Seconds to drain; None waits without a limit.

        Returns:
            Handles of the productions that did not end here: another client or process can resume them. With
            `cancel`, those that surely were cancelled are not among them. Productions recorded in a journal
                are
            never among them, as the same batch or pipeline continues with the journal; nor are conversations,
                which
            `converse_with(project_id)` continues.

        Raises:
            ConfigurationError: The value of `productions` is unknown.
        """
        if productions not in ON_CLOSE:
            raise ConfigurationError(f"productions must be one of {ON_CLOSE}, not {productions!r}")
        resting: tuple[UnfinishedProduction, ...] = ()
        try:
            await asyncio.sleep(0)  # tasks that were just started begin, so that they can be ended
            if productions == "drain":
                resting = await self._runtime.registry.drain(drain_timeout)
        finally:
            left = await finish(self._close(productions, asyncio.current_task()))
        return tuple(each.handle for each in (*resting, *left) if each.is_resumable_by_handle)

    async def _close(
        self, productions: OnClose, caller: "asyncio.Task[Any] | None"
    ) -> tuple[UnfinishedProduction, ...]:
        """Close everything despite errors; return the productions that this ended."""
        async with AsyncExitStack() as closing:
            closing.push_async_callback(self._store.aclose)
            closing.push_async_callback(self._transport.aclose)
            closing.push_async_callback(self._poller.aclose)
            closing.push_async_callback(_wait_interrupted, self._tasks_here(caller))
            await self._runtime.aclose()  # this ends tasks that only request details of their failures
            at_work = {lease.project_id for lease in self.governor.snapshot().slots.leases if lease.active}
            holders = list(self._runtime.registry.holders)
            left = await self._runtime.registry.interrupt_all(caller)
            if productions == "cancel":
                ours = {each.project_id for each in holders} | {each.handle.project_id for each in left}
                cancelled = await self._cancel_projects(ours & at_work)
                left = tuple(each for each in left if each.handle.project_id not in cancelled)
        return left

    def _tasks_here(self, caller: "asyncio.Task[Any] | None") -> "list[asyncio.Task[Any]]":
        """Return the tasks of `start` that will end.

        Tasks of loops that are closed never do.
        """
        loop = asyncio.get_running_loop()
        self._background_tasks = {task for task in self._background_tasks if not task.get_loop().is_closed()}
        return [task for task in self._background_tasks if task.get_loop() is loop and task is not caller]

    async def _cancel_projects(self, project_ids: set[str | None]) -> set[str]:
        """Cancel projects at the server; return those surely cancelled."""
        cancelled = set[str]()

        async def cancel(project_id: str) -> None:
            with suppress(EversinceError, TimeoutError):
                async with asyncio.timeout(CANCEL_TIMEOUT):
                    answer = await self._runtime.interactive.projects.cancel(project_id)
                cancelled.add(project_id)
                self.governor.observed(project_id, answer.status or ProjectStatus.CANCELLED)

        await asyncio.gather(*(cancel(each) for each in project_ids if each is not None))
        return cancelled

    def __del__(self, _warn: Callable[..., None] = warnings.warn) -> None:
        if not hasattr(self, "_store"):
            return  # its arguments were refused before there was anything to close
        if self._transport.is_open or self._store.is_open:
            _warn(
                f"{self!r}, made at {self._made_at}, was never closed: use `async with`, or await its "
                "aclose() before the event loop ends",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )

    @property
    def rate_limit(self) -> RateLimit | None:
        """The rate limit in the headers of the latest response.

        None before the first.
        """
        return self._transport.rate_limit

    def with_options(
        self, *, deadline: float | None = None, retry: RetryPolicy | None = None, lane: Lane | None = None
    ) -> Resources:
        """Return the same resources with other options for their calls.

        They use the same connections and limits.

        Args:
            deadline: Seconds that one call may take in all, including waits and retries.
            retry: The policy for retrying failed attempts.
            lane: The lane in which the calls wait when the request budget is short.
        """
        options: dict[str, Any] = {"deadline": deadline, "retry": retry, "lane": lane}
        changes = {name: value for name, value in options.items() if value is not None}
        return Resources(attrs.evolve(self._session, **changes), self._store)

    def nudge(self, project_id: str) -> None:
        """Poll a project now rather than when it is due.

        There seems to be news of it: a webhook does this. It sends nothing if no caller of this client waits
        for that project.

        Args:
            project_id: The project.
        """
        self._poller.nudge(project_id)

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        json: Mapping[str, Any] | None = None,
        repeatable: bool | None = None,
    ) -> Any:
        """Call an operation that this version does not know.

        The call passes through the same limits, retries and errors.

        Args:
            method: The HTTP method.
            path: The path below the base URL, beginning with a slash, already percent-encoded.
            query: Query parameters.
            json: The JSON body, an object.
            repeatable: True if sending the request twice is harmless; by default as HTTP defines the method.

        Returns:
            The JSON response as plain Python values; None for an empty one.

        Raises:
            OutcomeUnknown: The request is not repeatable, and may or may not have been performed.
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
            resend=Idempotency.IDEMPOTENT if safe else Idempotency.UNSAFE,
            how_to_check="read whatever it would have changed",
        )
        return await self._session.send(endpoint, object, query=query, body=json)


async def _wait_interrupted(tasks: "list[asyncio.Task[Any]]") -> None:
    """Wait for the tasks of `start`, which were interrupted."""
    if tasks:
        await asyncio.wait(tasks, timeout=PATIENCE)
    for task in tasks:
        if task.done() and not task.cancelled():
            task.exception()  # retrieved: a task that ends with the client needs no waiter


def _as_tuple(callbacks: Any) -> tuple[Any, ...]:
    return (callbacks,) if callable(callbacks) else tuple(callbacks)


def _caller_location() -> str:
    """Return the file and line of the code that makes a client.

    It is the nearest code outside of this package.
    """
    frame = sys._getframe(1)  # noqa: SLF001 - inspect.stack reads every file on the way
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("eversince_async."):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
