"""Reference media: what a brief or a message points the agent at."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

import attrs

from eversince_async import limits
from eversince_async.models._base import Request


class ReferenceType(StrEnum):
    """What a referenced URL leads to."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    URL = "url"
    """A page whose content the agent reads; at most three in one request."""


@attrs.frozen(kw_only=True, repr=False, eq=False)
class UploadReference(Request):
    """A file that was uploaded before.

    Attributes:
        upload_id: The id that confirming the upload answered with.
    """

    upload_id: str


@attrs.frozen(kw_only=True, repr=False, eq=False)
class UrlReference(Request):
    """Media or a page elsewhere.

    Attributes:
        url: Where it is.
        type: What it is.
    """

    url: str
    type: ReferenceType | str


Reference = UploadReference | UrlReference


def url_references_problem(references: object) -> Mapping[str, str]:
    """Refuses more than three references of type `url`.

    Whether a `{"url": …, "type": "image"}` counts as well is not documented: left to the server.
    """
    if not isinstance(references, Sequence):
        return {}
    count = sum(isinstance(each, UrlReference) and each.type == ReferenceType.URL for each in references)
    if count <= limits.URL_REFERENCES:
        return {}
    return {"references": f"has {count} of type url; at most {limits.URL_REFERENCES} are taken"}
