"""Reference media, to which a brief or a message points the agent."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

import attrs

from eversince_async import limits
from eversince_async.models._base import Request


class ReferenceType(StrEnum):
    """The kind of a referenced URL's content."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    URL = "url"
    """A page whose content the agent reads; at most three in one request."""


@attrs.frozen(kw_only=True, repr=False, eq=False)
class UploadReference(Request):
    """A file that was uploaded before.

    Attributes:
        upload_id: The id in the response to the confirmation of the upload.
    """

    upload_id: str


@attrs.frozen(kw_only=True, repr=False, eq=False)
class UrlReference(Request):
    """Media or a page on the web.

    Attributes:
        url: The address.
        type: The kind of content.
    """

    url: str
    type: ReferenceType | str


Reference = UploadReference | UrlReference


def url_references_problem(references: object) -> Mapping[str, str]:
    """Return a problem for more than three references of type `url`.

    The documentation does not say if a `{"url": …, "type": "image"}` counts as well, so the server decides.
    """
    if not isinstance(references, Sequence):
        return {}
    count = sum(isinstance(each, UrlReference) and each.type == ReferenceType.URL for each in references)
    if count <= limits.URL_REFERENCES:
        return {}
    return {"references": f"has {count} of type url; at most {limits.URL_REFERENCES} are taken"}
