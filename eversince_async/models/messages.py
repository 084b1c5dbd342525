"""Messages: the conversation with the agent of one project."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import attrs

from eversince_async import limits
from eversince_async.lifecycle import ProjectStatus
from eversince_async.models._base import UNSET, Model, Request, Response, Unset
from eversince_async.models._checks import length
from eversince_async.models.references import Reference, url_references_problem


class Role(StrEnum):
    """Who speaks; open."""

    USER = "user"
    ASSISTANT = "assistant"


@attrs.frozen(kw_only=True, repr=False, eq=False)
class MessageDraft(Request):
    """Feedback or direction for the agent; also the way to make, switch and delete variations.

    Attributes:
        message: What to say. 8,000 characters are safe on every server; the pages said 10,000.
        references: Up to ten uploads or URLs, of which up to three of type `url`.
        extract_content: Fetch referenced pages and read them (the server's default), or pass their
            addresses on as they are.
    """

    message: str = attrs.field(
        metadata=length(
            limits.BRIEF_CHARACTERS, least=1, advice=f" ({limits.BRIEF_CHARACTERS_SAFE:,} is safe)"
        )
    )
    references: Sequence[Reference] | Unset = attrs.field(default=UNSET, metadata=length(limits.REFERENCES))
    extract_content: bool | Unset = UNSET

    def problems(self) -> dict[str, str]:
        """As for every request; besides, at most three references of type `url`."""
        return {**url_references_problem(self.references), **super().problems()}


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Message(Model):
    """One message of the conversation.

    Attributes:
        id: The message; also the cursor for the messages before or after it.
        role: `user` or `assistant`.
        content: What was said; empty for an internal marker.
        source: Where it was said, e.g. `chat`; any text.
        created_at: When.
    """

    id: str
    role: Role | str | None = None
    content: str = ""
    source: str | None = None
    created_at: datetime | None = None

    @property
    def is_marker(self) -> bool:
        """Whether this only marks an internal step, such as dispatched generations: nothing to show."""
        return not self.content


@attrs.frozen(kw_only=True, repr=False, eq=False)
class MessagePage(Response):
    """One page of `GET /projects/:id/messages`.

    Attributes:
        messages: At most 50, markers included. Their order is not documented: examples show the oldest first.
        has_more: Whether there are more in the direction asked for.
    """

    messages: tuple[Message, ...]
    has_more: bool | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class SentMessage(Response):
    """The agent took a message and went to work.

    Attributes:
        id: The project.
        status: `running`.
    """

    id: str
    status: ProjectStatus | str | None = None
