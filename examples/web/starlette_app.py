"""The same application with Starlette alone: `python examples/web/starlette_app.py`."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypedDict

from ending import told_to_stop
from film import Film, Order
from films import PAGE, STREAM, Films
from locally import serve_asgi
from shelf import Shelf
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from webhooks import Webhooks

from eversince_async import Eversince, WebhookReceiver


class State(TypedDict):
    """What every request finds in `request.state`."""

    films: Films
    receiver: WebhookReceiver | None


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[State]:
    """One client for the process, made inside its event loop and closed before that ends."""
    eversince = Eversince()
    films = Films(eversince, Shelf.from_environment())
    secret = os.environ.get("EVERSINCE_WEBHOOK_SECRET")
    receiver = WebhookReceiver(eversince, secret=secret) if secret else None
    try:
        with told_to_stop(films.end_streams):
            yield {"films": films, "receiver": receiver}
    finally:
        await films.aclose()


async def page(request: Request) -> Response:
    return FileResponse(PAGE)


async def pulse(request: Request) -> Response:
    return JSONResponse(all_films(request).pulse())


async def order(request: Request) -> Response:
    try:
        film = all_films(request).order(Order.of(await request.body()))
    except ValueError as error:
        raise HTTPException(422, str(error)) from error
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
    film = all_films(request).find(request.path_params["film_id"])
    if film is None:
        raise HTTPException(404, "there is no such film")
    return film


app = Starlette(
    routes=[
        Route("/", page),
        Route("/pulse", pulse),
        Route("/films", order, methods=["POST"]),
        Route("/films/{film_id}", show),
        Route("/films/{film_id}/events", events),
        Route("/webhooks/eversince", Webhooks(), methods=["POST"]),
    ],
    lifespan=lifespan,
)

if __name__ == "__main__":
    serve_asgi(app)
