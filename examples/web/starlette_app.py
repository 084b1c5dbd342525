"""The same application with Starlette alone: `python examples/web/starlette_app.py`."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypedDict

from film import Film, Order
from films import STREAM, Films
from guard import WEBHOOKS, Refused, customer_of
from guarded import Guarded
from lifespan import call_on_stop
from page import PAGE, page_headers
from run_local import serve_asgi
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from storage import FilmStorage
from webhooks import Webhooks

from eversince_async import Eversince, WebhookReceiver


class State(TypedDict):
    """The values that every request has in `request.state`."""

    films: Films
    receiver: WebhookReceiver | None


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[State]:
    """Provide one client for the process.

    It is created in the event loop and closed before the loop ends.
    """
    eversince = Eversince()
    films = Films(eversince, FilmStorage.from_environment())
    secret = os.environ.get("EVERSINCE_WEBHOOK_SECRET")
    receiver = WebhookReceiver(eversince, secret=secret) if secret else None
    try:
        with call_on_stop(films.end_streams):
            yield {"films": films, "receiver": receiver}
    finally:
        await films.aclose()


async def page(request: Request) -> Response:
    return Response(PAGE, headers=page_headers(request.headers.get("Cookie")))


async def pulse(request: Request) -> Response:
    return JSONResponse(all_films(request).pulse())


async def order(request: Request) -> Response:
    film = all_films(request).order(customer(request), Order.of(await request.body()))
    return JSONResponse(film.to_json(), 201)


async def show(request: Request) -> Response:
    return JSONResponse(film_of(request).to_json())


async def events(request: Request) -> Response:
    film, films, last_seen = film_of(request), all_films(request), request.headers.get("Last-Event-ID")
    if not films.is_news(film, last_seen):
        return Response(status_code=204)  # tells a browser not to come back
    return StreamingResponse(films.watch(film, last_seen), media_type="text/event-stream", headers=STREAM)


def all_films(request: Request) -> Films:
    return request.state.films  # type: ignore[no-any-return]  # Starlette's state is untyped


def film_of(request: Request) -> Film:
    return all_films(request).find(request.path_params["film_id"])


def customer(request: Request) -> str:
    return customer_of(request.headers.get("Cookie"), request.client.host if request.client else None)


async def refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return JSONResponse(error.to_json(), error.status)


app = Starlette(
    routes=[
        Route("/", page),
        Route("/pulse", pulse),
        Route("/films", order, methods=["POST"]),
        Route("/films/{film_id}", show),
        Route("/films/{film_id}/events", events),
        Route(WEBHOOKS, Webhooks(), methods=["POST"]),
    ],
    lifespan=lifespan,
    middleware=[Middleware(Guarded)],
    exception_handlers={Refused: refused},
)

if __name__ == "__main__":
    serve_asgi(app)
