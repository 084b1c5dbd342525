"""The same application with Django's async views: `python examples/web/django_app.py`.

Served by an ASGI server: under WSGI every request has an event loop of its own, and a client has one.
"""

import os
from collections.abc import Awaitable, Callable
from typing import Any

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST
from ending import told_to_stop
from film import Film, Order
from films import PAGE, STREAM, Films
from locally import serve_asgi
from shelf import Shelf

from eversince_async import Eversince, WebhookReceiver

if not settings.configured:  # a project of yours has settings.py and urls.py
    settings.configure(
        ALLOWED_HOSTS=["127.0.0.1", "localhost"],
        ROOT_URLCONF=__name__,
        SECRET_KEY=os.environ.get("SECRET_KEY", "only for trying it out"),
    )
    django.setup()


class Studio:
    """What lives as long as the process: Django has no place for it, so it is a module's."""

    films: Films
    receiver: WebhookReceiver | None = None


@require_GET
async def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(PAGE.read_bytes())


@require_GET
async def pulse(request: HttpRequest) -> HttpResponse:
    return JsonResponse(Studio.films.pulse())


@csrf_exempt  # this page has no cookies to forge with; keep the token where there are sessions
@require_POST
async def order(request: HttpRequest) -> HttpResponse:
    try:
        film = Studio.films.order(Order.of(request.body))
    except ValueError as error:
        return HttpResponse(str(error), status=422)
    return JsonResponse(film.to_json(), status=201)


@require_GET
async def show(request: HttpRequest, film_id: str) -> HttpResponse:
    return JsonResponse(film_of(film_id).to_json())


@require_GET
async def events(request: HttpRequest, film_id: str) -> HttpResponseBase:
    film, last_seen = film_of(film_id), request.headers.get("Last-Event-ID")
    if not Studio.films.is_news(film, last_seen):
        return HttpResponse(status=204)  # tells a browser not to come back
    stream = Studio.films.watch(film, last_seen)
    return StreamingHttpResponse(stream, content_type="text/event-stream", headers=STREAM)


@csrf_exempt  # the signature says who sent it
async def webhook(request: HttpRequest) -> HttpResponse:
    if Studio.receiver is None:
        raise Http404
    verdict = Studio.receiver.receive(request.headers, request.body)
    return HttpResponse(verdict.body, status=verdict.status, headers=verdict.headers)


def film_of(film_id: str) -> Film:
    film = Studio.films.find(film_id)
    if film is None:
        raise Http404("there is no such film")
    return film


urlpatterns = [
    path("", page),
    path("pulse", pulse),
    path("films", order),
    path("films/<str:film_id>", show),
    path("films/<str:film_id>/events", events),
    path("webhooks/eversince", webhook),
]

in_django = get_asgi_application()


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Django, and around it the lifespan that Django itself does not know."""
    if scope["type"] != "lifespan":
        await in_django(scope, receive, send)
        return
    await receive()
    eversince = Eversince()
    Studio.films = Films(eversince, Shelf.from_environment())
    secret = os.environ.get("EVERSINCE_WEBHOOK_SECRET")
    Studio.receiver = WebhookReceiver(eversince, secret=secret) if secret else None
    with told_to_stop(Studio.films.end_streams):
        await send({"type": "lifespan.startup.complete"})
        await receive()
    await Studio.films.aclose()
    await send({"type": "lifespan.shutdown.complete"})


if __name__ == "__main__":
    serve_asgi(app)
