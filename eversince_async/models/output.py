"""Output: rendering to one video, and sharing it."""

from enum import StrEnum

import attrs

from eversince_async.lifecycle import ProjectStatus
from eversince_async.models._base import UNSET, Request, Response, Unset


class Quality(StrEnum):
    """How a video is rendered; open."""

    FULL_HD = "1080p"
    ULTRA_HD = "4k"
    """Needs a Pro subscription."""


@attrs.frozen(kw_only=True, repr=False, eq=False)
class RenderRequest(Request):
    """How to render.

    Attributes:
        quality: `1080p` or `4k`. Always sent: whether the body may be left out is not documented.
    """

    quality: Quality | str = Quality.FULL_HD


@attrs.frozen(kw_only=True, repr=False, eq=False)
class ShareRequest(Request):
    """What the public page says.

    Attributes:
        title: Its title.
        description: Its description.
    """

    title: str | Unset = UNSET
    description: str | Unset = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class RenderStarted(Response):
    """A render is under way; it has ended when the project is idle again.

    Attributes:
        id: The project.
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
        share_url: The page.
        video_url: The video itself; other than `assembled_url`, it does not expire.
    """

    share_url: str
    video_url: str | None = None
