"""Output: the render of a video, and its public page."""

from enum import StrEnum

import attrs

from eversince_async.lifecycle import ProjectStatus
from eversince_async.models._base import UNSET, Request, Response, Unset


class Quality(StrEnum):
    """The quality of a render; open."""

    FULL_HD = "1080p"
    ULTRA_HD = "4k"
    """Needs a Pro subscription."""


@attrs.frozen(kw_only=True, repr=False, eq=False)
class RenderRequest(Request):
    """A request for a render.

    Attributes:
        quality: `1080p` or `4k`. It is always sent, because the documentation does not say that the body may
            be left out.
    """

    quality: Quality | str = Quality.FULL_HD


@attrs.frozen(kw_only=True, repr=False, eq=False)
class ShareRequest(Request):
    """The words of the public page.

    Attributes:
        title: The page's title.
        description: The page's description.
    """

    title: str | Unset = UNSET
    description: str | Unset = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class RenderStarted(Response):
    """The confirmation that a render has started.

    The render has ended when the project is idle again.

    Attributes:
        id: The project's id.
        status: `rendering`.
        quality: `1080p` or `4k`.
    """

    id: str
    status: ProjectStatus | str | None = None
    quality: Quality | str | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Share(Response):
    """A public page with the rendered video.

    Attributes:
        share_url: The address of the page.
        video_url: The address of the video file; unlike `assembled_url`, it does not expire.
    """

    share_url: str
    video_url: str | None = None
