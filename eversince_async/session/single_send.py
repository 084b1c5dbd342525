"""An aiohttp request that is sent once, without any other credentials.

If a connection breaks, aiohttp itself repeats idempotent requests. The governor, the hooks and the retry
rules do not see that: a repeated delete would return "no such thing", and a half-read stream would be sent as
if it were whole. aiohttp has no option against this, and a borrowed session must not be changed. A borrowed
session may also have credentials of its own, from `auth=`, default headers or a `.netrc`: neither the API nor
a presigned URL must receive those.
"""

from typing import Any, Final

import aiohttp
from yarl import URL

_CREDENTIALS: Final = "Authorization"


class BrokenConnection(aiohttp.ClientError):
    """A broken connection, in a class for which aiohttp repeats no request."""


def request_once(
    http: aiohttp.ClientSession, method: str, url: URL, *, authorization: str | None = None, **options: Any
) -> Any:
    """Send a request as `http.request` does, but never repeat it.

    Args:
        http: The session whose connections are used; the session is not changed.
        method: The HTTP method.
        url: The URL.
        authorization: The only value of the `Authorization` header; None sends none, even if the session
            would.
        options: Further options of `http.request`.

    Raises:
        BrokenConnection: The connection broke, and aiohttp would have repeated the request. Raised on
            entering the context.
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

    theirs = getattr(http, "_middlewares", ())  # of a borrowed session; ours would replace them
    return http.request(method, url, middlewares=(send_once, *theirs), raise_for_status=False, **options)
