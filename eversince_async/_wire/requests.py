"""The request for a call: URL, headers and body, all checked."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import attrs

from eversince_async._wire.converter import check, unstructure
from eversince_async._wire.endpoints import Endpoint
from eversince_async._wire.json_codec import dumps
from eversince_async.errors import InvalidRequest
from eversince_async.limits import REQUEST_BODY_BYTES
from eversince_async.models._base import Request


@attrs.frozen
class WireRequest:
    """One logical call, sent with the same bytes at each attempt.

    Attributes:
        endpoint: The operation.
        target: The path and query below the base URL, percent-encoded.
        body: The JSON body; None for no body.
        idempotency_key: The key inside the body, if it has one; for logs and spans.
        project_id: The project in the path, if there is one; for logs and spans.
    """

    endpoint: Endpoint
    target: str
    body: bytes | None = None
    idempotency_key: str | None = None
    project_id: str | None = None

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]


def build(
    endpoint: Endpoint,
    *,
    ids: Mapping[str, str] | None = None,
    query: Mapping[str, Any] | None = None,
    body: Request | Mapping[str, Any] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> WireRequest:
    """Build the request for a call.

    Args:
        endpoint: The operation.
        ids: The values for the placeholders of the path.
        query: The query parameters; those that are None are left out.
        body: A request model, or a plain object for an operation that this version does not know.
        extra: Fields that this version does not know: merged into the body, or into the query if there is no
            body.

    Raises:
        InvalidRequest: An id is empty, a field is outside what every revision accepts, the body cannot be
            written as JSON, or the body is over 1 MB.
    """
    if body is None:
        payload, parameters = None, {**(query or {}), **(extra or {})}
    else:
        payload, parameters = {**_payload(body), **(extra or {})}, dict(query or {})
    ids = ids or {}
    target, project_id = _path(endpoint.path, ids) + _query(parameters), ids.get("project_id")
    if payload is None:
        return WireRequest(endpoint, target, project_id=project_id)
    return WireRequest(endpoint, target, _encode(payload), payload.get("idempotency_key"), project_id)


def _payload(body: Request | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(body, Request):
        check(body)
        return unstructure(body)
    return dict(body)


def _path(template: str, ids: Mapping[str, str]) -> str:
    encoded = {}
    for name, value in ids.items():
        # "." and ".." would change the path in transit; no id is empty (contract, "How to read it").
        if not isinstance(value, str) or value in {"", ".", ".."}:  # type: ignore[redundant-expr]  # untyped callers
            raise InvalidRequest({name: f"must be a non-empty id, not {value!r}"})
        try:
            encoded[name] = quote(value, safe="")
        except UnicodeEncodeError:
            raise InvalidRequest({name: "is not valid Unicode text"}) from None
    return template.format_map(encoded)


def _query(parameters: Mapping[str, Any]) -> str:
    pairs = []
    for name, value in parameters.items():
        if value is not None:
            try:
                pairs.append(urlencode({name: _query_text(value)}))
            except UnicodeEncodeError:
                raise InvalidRequest({name: "is not valid Unicode text"}) from None
    return "?" + "&".join(pairs) if pairs else ""


def _query_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _encode(payload: Mapping[str, Any]) -> bytes:
    try:
        body = dumps(payload)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest({"body": f"cannot be written as JSON: {error}"}) from None
    if len(body) > REQUEST_BODY_BYTES:
        raise InvalidRequest(
            {"body": f"is {len(body):,} bytes; the API takes at most 1 MB ({REQUEST_BODY_BYTES:,} bytes)"}
        )
    return body


def page_query(*, largest: int, limit: int | None, offset: int | None = None) -> dict[str, int | None]:
    """Return the checked query of one page.

    The API does not document what it does with numbers out of range.

    Raises:
        InvalidRequest: `limit` is not 1 to `largest`, or `offset` is negative.
    """
    fields = {}
    if limit is not None and not (_is_int(limit) and 1 <= limit <= largest):
        fields["limit"] = f"must be a whole number from 1 to {largest}, not {limit!r}"
    if offset is not None and not (_is_int(offset) and offset >= 0):
        fields["offset"] = f"must be a whole number from 0, not {offset!r}"
    if fields:
        raise InvalidRequest(fields)
    return {"limit": limit, "offset": offset}


def _is_int(value: object) -> bool:
    return type(value) is int
