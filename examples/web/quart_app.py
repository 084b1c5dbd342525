"""The same application with Quart: `python examples/web/quart_app.py`."""

import os
from contextlib import ExitStack
from typing import Any

from film import Order
from films import STREAM, Films
from guard import LARGEST, WEBHOOKS, Refused, customer_of
from guarded import Guarded, Receive, Scope, Send, refuse
from lifespan import call_on_stop
from page import PAGE, page_headers
from quart import Quart, Response, current_app, jsonify, request
from run_local import serve_asgi
from storage import FilmStorage

from eversince_async import Eversince, WebhookReceiver

in_quart = Quart(__name__, static_folder=None)
in_quart.config["MAX_CONTENT_LENGTH"] = LARGEST


@in_quart.before_serving
async def begin() -> None:
    """Create one client for the process, inside its event loop.

    `end` closes it before the loop ends.
    """
    eversince = Eversince()
    films = in_quart.extensions["films"] = Films(eversince, FilmStorage.from_environment())
    secret = os.environ.get("EVERSINCE_WEBHOOK_SECRET")
    in_quart.extensions["receiver"] = WebhookReceiver(eversince, secret=secret) if secret else None
    signals = in_quart.extensions["signals"] = ExitStack()
    signals.enter_context(call_on_stop(films.end_streams))


@in_quart.after_serving
async def end() -> None:
    in_quart.extensions["signals"].close()
    await in_quart.extensions["films"].aclose()


@in_quart.get("/")
async def page() -> Response:
    return Response(PAGE, headers=page_headers(request.headers.get("Cookie")))


@in_quart.get("/pulse")
async def pulse() -> dict[str, Any]:
    return all_films().pulse()


@in_quart.post("/films")
async def order() -> tuple[dict[str, Any], int]:
    customer = customer_of(request.headers.get("Cookie"), request.remote_addr)
    film = all_films().order(customer, Order.of(bytes(await request.body)))
    return film.to_json(), 201


@in_quart.get("/films/<film_id>")
async def show(film_id: str) -> dict[str, Any]:
    return all_films().find(film_id).to_json()


@in_quart.get("/films/<film_id>/events")
async def events(film_id: str) -> Response:
    films, last_seen = all_films(), request.headers.get("Last-Event-ID")
    film = films.find(film_id)
    if not films.is_news(film, last_seen):
        return Response(status=204)  # tells a browser not to come back
    response = Response(films.watch(film, last_seen), content_type="text/event-stream", headers=STREAM)
    response.timeout = None  # a film has no time limit
    return response


@in_quart.errorhandler(Refused)
async def refused(error: Refused) -> tuple[Response, int]:
    return jsonify(error.to_json()), error.status


def all_films() -> Films:
    return current_app.extensions["films"]  # type: ignore[no-any-return]  # Quart's extensions are untyped


guarded = Guarded(in_quart)  # type: ignore[arg-type]  # Quart has its own ASGI types


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve Quart, and next to it the webhook receiver.

    The receiver responds before the whole body has arrived.
    """
    if scope["type"] != "http" or scope["path"] != WEBHOOKS:
        await guarded(scope, receive, send)
    elif (receiver := in_quart.extensions["receiver"]) is None:
        await refuse(Refused(404, "no webhooks are expected"), send)
    else:
        await receiver.asgi(scope, receive, send)


if __name__ == "__main__":
    serve_asgi(app)
