"""Output: render and share. Source: the output page and the catalogue."""

from eversince_async._wire.endpoints import RENDER, SHARE
from eversince_async.models._base import UNSET, Unset
from eversince_async.models.output import RenderRequest, RenderStarted, Share, ShareRequest
from eversince_async.resources._base import Extra, Resource


class Output(Resource):
    """The methods of `eversince.output`."""

    async def render(self, project_id: str, *, quality: str = "1080p", extra: Extra = None) -> RenderStarted:
        """Start rendering an idle project; at most 50 a day.

        Cancelling this call after the request has left does not stop the render; read the project before
        rendering again. `eversince.render()` also waits for the video.

        Args:
            project_id: The project.
            quality: `1080p`, or `4k`, which needs a Pro subscription.
            extra: Fields this version does not know yet.

        Raises:
            StatusConflict: The project is not idle.
            Forbidden: 4K needs a Pro subscription, which the account lacks.
            TooManyRequests: Too many requests were sent, or today's renders are used up; the code for the
                latter is not documented.
            OutcomeUnknown: The render may or may not have been started.
        """
        return await self._session.send(
            RENDER,
            RenderStarted,
            ids={"project_id": project_id},
            body=RenderRequest(quality=quality),
            extra=extra,
        )

    async def share(
        self,
        project_id: str,
        *,
        title: str | Unset = UNSET,
        description: str | Unset = UNSET,
        extra: Extra = None,
    ) -> Share:
        """Make a public link to the rendered video; it does not expire.

        Args:
            project_id: A project with a completed render.
            title: Title of the shared page.
            description: Description of the shared page.
            extra: Fields this version does not know yet.

        Raises:
            StatusConflict: The project has no render yet (400 or 409; some servers respond with `Forbidden`).
            OutcomeUnknown: The link may or may not have been made.
        """
        return await self._session.send(
            SHARE,
            Share,
            ids={"project_id": project_id},
            body=ShareRequest(title=title, description=description),
            extra=extra,
        )
