"""A FastAPI application that makes films: `python examples/web/fastapi_app.py`, then http://127.0.0.1:8000.

Without EVERSINCE_API_KEY it runs beside a local Eversince of its own, at a minute a second. In production:
`uvicorn --app-dir examples/web fastapi_app:app --timeout-graceful-shutdown 10`.
"""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal, TypeVar

from ending import told_to_stop
from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from film import LONGEST, Film, Order
from films import PAGE, STREAM, Films
from locally import serve_asgi
from pydantic import BaseModel, Field
from shelf import Shelf
from starlette.routing import Route
from webhooks import Webhooks

from eversince_async import ClientClosed, Eversince, EversinceError, WebhookReceiver, Workflow

T = TypeVar("T")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """One client for the process, made inside its event loop and closed before that ends."""
    eversince = Eversince()
    films = Films(eversince, Shelf.from_environment())
    secret = os.environ.get("EVERSINCE_WEBHOOK_SECRET")
    receiver = WebhookReceiver(eversince, secret=secret) if secret else None
    try:
        with told_to_stop(films.end_streams):
            yield {"eversince": eversince, "films": films, "receiver": receiver}
    finally:
        await films.aclose()


app = FastAPI(title="Films to order", lifespan=lifespan)
app.router.routes.append(Route("/webhooks/eversince", Webhooks(), methods=["POST"]))


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


class Wish(BaseModel):
    """What a customer asks for; what else FastAPI is told of an `Order`."""

    brief: str = Field(min_length=1, max_length=LONGEST)
    aspect_ratio: Literal["16:9", "9:16", "1:1", "21:9"] = "16:9"


@app.get("/")
async def page() -> FileResponse:
    return FileResponse(PAGE)


@app.get("/pulse")
async def pulse(films: AllFilms) -> dict[str, Any]:
    return films.pulse()


@app.post("/films", status_code=201)
async def order(wish: Wish, films: AllFilms) -> dict[str, Any]:
    """Begin a film in the background; the answer comes at once."""
    return films.order(Order(wish.brief, wish.aspect_ratio)).to_json()


@app.get("/films/{film_id}")
async def show(film: OneFilm) -> dict[str, Any]:
    return film.to_json()


@app.get("/films/{film_id}/events")
async def events(
    film: OneFilm, films: AllFilms, last_event_id: Annotated[str | None, Header()] = None
) -> Response:
    if not films.is_news(film, last_event_id):
        return Response(status_code=204)  # tells a browser not to come back
    stream = films.watch(film, last_event_id)
    return StreamingResponse(stream, media_type="text/event-stream", headers=STREAM)


@app.post("/produce")
async def produce(
    wish: Wish,
    request: Request,
    eversince: Annotated[Eversince, Depends(client)],
    idempotency_key: Annotated[str | None, Header()] = None,
) -> dict[str, Any]:
    """Make a film while the customer waits, as a script would: the answer comes when it is done.

    A customer who hangs up leaves the film at work. Asking again with the same Idempotency-Key gets that one.
    """
    key = idempotency_key or uuid.uuid4().hex
    workflow = eversince.produce(wish.brief, aspect_ratio=wish.aspect_ratio, idempotency_key=key)
    film = await while_connected(request, workflow)
    return {"project_id": film.project_id, "share_url": film.share_url, "video_url": film.video_url}


async def while_connected(request: Request, workflow: Workflow[T]) -> T:
    """Await it as long as the customer does; by itself FastAPI goes on, for nobody."""

    async def hung_up() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    making, leaving = workflow.start(), asyncio.create_task(hung_up())
    try:
        await asyncio.wait({making, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if making.done():
            return making.result()
        raise HTTPException(499, "the customer has gone")  # which nobody hears
    finally:
        making.cancel()
        leaving.cancel()
        await asyncio.wait({making, leaving})


@app.exception_handler(EversinceError)
async def explain(_: Request, error: Exception) -> JSONResponse:
    status = 503 if isinstance(error, ClientClosed) else 502
    return JSONResponse({"error": str(error)}, status)


if __name__ == "__main__":
    serve_asgi(app)
