"""`Session.send()`: admit, send, read, and retry or raise."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import attrs

from eversince_async._redaction import excerpt
from eversince_async._wire.addresses import describe_redirect
from eversince_async._wire.endpoints import ADOPT_PROJECT, CREATE_PROJECT, Endpoint, Idempotency
from eversince_async._wire.json_codec import dumps
from eversince_async._wire.requests import WireRequest, build
from eversince_async._wire.responses import WireResponse, parse_error, parse_result
from eversince_async.errors import (
    ApiError,
    ClientClosed,
    ConfigurationError,
    EversinceError,
    InvalidResponse,
    NotFound,
    OutcomeUnknown,
    RequestTimedOut,
    TransportError,
)
from eversince_async.governor import GovernorProtocol, Lane
from eversince_async.models._base import ItemList, Request, Response
from eversince_async.session.hooks import (
    AttemptFailed,
    Hooks,
    RequestSent,
    ResponseReceived,
    RetryScheduled,
)
from eversince_async.session.new_projects import LOOK_AGAIN, Newborn
from eversince_async.session.retry import (
    RetryDecision,
    RetryPolicy,
    RetryState,
    decide,
    is_definite,
    pace_of_all,
)
from eversince_async.session.tracing import CallInfo, CallTrace, CallTracer
from eversince_async.session.transport import Transport

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Session:
    """A transport and a policy for sending over it.

    `attrs.evolve` makes another session over the same transport.

    Attributes:
        transport: The transport that sends the requests.
        governor: The account's limits; every request passes the governor.
        observers: The listeners that receive each step.
        retry: The limits of retries.
        lane: The priority of the requests when the request budget is short.
        deadline: The time one call may take in all, in seconds, waiting and retries included; None sets no
            limit beyond the retry policy.
        tracer: The tracer that surrounds each call; None for none.
        newborn: Projects that may be missing because they are new: after a 404 for one of them, the request
            is sent again until the project can no longer be missing. None treats every 404 as final.
        before_send: A function that is awaited before each attempt, after the governor has admitted the
            attempt. If it raises, the request is not sent.
    """

    transport: Transport = attrs.field(repr=False)
    governor: GovernorProtocol = attrs.field(repr=False)
    observers: Hooks = attrs.field(factory=Hooks, repr=False)
    retry: RetryPolicy = attrs.field(factory=RetryPolicy)
    lane: Lane = Lane.INTERACTIVE
    deadline: float | None = None
    tracer: CallTracer | None = attrs.field(default=None, repr=False)
    newborn: Newborn | None = attrs.field(default=None, repr=False)
    before_send: Callable[[], Awaitable[object]] | None = attrs.field(default=None, repr=False)

    async def send(
        self,
        endpoint: Endpoint,
        returns: type[T],
        *,
        ids: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
        body: Request | Mapping[str, Any] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> T:
        """Send one logical call and read its response as `returns`.

        Cancelling takes back a request that has not left; the server may still carry out a request that has
        left.

        Raises:
            InvalidRequest: An argument is outside what every revision of the API accepts; nothing was sent.
            ApiError: The server refused or failed; the class of the error says what to do next.
            TransportError: No response came, and retries did not help.
            OutcomeUnknown: A write may or may not have happened; the error says how to find out.
            InvalidResponse: The response cannot be read as `returns`.
            ClientClosed: The client was closed before the response came.
        """
        request = build(endpoint, ids=ids, query=query, body=body, extra=extra)
        only_id = next(iter((ids or {}).values()), None)
        if self.tracer is None:
            return await _Call(self, request, only_id).run_with_deadline(returns)
        with self.tracer.call(_call_info(request, self.lane)) as trace:
            call = _Call(self._with_trace(trace), request, only_id, trace.headers())
            return await call.run_with_deadline(returns)

    def _with_trace(self, trace: CallTrace) -> "Session":
        hooks = self.observers
        return attrs.evolve(
            self,
            observers=Hooks(
                on_request=(*hooks.on_request, trace.request),
                on_response=(*hooks.on_response, trace.response),
                on_failure=(*hooks.on_failure, trace.failure),
                on_retry=(*hooks.on_retry, trace.retry),
                subscribers=hooks.subscribers,
            ),
        )


class _Call:
    """One logical call and its attempts."""

    def __init__(
        self,
        session: Session,
        request: WireRequest,
        only_id: str | None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.session = session
        self.request = request
        self.resource_id = only_id
        self.headers = headers
        self.endpoint = request.endpoint
        self.tries = RetryState(session.retry)
        self.gives_up_at: float | None = None
        self.sent_at = 0.0
        self.closings = session.transport.close_count

    async def run_with_deadline(self, returns: type[T]) -> T:
        deadline = self.session.deadline
        if deadline is None:
            return await self.run(returns)
        self.gives_up_at = asyncio.get_running_loop().time() + deadline
        scope = asyncio.timeout_at(self.gives_up_at)
        try:
            async with scope:
                return await self.run(returns)
        except TimeoutError:
            if not scope.expired():  # the RequestTimedOut of one attempt is a TimeoutError, too
                raise
        raise self._final_error(
            RequestTimedOut(
                f"not done within the deadline of {deadline:g} s",
                endpoint=self.endpoint.name,
                outcome="unknown" if self.tries.in_doubt else "never_sent",
            )
        )

    async def run(self, returns: type[T]) -> T:
        while True:
            failure = await self.attempt(returns)
            if not isinstance(failure, EversinceError):
                self._note_newborn(failure)
                return failure
            if self._is_deleted_already(failure):
                return parse_result(self._deleted_response(failure), self.endpoint, returns)
            if self._is_hidden(failure):
                await self._ask_again(failure, LOOK_AGAIN)
                continue
            sort = decide(failure, self.endpoint)
            if sort is RetryDecision.IN_DOUBT or sort is RetryDecision.RAISE:
                self._adopt_pace(failure)
                raise self._final_error(failure)
            await self._wait_before_retry(failure, sort)

    @property
    def is_closed(self) -> bool:
        """True if the client was closed since this call began.

        The client would not close a connection that this call opened now.
        """
        return self.closings != self.session.transport.close_count

    def _closed_error(self) -> ClientClosed:
        return ClientClosed(
            f"the client was closed during {self.endpoint.name}", project_id=self.request.project_id
        )

    async def attempt(self, returns: type[T]) -> T | EversinceError:
        """Send once; return the result, or the failure to be judged."""
        session, loop = self.session, asyncio.get_running_loop()
        requested_at = loop.time()
        departure = await session.governor.admit(session.lane)
        if self.is_closed:
            session.governor.give_back(departure)
            raise self._closed_error()
        if session.before_send is not None:
            try:
                await session.before_send()
            except BaseException:
                session.governor.give_back(departure)
                raise
        self.tries.sent += 1
        self.sent_at = sent_at = loop.time()
        session.observers.request(
            RequestSent(
                endpoint=self.endpoint.name,
                method=self.endpoint.method,
                path=self.request.path,
                attempt=self.tries.sent,
                waited=sent_at - requested_at,
                project_id=self.request.project_id,
            )
        )
        rate_limit, never_sent, in_doubt_before = None, False, self.tries.in_doubt
        self.tries.in_doubt = True  # until a response proves otherwise
        try:
            answer = await session.transport.send(self.request, self.headers)
            rate_limit = answer.receipt.rate_limit
        except TransportError as failure:
            if failure.outcome == "never_sent":
                self.tries.in_doubt, never_sent = in_doubt_before, True
            self._notify_failure(failure, loop.time() - sent_at)
            return failure
        except ConfigurationError:  # the connections belong to another loop
            self.tries.in_doubt, never_sent = in_doubt_before, True
            raise
        finally:
            if never_sent:
                session.governor.give_back(departure)
            else:
                session.governor.answered(departure, rate_limit)
        session.observers.response(
            ResponseReceived(
                endpoint=self.endpoint.name,
                status=answer.status,
                attempt=self.tries.sent,
                elapsed=loop.time() - sent_at,
                receipt=answer.receipt,
                project_id=self.request.project_id,
            )
        )
        outcome = self._read(answer, returns)
        if isinstance(outcome, EversinceError) and is_definite(outcome):
            self.tries.in_doubt = in_doubt_before
        return outcome

    def _notify_failure(self, failure: TransportError, elapsed: float) -> None:
        self.session.observers.failure(
            AttemptFailed(
                endpoint=self.endpoint.name,
                attempt=self.tries.sent,
                elapsed=elapsed,
                error=failure,
                project_id=self.request.project_id,
            )
        )

    def _read(self, answer: WireResponse, returns: type[T]) -> T | EversinceError:
        try:
            error = parse_error(answer, self.endpoint, told=self._redirect(answer))
            if error is not None:
                return error
            result = parse_result(answer, self.endpoint, returns)
        except InvalidResponse as failure:
            return failure
        if isinstance(result, Response | ItemList) and result.unreadable:
            self.session.transport.unreadable.warn(self.endpoint.name, result.unreadable)
        return result

    def _redirect(self, answer: WireResponse) -> str | None:
        """Return the meaning of a redirect in words, or None for none.

        A redirect is never followed, because the key would go wherever the response says.
        """
        if not 300 <= answer.status < 400:
            return None
        location = answer.headers.get("Location", "")
        return describe_redirect(self.session.transport.base_url, self.request.target, location)

    async def _wait_before_retry(self, failure: EversinceError, sort: RetryDecision) -> None:
        if self.is_closed:
            raise self._closed_error() from failure
        wait = self.tries.next_delay(failure, sort)
        if wait is None:
            self._adopt_pace(failure)
            raise self._final_error(failure)
        if pace_of_all(failure):
            self.session.governor.pause(wait)
        await self._ask_again(failure, wait)

    async def _ask_again(self, failure: EversinceError, wait: float) -> None:
        """Report that another attempt follows, and wait until its time.

        Raises:
            EversinceError: The call's deadline would pass before the attempt; this is the failure of the last
                one.
        """
        now = asyncio.get_running_loop().time()
        if self.gives_up_at is not None and now + wait > self.gives_up_at:
            failure.add_note(f"waiting {wait:.1f} s for another attempt would outlast the call's deadline")
            raise self._final_error(failure)
        self.session.observers.retry(
            RetryScheduled(
                endpoint=self.endpoint.name,
                attempt=self.tries.sent,
                wait=wait,
                reason=excerpt(str(failure)),
                error=failure,
                project_id=self.request.project_id,
            )
        )
        if not pace_of_all(failure):  # otherwise the governor makes the next attempt wait
            await asyncio.sleep(wait)

    def _note_newborn(self, result: object) -> None:
        """Remember a created project, which may not be visible everywhere yet."""
        newborn = self.session.newborn
        if newborn is not None and self.endpoint in {CREATE_PROJECT, ADOPT_PROJECT}:
            newborn.note(getattr(result, "id", ""))

    def _is_hidden(self, failure: EversinceError) -> bool:
        """Return True if a 404 may mean a project not visible yet."""
        newborn, project_id = self.session.newborn, self.request.project_id
        if newborn is None or project_id is None or self.session.retry.attempts == 1:
            return False
        is_missing = isinstance(failure, NotFound) and failure.is_documented
        return is_missing and newborn.may_be_missing(project_id, self.sent_at)

    def _adopt_pace(self, failure: EversinceError) -> None:
        """Make the whole account wait as long as a gateway asks.

        This happens although the call itself is not sent again.
        """
        if isinstance(failure, ApiError) and not failure.is_documented and pace_of_all(failure):
            self.session.governor.pause(min(failure.retry_after or 0.0, self.session.retry.longest_wait))

    def _is_deleted_already(self, failure: EversinceError) -> bool:
        """Return True if a 404 proves that an earlier delete succeeded.

        That is so if an attempt to delete was in doubt.
        """
        is_gone = isinstance(failure, NotFound) and failure.is_documented
        return self.endpoint.resend is Idempotency.DELETE and self.tries.in_doubt and is_gone

    def _deleted_response(self, failure: EversinceError) -> WireResponse:
        """Build the response to the first delete, which was lost."""
        done = {"id": self.resource_id, self.endpoint.deleted_field: True}
        return WireResponse.read(200, {"X-Request-Id": getattr(failure, "request_id", "")}, dumps(done))

    def _final_error(self, failure: EversinceError) -> EversinceError:
        """Return the error to raise: `OutcomeUnknown` for a write in doubt.

        Any other call raises the failure itself.
        """
        if self.endpoint.resend is not Idempotency.UNSAFE or not self.tries.in_doubt:
            return failure
        unknown = OutcomeUnknown(
            excerpt(str(failure)),
            endpoint=self.endpoint.name,
            find_out=self.endpoint.how_to_check,
            request_id=getattr(failure, "request_id", None),
        )
        unknown.__cause__ = failure
        return unknown


def _call_info(request: WireRequest, lane: Lane) -> CallInfo:
    endpoint = request.endpoint
    return CallInfo(
        endpoint=endpoint.name if endpoint.is_documented else None,
        method=endpoint.method,
        path=request.path,
        template=endpoint.path if endpoint.is_documented else None,
        lane=lane,
        project_id=request.project_id,
        idempotency_key=request.idempotency_key,
    )
