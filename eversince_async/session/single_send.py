"""One request of aiohttp, sent only once, and with no credentials but those we give it.

When a connection breaks, aiohttp repeats idempotent requests by itself, unseen by the governor, the observers
and the retry rules: a delete would come back as "no such thing", a half-read stream would be sent as whole.
There is no option against that, and a borrowed session is not ours to change. It may also have credentials of
its own, from `auth=`, default headers or a `.netrc`: neither the API nor a presigned URL is to get those.
"""

from typing import Any, Final

import aiohttp
from yarl import URL

_CREDENTIALS: Final = "Authorization"


class BrokenConnection(aiohttp.ClientError):
    """The connection broke, in a class that aiohttp does not repeat a request for."""


def request_once(
    http: aiohttp.ClientSession, method: str, url: URL, *, authorization: str | None = None, **options: Any
) -> Any:
    """Do as `http.request` does, and leave repeating to the caller.

    Args:
        http: Whose connections to use; nothing about it is changed.
        method: The HTTP method.
        url: Where to.
        authorization: The only value of that header; None sends none, whatever the session would.
        options: What `http.request` takes.

    Raises:
        BrokenConnection: On entering the context, where aiohttp would have repeated the request.
    """

    async def send_once(request: aiohttp.ClientRequest, send: Any) -> aiohttp.ClientResponse:
        request.headers.popall(_CREDENTIALS, None)
        if authorization is not None:
            request.headers[_CREDENTIALS] = authorization
        try:
            response: aiohttp.ClientResponse = await send(request)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            raise  # never connected, and not repeated
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            raise BrokenConnection(str(error)) from None
        return response

    theirs = getattr(http, "_middlewares", ())  # of a borrowed session: ours would replace them
    return http.request(method, url, middlewares=(send_once, *theirs), raise_for_status=False, **options)
