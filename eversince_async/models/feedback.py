"""Feedback to the vendor."""

from enum import StrEnum

import attrs

from eversince_async import limits
from eversince_async.models._base import UNSET, Request, Response, Unset
from eversince_async.models._checks import length


class FeedbackType(StrEnum):
    """The kind of feedback; open."""

    BUG = "bug"
    SUGGESTION = "suggestion"
    QUESTION = "question"


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Feedback(Request):
    """Feedback to the vendor.

    Attributes:
        type: `bug`, `suggestion` or `question`.
        message: The text, at most 5,000 characters.
        project_id: The project that the feedback is about.
    """

    type: FeedbackType | str
    message: str = attrs.field(metadata=length(limits.FEEDBACK_CHARACTERS))
    project_id: str | Unset = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class FeedbackReceipt(Response):
    """The confirmation that the vendor has received feedback.

    Attributes:
        received: True if the vendor has the feedback.
    """

    received: bool | None = None
