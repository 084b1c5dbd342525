"""Find headers in whatever collection of them a framework hands over."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

Headers: TypeAlias = Mapping[Any, Any] | Iterable[tuple[Any, Any]]
"""Headers of a request: a mapping or pairs, of text or bytes, with names in any case; also a WSGI environ."""

_HOW: Final = "pass a mapping or pairs, of text or bytes, a WSGI environ, or Django's META"


def find_headers(headers: Headers, *names: str) -> list[str | None]:
    """Values of some headers, in the order asked for; None for one that is missing.

    Of a header that comes several times the last one counts; no forged one gets a signature right.

    Raises:
        TypeError: This is no collection of headers; says what to pass instead.
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
    items: Any = getattr(headers, "items", None)  # some collections are no Mapping, but have its items
    found: Any = items() if callable(items) else headers
    try:
        pairs: list[Any] = list(found)
    except TypeError:
        raise _no_headers(headers) from None
    for at, pair in enumerate(pairs):
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            what = f"a {type(pair).__name__} at place {at}"
            raise TypeError(f"headers must be pairs of a name and a value, but there is {what}; {_HOW}")
    return pairs


def _refuse_request(headers: Any) -> None:
    """Refuse what only has headers inside: a request, an ASGI scope, the event of a serverless function."""
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
    """A name as HTTP/2 writes it; a WSGI environ has `HTTP_X_NAME` for `x-name`."""
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
