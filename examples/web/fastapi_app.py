"""A FastAPI application that makes films.

Run `python examples/web/fastapi_app.py`, then open http://127.0.0.1:8000. Without EVERSINCE_API_KEY it runs
with a local emulator, at a minute a second. In production: `uvicorn --app-dir examples/web fastapi_app:app
--timeout-graceful-shutdown 10`.
"""

import asyncio
import logging
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypeVar

from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from film import Film, Order
from films import STREAM, Films
from guard import WEBHOOKS, Refused, customer_of, key_of
from guarded import Guarded
from lifespan import call_on_stop
from page import PAGE, page_headers
from run_local import serve_asgi
from starlette.routing import Route
from storage import FilmStorage
from webhooks import Webhooks
from words import explained, link, plain

from eversince_async import ClientClosed, Eversince, EversinceError, WebhookReceiver, Workflow

T = TypeVar("T")

logger = logging.getLogger("films")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """Provide one client for the process.

    It is created in the event loop and closed before the loop ends.
    """
    eversince = Eversince()
    films = Films(eversince, FilmStorage.from_environment())
    secret = os.environ.get("EVERSINCE_WEBHOOK_SECRET")
    receiver = WebhookReceiver(eversince, secret=secret) if secret else None
    try:
        with call_on_stop(films.end_streams):
            yield {"eversince": eversince, "films": films, "receiver": receiver}
    finally:
        await films.aclose()


app = FastAPI(title="Films to order", lifespan=lifespan)
app.add_middleware(Guarded)
app.router.routes.append(Route(WEBHOOKS, Webhooks(), methods=["POST"]))


def client(request: Request) -> Eversince:
    return request.state.eversince  # type: ignore[no-any-return]  # Starlette's state is untyped


def all_films(request: Request) -> Films:
    return request.state.films  # type: ignore[no-any-return]  # likewise


def film_of(film_id: str, films: Annotated[Films, Depends(all_films)]) -> Film:
    return films.find(film_id)


def customer(request: Request) -> str:
    return customer_of(request.headers.get("Cookie"), request.client.host if request.client else None)


async def order_of(request: Request) -> Order:
    """Parse an order without a pydantic model.

    Invalid orders are then refused as in the other applications of this folder.
    """
    return Order.of(await request.body())


OneFilm = Annotated[Film, Depends(film_of)]
AllFilms = Annotated[Films, Depends(all_films)]
Customer = Annotated[str, Depends(customer)]
AnOrder = Annotated[Order, Depends(order_of)]


@app.get("/")
async def page(request: Request) -> Response:
    return Response(PAGE, headers=page_headers(request.headers.get("Cookie")))


@app.get("/pulse")
async def pulse(films: AllFilms) -> dict[str, Any]:
    return films.pulse()


@app.post("/films", status_code=201)
async def order(wish: AnOrder, customer: Customer, films: AllFilms) -> dict[str, Any]:
    """Begin a film in the background and respond at once."""
    return films.order(customer, wish).to_json()


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
    wish: AnOrder,
    customer: Customer,
    request: Request,
    films: AllFilms,
    eversince: Annotated[Eversince, Depends(client)],
    idempotency_key: Annotated[str | None, Header()] = None,
) -> dict[str, Any]:
    """Make a film while the customer waits, as a script would.

    The response comes when the film is done. If the customer hangs up, the film goes on. A request with the
    same Idempotency-Key gets that film; another customer's key is a different key.
    """
    key = key_of(customer, idempotency_key or uuid.uuid4().hex)
    films.admit(customer, key)
    workflow = eversince.produce(wish.brief, aspect_ratio=wish.aspect_ratio, idempotency_key=key)
    film = await while_connected(request, workflow)
    urls = {"share_url": link(film.share_url), "video_url": link(film.video_url)}
    return {"project_id": plain(film.project_id, 100), **urls}


async def while_connected(request: Request, workflow: Workflow[T]) -> T:
    """Await a workflow while the customer is connected.

    By itself FastAPI would continue after the customer has gone.
    """

    async def hung_up() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    making, leaving = workflow.start(), asyncio.create_task(hung_up())
    try:
        await asyncio.wait({making, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if making.done():
            return making.result()
        raise HTTPException(499, "the customer has gone")  # reaches no one
    finally:
        making.cancel()
        leaving.cancel()
        await asyncio.wait({making, leaving})


@app.exception_handler(Refused)
async def refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refused)
    return JSONResponse(error.to_json(), error.status)


@app.exception_handler(EversinceError)
async def explain(_: Request, error: Exception) -> JSONResponse:
    """Respond to an error in the application's words, and log it."""
    assert isinstance(error, EversinceError)
    logger.warning("a film could not be made: %s", plain(error))
    words = explained(error)
    status = 503 if isinstance(error, ClientClosed) else 502
    return JSONResponse({"error": f"{words['title']}. {words['text']}"}, status)


if __name__ == "__main__":
    serve_asgi(app)
