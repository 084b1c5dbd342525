"""The webhook route for Starlette and the frameworks built on it."""

from starlette.responses import Response
from starlette.types import Receive, Scope, Send


class Webhooks:
    """Passes deliveries to the receiver that the lifespan created.

    The route exists before the receiver, and may outlive it.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one delivery."""
        receiver = scope["state"]["receiver"]
        answer = Response(status_code=404) if receiver is None else receiver.asgi
        await answer(scope, receive, send)
