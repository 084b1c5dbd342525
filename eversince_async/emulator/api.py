"""The API handler: from an HTTP request to its response.

It parses the request, calls the operation and sends the response. Between the arrival of the whole request
and the response nothing waits, so every operation is atomic. Faults apply before or after the operation; they
replace the response or change it.
"""

import asyncio
import json
import logging
import secrets
from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from math import ceil
from typing import Final

import attrs
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from eversince_async import clock
from eversince_async.emulator import errors
from eversince_async.emulator.account import Account, Key
from eversince_async.emulator.call import Answer, Call
from eversince_async.emulator.connection import hang_up, read_body, reset, until_gone
from eversince_async.emulator.destinations import Destinations
from eversince_async.emulator.errors import ApiError, Json
from eversince_async.emulator.faults import (
    ErrorAnswer,
    Fault,
    Faults,
    Latency,
    NotJson,
    Reset,
    StaleRead,
    Stall,
    Truncated,
)
from eversince_async.emulator.limits import UNLIMITED, Admission
from eversince_async.emulator.log import Entry
from eversince_async.emulator.request_target import RequestTarget
from eversince_async.emulator.routes import Route, Router
from eversince_async.emulator.serializers import Serializer
from eversince_async.emulator.store import Store
from eversince_async.emulator.validation import parse_object
from eversince_async.emulator.world import World

logger: Final = logging.getLogger("eversince_async.emulator")

_OF_A_PROJECT: Final = ("GET /projects/:id", "POST /projects/:id", "PATCH /projects/:id")


@lru_cache(maxsize=8)
def http_date(seconds: int) -> str:
    """Format a time as HTTP headers do."""
    return formatdate(seconds, usegmt=True)


@attrs.frozen
class Result:
    """The content of a response to send."""

    status: int
    body: Json
    headers: Mapping[str, str] = attrs.field(factory=dict)

    @classmethod
    def of(cls, refusal: ApiError) -> "Result":
        """Build the result of an error."""
        return cls(refusal.status, refusal.envelope(), refusal.headers)


@attrs.frozen
class Exchange:
    """One call while it is being handled.

    Attributes:
        request: The request of aiohttp.
        target: The parsed request target.
        path: The path below the base URL.
        known: Account and key of the call; None without a valid key.
        admission: Decision of the request window.
        entry: The call's entry in the log.
        faults: Faults of the call.
    """

    request: web.BaseRequest
    target: RequestTarget
    path: str
    known: tuple[Account, Key] | None
    admission: Admission
    entry: Entry
    faults: list[Fault]


@attrs.frozen
class ParsedRequest:
    """A completely received call, with its account, operation and parameters."""

    known: tuple[Account, Key]
    route: Route
    id: str
    query: dict[str, str]
    body: Json


@attrs.define(kw_only=True)
class ApiHandler:
    """Responds to the calls of the API.

    Attributes:
        world: All state.
        views: Builds the JSON of responses.
        faults: Faults to inject.
        store: Store that saves the state; None keeps it in memory.
        destinations: Hosts that webhooks may go to.
        told: Further headers of each response, which tell the pace of the emulator's time.
    """

    world: World
    views: Serializer
    faults: Faults
    store: Store | None
    destinations: Destinations
    told: Mapping[str, str] = {}
    _router: Router = attrs.field(init=False)
    _session: str = attrs.field(factory=lambda: secrets.token_hex(4), init=False)
    _requests: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._router = Router(self.world.rules)

    def request_id(self) -> str:
        """Return a new ID for a request."""
        self._requests += 1
        return f"req_{self._session}{self._requests:08x}"

    def headers(self, admission: Admission, request_id: str, now: float) -> dict[str, str]:
        """Return the headers that every response has."""
        skew = self.faults.clock_skew
        return {
            "X-Request-Id": request_id,
            "X-RateLimit-Limit": str(admission.limit),
            "X-RateLimit-Remaining": str(admission.remaining),
            "X-RateLimit-Reset": str(ceil(admission.resets_at + skew)),
            "Date": http_date(int(now + skew)),
            "Server": "eversince-emulator",
            **self.told,
        }

    async def handle(self, request: web.BaseRequest, target: RequestTarget, path: str) -> web.StreamResponse:
        """Respond to one call."""
        now = clock.wall_seconds()
        entry = Entry(now, request.method, path, request_id=self.request_id())
        self.world.log.add(entry)
        known = self._authenticate(request)
        faults = self.faults.strike(request.method, path)
        if faults:
            entry.fault = type(faults[-1]).__name__
        exchange = Exchange(request, target, path, known, self._admit(known, now), entry, faults)
        parsed = await self._parse_request(exchange)
        result = await self._apply_faults(exchange, committed=False)
        if result is None:
            answer = self._result(exchange, parsed)
            result = await self._apply_faults(exchange, committed=True)
            if result is None:
                result = answer
        return await self._send(exchange, result)

    def refuse(self, refusal: ApiError) -> web.Response:
        """Respond with an error outside any operation.

        This is for input that is not a request, and for requests under a foreign host name.
        """
        now = clock.wall_seconds()
        headers = self.headers(self._anonymous_admission(now), self.request_id(), now)
        return _response(Result.of(refusal), headers)

    # -- Authentication, limits and parsing -------------------------------------------------------------

    def _authenticate(self, request: web.BaseRequest) -> tuple[Account, Key] | None:
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        return self.world.authenticate(text.strip()) if scheme.lower() == "bearer" else None

    def _admit(self, known: tuple[Account, Key] | None, now: float) -> Admission:
        """Count a request in its account's window.

        A request without a valid key counts in no window.
        """
        return (
            self._anonymous_admission(now)
            if known is None
            else self.world.accounts[known[0].id].window.admit(now)
        )

    def _anonymous_admission(self, now: float) -> Admission:
        limit = self.world.holdings.window.limit or UNLIMITED
        return Admission(True, limit, limit, now + self.world.limits.window_seconds)

    async def _parse_request(self, exchange: Exchange) -> ParsedRequest | ApiError:
        """Read and check the whole request; return the error if refused.

        This happens before any fault: a server that is slow or about to fail has received the request all the
        same, even if the client disconnects meanwhile.
        """
        try:
            if exchange.known is None:
                raise errors.unauthorized()
            admission, entry = exchange.admission, exchange.entry
            if not admission.allowed:
                wait = admission.resets_at - entry.at
                raise errors.rate_limited(f"Too many requests: {admission.limit} a minute", wait)
            route, id_ = self._route(exchange)
            entry.route = route.name
            if route.name.startswith(_OF_A_PROJECT):
                entry.project_id = id_
            body = await self._body(exchange.request)
            query = exchange.target.parameters()
            if query is None:
                raise errors.validation("Query string cannot be read")
            return ParsedRequest(exchange.known, route, id_, query, body)
        except ApiError as refusal:
            return refusal

    def _result(self, exchange: Exchange, parsed: ParsedRequest | ApiError) -> Result:
        """Run the operation and return its result.

        A bug in the emulator is logged and results in a 500.
        """
        if isinstance(parsed, ApiError):
            return Result.of(parsed)
        try:
            answer = self._call_operation(exchange, parsed)
        except ApiError as refusal:
            return Result.of(refusal)
        except Exception:
            logger.exception("the emulator failed on %s %s", exchange.request.method, exchange.path)
            return Result.of(errors.internal_error())
        entry = exchange.entry
        entry.project_id = answer.project_id or entry.project_id
        entry.shown, entry.replayed = answer.shown, answer.replayed
        return Result(answer.status, answer.body)

    def _call_operation(self, exchange: Exchange, parsed: ParsedRequest) -> Answer:
        now = clock.wall_seconds()
        account, key = parsed.known
        key.last_used_at = now
        call = Call(
            world=self.world,
            views=self.views,
            account=account,
            now=now,
            id=parsed.id,
            query=parsed.query,
            body=parsed.body,
            destinations=self.destinations,
            stale=self._stale(exchange.faults),
        )
        self.world.advance(now)
        try:
            return parsed.route.operation(call)
        finally:
            if self.store is not None:
                self.store.save(self.world)
            else:
                self.world.touched.clear()

    def _route(self, exchange: Exchange) -> tuple[Route, str]:
        parts = exchange.target.parts(exchange.path)
        found = None if parts is None else self._router.find(parts)
        if found is None:
            raise errors.not_found("Endpoint")
        methods, id_ = found
        route = methods.get(exchange.request.method)
        if route is None:
            raise errors.method_not_allowed(", ".join(methods))
        return route, id_

    async def _body(self, request: web.BaseRequest) -> Json:
        """Return the object in the body.

        A body of GET or DELETE is ignored.
        """
        try:
            body = await read_body(request, self.world.limits.body_bytes)
        except (HttpProcessingError, web.RequestPayloadError):
            raise errors.validation("Request body cannot be read") from None
        if body is None:
            raise errors.payload_too_large()
        return {} if request.method in {"GET", "DELETE"} else parse_object(body)

    def _stale(self, faults: list[Fault]) -> float:
        stale = next((fault.seconds for fault in faults if isinstance(fault, StaleRead)), None)
        return self.faults.stale_reads or 0.0 if stale is None else stale

    # -- Faults and sending -----------------------------------------------------------------------------

    async def _apply_faults(self, exchange: Exchange, *, committed: bool) -> Result | web.Response | None:
        """Apply the faults before or after the operation; None continues normally."""
        for fault in exchange.faults:
            if isinstance(fault, Truncated | StaleRead) or fault.after_commit is not committed:
                continue
            match fault:
                case Latency():
                    await asyncio.sleep(fault.seconds)
                case ErrorAnswer():
                    return _error(fault)
                case Reset():
                    reset(exchange.request)
                    return web.Response()
                case Stall():
                    await until_gone(exchange.request)
                    return web.Response()
                case NotJson():
                    exchange.entry.status = fault.status
                    headers = {"Date": http_date(int(clock.wall_seconds() + self.faults.clock_skew))}
                    return web.Response(
                        status=fault.status, text=fault.body, content_type=fault.content_type, headers=headers
                    )
        return None

    async def _send(self, exchange: Exchange, result: Result | web.Response) -> web.StreamResponse:
        """Build the response to send.

        A response that a fault made is sent unchanged, without the server's own headers.
        """
        if isinstance(result, web.Response):
            return result
        entry = exchange.entry
        entry.status = result.status
        if result.status >= 400:
            entry.code = result.body["error"]["code"]
        headers = self.headers(exchange.admission, entry.request_id, clock.wall_seconds())
        response = _response(result, headers)
        if not exchange.request.content.is_eof():
            response.force_close()  # the rest of this request must not be read as the next one
        cut = next((fault for fault in exchange.faults if isinstance(fault, Truncated)), None)
        return response if cut is None else await _cut(exchange.request, response, cut.keep)


def _response(result: Result, headers: dict[str, str]) -> web.Response:
    body = json.dumps(result.body, ensure_ascii=False, separators=(",", ":")).encode()
    headers.update(result.headers)
    headers["Content-Type"] = "application/json"
    return web.Response(status=result.status, body=body, headers=headers)


async def _cut(request: web.BaseRequest, whole: web.Response, keep: float) -> web.StreamResponse:
    """Send the beginning of a response and close the connection."""
    body = whole.body
    assert isinstance(body, bytes)
    part = web.StreamResponse(status=whole.status, headers=whole.headers)
    part.content_length = len(body)
    await part.prepare(request)
    await part.write(body[: int(len(body) * keep)])
    hang_up(request)
    return part


def _error(fault: ErrorAnswer) -> Result:
    body = {"error": {"code": fault.code, "message": fault.message, "status": fault.status}}
    if fault.retry_after is None:
        return Result(fault.status, body)
    if fault.as_date:
        return Result(
            fault.status, body, {"Retry-After": http_date(ceil(clock.wall_seconds() + fault.retry_after))}
        )
    return Result(fault.status, body, {"Retry-After": f"{fault.retry_after:g}"})
