"""Uploads: reference files in three steps (ticket, PUT, confirmation)."""

from enum import StrEnum

import attrs

from eversince_async import limits
from eversince_async.models._base import LOCAL, Request, Response
from eversince_async.models.references import UploadReference


class UploadType(StrEnum):
    """What an uploaded file is; open."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"


@attrs.frozen(kw_only=True, repr=False, eq=False)
class UploadRequest(Request):
    """A file that wants to be uploaded.

    Attributes:
        file_name: Its name.
        content_type: Its MIME type; the PUT must say the same.
        file_size: Bytes: at most 10 MB for an image, 50 MB for audio, 500 MB for video.
    """

    file_name: str
    content_type: str
    file_size: int

    def problems(self) -> dict[str, str]:
        """As for every request; besides, a size that is negative or above the limit for its kind.

        Types are left to the server: the documents list different ones.
        """
        return {**_size_problem(self.content_type, self.file_size), **super().problems()}


def _size_problem(content_type: object, size: object) -> dict[str, str]:
    if not isinstance(content_type, str) or not isinstance(size, int):
        return {}
    kind = content_type.partition("/")[0].lower()
    most = limits.UPLOAD_BYTES.get(kind)
    if size < 0:
        return {"file_size": f"is {size}; give the number of bytes"}
    if most is not None and size > most:
        return {"file_size": f"is {size:,} bytes; for {kind} at most {most:,} are taken"}
    return {}


@attrs.frozen(kw_only=True, repr=False, eq=False)
class UploadConfirmation(Request):
    """A file that was PUT to where its ticket said.

    Attributes:
        r2_key: From the ticket.
        file_name: As for the ticket.
        file_size: As for the ticket, in bytes.
        content_type: As for the ticket.
    """

    r2_key: str
    file_name: str
    file_size: int
    content_type: str


@attrs.frozen(kw_only=True, repr=False, eq=False)
class UploadTicket(Response):
    """Where to PUT a file.

    Attributes:
        upload_url: Presigned: whoever has it can write, so its query string is never shown. No
            `Authorization` header may go along.
        r2_key: To confirm with.
        expires_in: Seconds the URL lives (3600).
    """

    upload_url: str
    r2_key: str
    expires_in: float | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Upload(Response):
    """A file the agent can be pointed at.

    Attributes:
        upload_id: Its id, for references.
        type: `image`, `video` or `audio`.
        existed: Whether it had been confirmed before (status 200).
    """

    upload_id: str
    type: UploadType | str | None = None
    existed: bool = attrs.field(default=False, metadata=LOCAL)

    @property
    def reference(self) -> UploadReference:
        """What to put into the `references` of a brief or message."""
        return UploadReference(upload_id=self.upload_id)
