"""What is needed to take a production up again, elsewhere or later."""

from collections.abc import Mapping
from typing import Any, Self

import attrs

from eversince_async._wire.converter import structure, unstructure
from eversince_async.errors import InvalidRequest
from eversince_async.models.projects import Brief
from eversince_async.orchestrator.order import ShareOptions, Wishes


@attrs.frozen(kw_only=True)
class Handle:
    """A production that can be resumed, by another process if need be.

    `to_json()` gives plain values without secrets, and `eversince.resume()` takes them back.

    Attributes:
        key: The idempotency key of the create.
        project_id: The project; None while it is not known.
        wishes: What is to be done when the agent is done.
        brief: What to create, as long as the project is not known; None afterwards.
    """

    key: str
    project_id: str | None
    wishes: Wishes
    brief: Brief | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values that `json.dumps` takes."""
        share = self.wishes.share
        return {
            "key": self.key,
            "project_id": self.project_id,
            "brief": None if self.brief is None else unstructure(self.brief),
            "render": self.wishes.render,
            "share": None if share is None else share.to_json(),
            "download": self.wishes.download,
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Self:
        """From what `to_json` gave.

        Raises:
            InvalidRequest: It is something else.
        """
        try:
            share, brief = plain["share"], plain["brief"]
            return cls(
                key=plain["key"],
                project_id=plain["project_id"],
                brief=None if brief is None else structure(brief, Brief, "$.brief"),
                wishes=Wishes(
                    render=plain["render"],
                    share=None if share is None else ShareOptions(**share),
                    download=plain["download"],
                ),
            )
        except (KeyError, TypeError) as problem:
            raise InvalidRequest({"handle": f"is not what Handle.to_json() gives: {problem!r}"}) from None
