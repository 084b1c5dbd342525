"""Uploads: reference files in three steps (ticket, PUT, confirmation)."""

from enum import StrEnum

import attrs

from eversince_async import limits
from eversince_async.models._base import LOCAL, Request, Response
from eversince_async.models.references import UploadReference


class UploadType(StrEnum):
    """The kind of an uploaded file; open."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"


@attrs.frozen(kw_only=True, repr=False, eq=False)
class UploadRequest(Request):
    """A request to upload a file.

    Attributes:
        file_name: The file's name.
        content_type: The file's MIME type; the PUT must send the same type.
        file_size: The size in bytes: at most 10 MB for an image, 50 MB for audio, 500 MB for video.
    """

    file_name: str
    content_type: str
    file_size: int

    def problems(self) -> dict[str, str]:
        """Return the problems, including an impossible size.

        A size is impossible if it is negative or above the limit for its kind of file. The server judges the
        types, because the documents list different ones.
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
    """A request to confirm an uploaded file.

    Attributes:
        r2_key: The key in the ticket.
        file_name: The same name as in the request for the ticket.
        file_size: The same size, in bytes.
        content_type: The same MIME type.
    """

    r2_key: str
    file_name: str
    file_size: int
    content_type: str


@attrs.frozen(kw_only=True, repr=False, eq=False)
class UploadTicket(Response):
    """The address to PUT a file to.

    Attributes:
        upload_url: The presigned address. Everyone who has it can write, so its query string is never shown.
            The PUT must not have an `Authorization` header.
        r2_key: The key for the confirmation.
        expires_in: The lifetime of the address in seconds (3600).
    """

    upload_url: str
    r2_key: str
    expires_in: float | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Upload(Response):
    """An uploaded file, which briefs and messages can refer to.

    Attributes:
        upload_id: The id for references.
        type: `image`, `video` or `audio`.
        existed: True if the upload had been confirmed before (HTTP status 200).
    """

    upload_id: str
    type: UploadType | str | None = None
    existed: bool = attrs.field(default=False, metadata=LOCAL)

    @property
    def reference(self) -> UploadReference:
        """The item for the `references` of a brief or message."""
        return UploadReference(upload_id=self.upload_id)
