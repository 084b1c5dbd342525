"""The same application with Litestar: `python examples/web/litestar_app.py`."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from film import Film, Order
from films import STREAM, Films
from guard import WEBHOOKS, Refused, customer_of
from guarded import Guarded, refuse
from lifespan import call_on_stop
from litestar import Litestar, Request, Response, asgi, get, post
from litestar.response import Stream
from litestar.types import Receive, Scope, Send
from page import PAGE, page_headers
from run_local import serve_asgi
from storage import FilmStorage

from eversince_async import Eversince, WebhookReceiver

AnyRequest = Request[Any, Any, Any]


@asynccontextmanager
async def lifespan(app: Litestar) -> AsyncIterator[None]:
    """Provide one client for the process.

    It is created in the event loop and closed before the loop ends.
    """
    eversince = Eversince()
    films = app.state.films = Films(eversince, FilmStorage.from_environment())
    secret = os.environ.get("EVERSINCE_WEBHOOK_SECRET")
    app.state.receiver = WebhookReceiver(eversince, secret=secret) if secret else None
    try:
        with call_on_stop(films.end_streams):
            yield
    finally:
        await films.aclose()


@get("/", media_type="text/html")
async def page(request: AnyRequest) -> Response[bytes]:
    headers = page_headers(request.headers.get("Cookie"))
    media_type = headers.pop("Content-Type")
    return Response(PAGE, media_type=media_type, headers=headers)


@get("/pulse")
async def pulse(request: AnyRequest) -> dict[str, Any]:
    return all_films(request).pulse()


@post("/films")
async def order(request: AnyRequest) -> dict[str, Any]:
    address = request.client.host if request.client else None
    customer = customer_of(request.headers.get("Cookie"), address)
    return all_films(request).order(customer, Order.of(await request.body())).to_json()


@get("/films/{film_id:str}")
async def show(request: AnyRequest) -> dict[str, Any]:
    return film_of(request).to_json()


@get("/films/{film_id:str}/events")
async def events(request: AnyRequest) -> Response[Any]:
    film, films, last_seen = film_of(request), all_films(request), request.headers.get("Last-Event-ID")
    if not films.is_news(film, last_seen):
        return Response(None, status_code=204)  # tells a browser not to come back
    return Stream(films.watch(film, last_seen), media_type="text/event-stream", headers=STREAM)


@asgi(WEBHOOKS, is_mount=True, copy_scope=True)
async def webhook(scope: Scope, receive: Receive, send: Send) -> None:
    receiver = scope["litestar_app"].state.receiver
    if receiver is None:
        await refuse(Refused(404, "no webhooks are expected"), send)  # type: ignore[arg-type]  # Litestar has its own ASGI types
    else:
        await receiver.asgi(scope, receive, send)


def all_films(request: AnyRequest) -> Films:
    return request.app.state.films  # type: ignore[no-any-return]  # Litestar's state is untyped


def film_of(request: AnyRequest) -> Film:
    return all_films(request).find(request.path_params["film_id"])


def refused(_: AnyRequest, error: Refused) -> Response[dict[str, str]]:
    return Response(error.to_json(), status_code=error.status)


in_litestar = Litestar(
    [page, pulse, order, show, events, webhook],
    lifespan=[lifespan],
    exception_handlers={Refused: refused},
    openapi_config=None,
)
app = Guarded(in_litestar)  # type: ignore[arg-type]  # as above

if __name__ == "__main__":
    serve_asgi(app)
