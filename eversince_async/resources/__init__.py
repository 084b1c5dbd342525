"""Typed methods for every endpoint, a file per section of the reference.

`Resources` holds all of them over one session. Every method raises what `Session.send` raises, takes `extra`
for fields this version does not know yet, and is one logical call. A call is retried if that is harmless; it
is never sent twice if that could do something twice.
"""

from functools import cached_property

from eversince_async.resources.account import Account
from eversince_async.resources.content import Content
from eversince_async.resources.discovery import Discovery
from eversince_async.resources.feedback import FeedbackBox
from eversince_async.resources.keys import Keys
from eversince_async.resources.memories import Memories
from eversince_async.resources.messages import Messages
from eversince_async.resources.output import Output
from eversince_async.resources.projects import Projects
from eversince_async.resources.skills import Skills
from eversince_async.resources.uploads import Uploads
from eversince_async.session.session import Session
from eversince_async.transfers.store import Store


class Resources:
    """All resource clients over one session."""

    def __init__(self, session: Session, store: Store) -> None:
        self._session = session
        self._store = store

    @cached_property
    def projects(self) -> Projects:
        """Projects: create, list, read, change, cancel, discover and adopt them."""
        return Projects(self._session)

    @cached_property
    def messages(self) -> Messages:
        """The conversation with a project's agent."""
        return Messages(self._session)

    @cached_property
    def content(self) -> Content:
        """Timeline, assets, variations and the agent's working memory."""
        return Content(self._session)

    @cached_property
    def output(self) -> Output:
        """Renders and public links."""
        return Output(self._session)

    @cached_property
    def uploads(self) -> Uploads:
        """Uploads of files that briefs and messages refer to."""
        return Uploads(self._session, self._store)

    @cached_property
    def account(self) -> Account:
        """Credits, packages, learned preferences and shares."""
        return Account(self._session)

    @cached_property
    def skills(self) -> Skills:
        """Standing instructions over all projects."""
        return Skills(self._session)

    @cached_property
    def memories(self) -> Memories:
        """Short facts the agent reads at run time (May 2026)."""
        return Memories(self._session)

    @cached_property
    def discovery(self) -> Discovery:
        """Models, voices and cost estimates."""
        return Discovery(self._session)

    @cached_property
    def keys(self) -> Keys:
        """API keys of the account."""
        return Keys(self._session)

    @cached_property
    def feedback(self) -> FeedbackBox:
        """Bugs, suggestions and questions to the vendor."""
        return FeedbackBox(self._session)


__all__ = ["Resources"]
