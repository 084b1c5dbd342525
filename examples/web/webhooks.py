"""Where the server posts its webhooks, for Starlette and what is built on it."""

from starlette.responses import Response
from starlette.types import Receive, Scope, Send


class Webhooks:
    """Leads to the receiver that the lifespan made; the route is there before it, and may outlive it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one delivery."""
        receiver = scope["state"]["receiver"]
        answer = Response(status_code=404) if receiver is None else receiver.asgi
        await answer(scope, receive, send)
