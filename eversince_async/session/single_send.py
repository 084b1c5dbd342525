"""One request of aiohttp, sent only once.

When a connection breaks, aiohttp repeats idempotent requests by itself, unseen by the governor, the observers
and the retry rules: a delete would come back as "no such thing", a half-read stream would be sent as whole.
There is no option against that, and a borrowed session is not ours to change.
"""

from typing import Any, Final

import aiohttp
from yarl import URL

HAS_MIDDLEWARES: Final = hasattr(aiohttp, "ClientMiddlewareType")  # from aiohttp 3.12 on


class BrokenConnection(aiohttp.ClientError):
    """The connection broke, in a class that aiohttp does not repeat a request for."""


def request_once(http: aiohttp.ClientSession, method: str, url: URL, **options: Any) -> Any:
    """Do as `http.request` does, and leave repeating to the caller.

    Args:
        http: Whose connections to use; nothing about it is changed.
        method: The HTTP method.
        url: Where to.
        options: What `http.request` takes.

    Raises:
        BrokenConnection: On entering the context, where aiohttp would have repeated the request.
    """
    if HAS_MIDDLEWARES:
        theirs = getattr(http, "_middlewares", ())  # of a borrowed session: ours would replace them
        return http.request(method, url, middlewares=(_break, *theirs), **options)
    # It repeats methods with these exact names. One in lower case is none of them, and is sent in upper case.
    return http.request(method.lower(), url, **options)


async def _break(request: aiohttp.ClientRequest, send: Any) -> aiohttp.ClientResponse:
    try:
        response: aiohttp.ClientResponse = await send(request)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        raise  # never connected, and not repeated
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise BrokenConnection(str(error)) from None
    return response
