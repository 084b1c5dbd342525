"""The same application with Django's async views: `python examples/web/django_app.py`.

An ASGI server serves it: under WSGI every request has a separate event loop, but a client belongs to one.
"""

import os
from collections.abc import Awaitable, Callable

import django
from asgiref.sync import markcoroutinefunction
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST
from film import Order
from films import STREAM, Films
from guard import WEBHOOKS, Refused, customer_of
from guarded import Guarded, Receive, Scope, Send, refuse
from lifespan import call_on_stop
from page import PAGE, page_headers
from run_local import serve_asgi
from storage import FilmStorage

from eversince_async import Eversince, WebhookReceiver

if not settings.configured:  # your project has settings.py and urls.py
    settings.configure(
        ALLOWED_HOSTS=["*"],  # the guard has checked it
        MIDDLEWARE=[f"{__name__}.Refusals"],
        ROOT_URLCONF=__name__,
        SECRET_KEY=os.environ.get("SECRET_KEY", "only for trying it out"),
    )
    django.setup()


class Studio:
    """The objects that live as long as the process.

    Django has no place for them, so they belong to this module.
    """

    films: Films
    receiver: WebhookReceiver | None = None


@require_GET
async def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(PAGE, headers=page_headers(request.headers.get("Cookie")))


@require_GET
async def pulse(request: HttpRequest) -> HttpResponse:
    return JsonResponse(Studio.films.pulse())


@csrf_exempt  # the guard accepts orders of this page only
@require_POST
async def order(request: HttpRequest) -> HttpResponse:
    customer = customer_of(request.headers.get("Cookie"), request.META.get("REMOTE_ADDR"))
    film = Studio.films.order(customer, Order.of(request.body))
    return JsonResponse(film.to_json(), status=201)


@require_GET
async def show(request: HttpRequest, film_id: str) -> HttpResponse:
    return JsonResponse(Studio.films.find(film_id).to_json())


@require_GET
async def events(request: HttpRequest, film_id: str) -> HttpResponseBase:
    film, last_seen = Studio.films.find(film_id), request.headers.get("Last-Event-ID")
    if not Studio.films.is_news(film, last_seen):
        return HttpResponse(status=204)  # tells a browser not to come back
    stream = Studio.films.watch(film, last_seen)
    return StreamingHttpResponse(stream, content_type="text/event-stream", headers=STREAM)


class Refusals:
    """A Django middleware that responds to refusals of this application's code."""

    async_capable = True
    sync_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]]) -> None:
        markcoroutinefunction(self)
        self._get_response = get_response

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass a request on."""
        return await self._get_response(request)

    def process_exception(self, _: HttpRequest, error: Exception) -> HttpResponse | None:
        """Respond in place of a view that raised."""
        return JsonResponse(error.to_json(), status=error.status) if isinstance(error, Refused) else None


urlpatterns = [
    path("", page),
    path("pulse", pulse),
    path("films", order),
    path("films/<str:film_id>", show),
    path("films/<str:film_id>/events", events),
]

in_django = Guarded(get_asgi_application())


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve Django and the parts that it does not support.

    These are the lifespan, and bodies that are not read to the end.
    """
    if scope["type"] == "http" and scope["path"] == WEBHOOKS:
        if Studio.receiver is None:
            await refuse(Refused(404, "no webhooks are expected"), send)
        else:
            await Studio.receiver.asgi(scope, receive, send)
        return
    if scope["type"] != "lifespan":
        await in_django(scope, receive, send)
        return
    await receive()
    eversince = Eversince()
    Studio.films = Films(eversince, FilmStorage.from_environment())
    secret = os.environ.get("EVERSINCE_WEBHOOK_SECRET")
    Studio.receiver = WebhookReceiver(eversince, secret=secret) if secret else None
    with call_on_stop(Studio.films.end_streams):
        await send({"type": "lifespan.startup.complete"})
        await receive()
    await Studio.films.aclose()
    await send({"type": "lifespan.shutdown.complete"})


if __name__ == "__main__":
    serve_asgi(app)
