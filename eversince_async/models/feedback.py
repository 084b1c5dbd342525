"""Feedback to the vendor."""

from enum import StrEnum

import attrs

from eversince_async import limits
from eversince_async.models._base import UNSET, Request, Response, Unset
from eversince_async.models._checks import length


class FeedbackType(StrEnum):
    """What the feedback is; open."""

    BUG = "bug"
    SUGGESTION = "suggestion"
    QUESTION = "question"


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Feedback(Request):
    """Something to tell the vendor.

    Attributes:
        type: `bug`, `suggestion` or `question`.
        message: At most 5,000 characters.
        project_id: The project it is about.
    """

    type: FeedbackType | str
    message: str = attrs.field(metadata=length(limits.FEEDBACK_CHARACTERS))
    project_id: str | Unset = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class FeedbackReceipt(Response):
    """The vendor has it.

    Attributes:
        received: True.
    """

    received: bool | None = None
