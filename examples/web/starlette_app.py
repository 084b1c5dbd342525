"""The same application with Starlette alone: `python examples/web/starlette_app.py`."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypedDict

from films import PAGE, Film, Films
from locally import kept, serve_asgi
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from eversince_async import Eversince, WebhookReceiver


class State(TypedDict):
    """What every request finds in `request.state`."""

    films: Films


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[State]:
    """One client for the process, made inside its event loop and closed before that ends."""
    eversince = Eversince()
    films = Films(eversince, kept())
    if secret := os.environ.get("EVERSINCE_WEBHOOK_SECRET"):
        app.router.routes.append(
            Route("/webhooks/eversince", WebhookReceiver(eversince, secret=secret).asgi, methods=["POST"])
        )
    try:
        yield {"films": films}
    finally:
        await films.aclose()


async def page(request: Request) -> Response:
    return FileResponse(PAGE)


async def governor(request: Request) -> Response:
    return JSONResponse(all_films(request).governor())


async def order(request: Request) -> Response:
    wanted = await request.json()
    film = all_films(request).order(wanted["brief"], wanted.get("aspect_ratio", "16:9"))
    return JSONResponse(film.to_json(), 201)


async def show(request: Request) -> Response:
    return JSONResponse(film_of(request).to_json())


async def events(request: Request) -> Response:
    watching = all_films(request).watch(film_of(request))
    return StreamingResponse(watching, media_type="text/event-stream", headers={"Cache-Control": "no-store"})


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
        Route("/governor", governor),
        Route("/films", order, methods=["POST"]),
        Route("/films/{film_id}", show),
        Route("/films/{film_id}/events", events),
    ],
    lifespan=lifespan,
)

if __name__ == "__main__":
    serve_asgi(app)
