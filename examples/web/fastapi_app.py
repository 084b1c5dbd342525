"""A FastAPI application that makes films: `python examples/web/fastapi_app.py`, then http://127.0.0.1:8000.

Without EVERSINCE_API_KEY it runs beside a local Eversince of its own, at a minute a second. In production:
`uvicorn --app-dir examples/web fastapi_app:app --timeout-graceful-shutdown 10`.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from films import PAGE, Film, Films
from locally import kept, serve_asgi
from pydantic import BaseModel, Field
from starlette.routing import Route

from eversince_async import ClientClosed, Eversince, EversinceError, WebhookReceiver


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """One client for the process, made inside its event loop and closed before that ends."""
    eversince = Eversince()
    films = Films(eversince, kept())
    if secret := os.environ.get("EVERSINCE_WEBHOOK_SECRET"):
        receiver = WebhookReceiver(eversince, secret=secret)
        app.router.routes.append(Route("/webhooks/eversince", receiver.asgi, methods=["POST"]))
    try:
        yield {"eversince": eversince, "films": films}
    finally:
        await films.aclose()


app = FastAPI(title="Films to order", lifespan=lifespan)


def client(request: Request) -> Eversince:
    return request.state.eversince  # type: ignore[no-any-return]  # Starlette's state is untyped


def all_films(request: Request) -> Films:
    return request.state.films  # type: ignore[no-any-return]  # likewise


def film_of(film_id: str, films: Annotated[Films, Depends(all_films)]) -> Film:
    film = films.find(film_id)
    if film is None:
        raise HTTPException(404, "there is no such film")
    return film


OneFilm = Annotated[Film, Depends(film_of)]
AllFilms = Annotated[Films, Depends(all_films)]


class Order(BaseModel):
    """What a customer asks for."""

    brief: str = Field(min_length=1, max_length=10_000)
    aspect_ratio: str = "16:9"


@app.get("/")
async def page() -> FileResponse:
    return FileResponse(PAGE)


@app.get("/governor")
async def governor(films: AllFilms) -> dict[str, Any]:
    return films.governor()


@app.post("/films", status_code=201)
async def order(order: Order, films: AllFilms) -> dict[str, Any]:
    """Begin a film in the background; the answer comes at once."""
    return films.order(order.brief, order.aspect_ratio).to_json()


@app.get("/films/{film_id}")
async def show(film: OneFilm) -> dict[str, Any]:
    return film.to_json()


@app.get("/films/{film_id}/events")
async def events(film: OneFilm, films: AllFilms) -> StreamingResponse:
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # proxies must not collect them
    return StreamingResponse(films.watch(film), media_type="text/event-stream", headers=headers)


@app.post("/produce")
async def produce(order: Order, eversince: Annotated[Eversince, Depends(client)]) -> dict[str, Any]:
    """Make a film while the customer waits, as a script would: the answer comes when it is done."""
    film = await eversince.produce(order.brief, aspect_ratio=order.aspect_ratio)
    return {"project_id": film.project_id, "share_url": film.share_url, "video_url": film.video_url}


@app.exception_handler(EversinceError)
async def explain(_: Request, error: Exception) -> JSONResponse:
    status = 503 if isinstance(error, ClientClosed) else 502
    return JSONResponse({"error": str(error)}, status)


if __name__ == "__main__":
    serve_asgi(app)
