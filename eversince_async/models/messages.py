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
    """The author of a message; open."""

    USER = "user"
    ASSISTANT = "assistant"


@attrs.frozen(kw_only=True, repr=False, eq=False)
class MessageDraft(Request):
    """Feedback or direction for the agent.

    Messages also make, switch and delete variations.

    Attributes:
        message: The text. 8,000 characters are safe on every server; the pages said 10,000.
        references: Up to ten uploads or URLs, of which up to three of type `url`.
        extract_content: True to let the server fetch and read referenced pages (its default), False to pass
            their addresses on unchanged.
    """

    message: str = attrs.field(
        metadata=length(
            limits.BRIEF_CHARACTERS, least=1, advice=f" ({limits.BRIEF_CHARACTERS_SAFE:,} is safe)"
        )
    )
    references: Sequence[Reference] | Unset = attrs.field(default=UNSET, metadata=length(limits.REFERENCES))
    extract_content: bool | Unset = UNSET

    def problems(self) -> dict[str, str]:
        """Return the problems, including too many references of type `url`."""
        return {**url_references_problem(self.references), **super().problems()}


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Message(Model):
    """One message of the conversation.

    Attributes:
        id: The message's id; also the cursor for the messages before or after it.
        role: `user` or `assistant`.
        content: The text; empty for an internal marker.
        source: The origin of the message, e.g. `chat`; any text.
        created_at: The time of creation.
    """

    id: str
    role: Role | str | None = None
    content: str = ""
    source: str | None = None
    created_at: datetime | None = None

    @property
    def is_marker(self) -> bool:
        """True if the message only marks an internal step.

        Such a step is, for example, the dispatch of generations. The message has no text to show.
        """
        return not self.content


@attrs.frozen(kw_only=True, repr=False, eq=False)
class MessagePage(Response):
    """One page of `GET /projects/:id/messages`.

    Attributes:
        messages: At most 50 messages, markers included. Their order is not documented; examples show the
            oldest first.
        has_more: True if there are more messages in the requested direction.
    """

    messages: tuple[Message, ...]
    has_more: bool | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class SentMessage(Response):
    """The confirmation that the agent received a message and started working.

    Attributes:
        id: The project's id.
        status: `running`.
    """

    id: str
    status: ProjectStatus | str | None = None
