"""Finding headers in any collection that a framework supplies."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

Headers: TypeAlias = Mapping[Any, Any] | Iterable[tuple[Any, Any]]
"""The headers of a request: a mapping, pairs or a WSGI environ, of text or bytes, with names in any case."""

_HOW: Final = "pass a mapping or pairs, of text or bytes, a WSGI environ, or Django's META"


def find_headers(headers: Headers, *names: str) -> list[str | None]:
    """Return the values of headers in the given order; None if missing.

    If a header occurs several times, the last one counts; a forged one never has the right signature.

    Raises:
        TypeError: The argument is no collection of headers; the message says what to pass instead.
    """
    wanted: dict[str, str | None] = {name.lower(): None for name in names}
    for name, value in _pairs(headers):
        plain = _plain_name(name)
        if plain in wanted:
            wanted[plain] = _text(value, plain)
    return list(wanted.values())


def _pairs(headers: Any) -> list[tuple[Any, Any]]:
    if headers is None or isinstance(headers, str | bytes | bytearray | memoryview):
        raise _no_headers(headers)
    _refuse_request(headers)
    items: Any = getattr(headers, "items", None)  # some collections have `items` without being a Mapping
    found: Any = items() if callable(items) else headers
    try:
        pairs: list[Any] = list(found)
    except TypeError:
        raise _no_headers(headers) from None
    for at, pair in enumerate(pairs):
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            intruder = f"a {type(pair).__name__} at place {at}"
            raise TypeError(f"headers must be pairs of a name and a value, but there is {intruder}; {_HOW}")
    return pairs


def _refuse_request(headers: Any) -> None:
    """Refuse an object that only contains headers.

    Examples are a request, an ASGI scope, and the event of a serverless function.
    """
    if getattr(headers, "headers", None) is not None:
        raise TypeError(f"a {type(headers).__name__} is no collection of headers; pass its .headers")
    inside = headers.get("headers") if isinstance(headers, Mapping) else None
    holds_some = isinstance(inside, Mapping) or (
        isinstance(inside, list | tuple) and inside and not isinstance(inside[0], str | bytes)
    )
    if holds_some:
        raise TypeError('this holds the headers under "headers", as an ASGI scope does; pass those')


def _no_headers(headers: Any) -> TypeError:
    return TypeError(f"headers must be a collection of headers, not {type(headers).__name__}; {_HOW}")


def _plain_name(name: Any) -> str:
    """Return a name in the form of HTTP/2.

    A WSGI environ has `HTTP_X_NAME` for `x-name`.
    """
    if isinstance(name, bytes | bytearray | memoryview):
        name = bytes(name).decode("latin-1")
    if not isinstance(name, str):
        raise TypeError(f"names of headers must be text or bytes, not {type(name).__name__}; {_HOW}")
    return name.lower().replace("_", "-").removeprefix("http-")


def _text(value: Any, name: str) -> str | None:
    if isinstance(value, list | tuple):  # all values of that header
        return _text(value[-1], name) if value else None
    if isinstance(value, bytes | bytearray | memoryview):
        value = bytes(value).decode("latin-1")
    if value is not None and not isinstance(value, str):
        raise TypeError(f"header {name} must be text or bytes, not {type(value).__name__}")
    return value if value is None else value.strip(" \t")
