"""Handles, with which another process or a later run resumes a production."""

from collections.abc import Mapping
from typing import Any, Final, Self

import attrs

from eversince_async._wire.converter import structure, unstructure
from eversince_async.errors import InvalidRequest, InvalidResponse
from eversince_async.models._repr import format_value
from eversince_async.models.projects import Brief
from eversince_async.orchestrator.options import DeliveryOptions, ShareOptions


@attrs.frozen(kw_only=True)
class Handle:
    """A production that can be resumed, also by another process.

    `to_json()` gives plain values without secrets, and `eversince.resume()` accepts them.

    Attributes:
        key: The idempotency key of the create.
        project_id: The project's id; None while it is not known.
        delivery: The work to do once the agent is done.
        brief: The brief to create the project from; None once the project is known.
    """

    key: str
    project_id: str | None
    delivery: DeliveryOptions
    brief: Brief | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values that `json.dumps` accepts."""
        share = self.delivery.share
        return {
            "key": self.key,
            "project_id": self.project_id,
            "brief": None if self.brief is None else unstructure(self.brief),
            "render": self.delivery.render,
            "share": None if share is None else share.to_json(),
            "download": self.delivery.download,
            "replaces": self.delivery.replaces,
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Self:
        """Build a handle from the values of `to_json`.

        Raises:
            InvalidRequest: The values are not those of a handle.
        """
        try:
            fields = {name: plain[name] for name in _FIELDS}
        except (KeyError, TypeError) as problem:
            raise InvalidRequest({"handle": f"is not what Handle.to_json() gives: {problem!r}"}) from None
        _check(fields)
        share, brief = fields["share"], fields["brief"]
        delivery = DeliveryOptions(
            render=fields["render"],
            share=None if share is None else ShareOptions(**share),
            download=fields["download"],
            replaces=fields["replaces"],
        )
        return cls(
            key=fields["key"],
            project_id=fields["project_id"],
            brief=None if brief is None else _brief(brief),
            delivery=delivery,
        )


_FIELDS: Final = ("key", "project_id", "brief", "render", "share", "download", "replaces")
_OPTIONAL_TEXTS: Final = ("project_id", "render", "download")


def _check(fields: Mapping[str, Any]) -> None:
    """Refuse values that `to_json` never gives.

    A handle may have been changed since it was written.
    """
    problems = {
        f"handle.{name}": f"must be text or null, not {format_value(fields[name], text=40)}"
        for name in _OPTIONAL_TEXTS
        if not isinstance(fields[name], str | None) or fields[name] == ""
    }
    if not isinstance(fields["key"], str) or not fields["key"]:
        problems["handle.key"] = f"must be text, not {format_value(fields['key'], text=40)}"
    if not isinstance(fields["replaces"], bool):
        problems["handle.replaces"] = (
            f"must be true or false, not {format_value(fields['replaces'], text=40)}"
        )
    share = fields["share"]
    if share is not None and not _is_share(share):
        problems["handle.share"] = (
            f"must be null or texts for title and description, not {format_value(share, text=40)}"
        )
    if problems:
        raise InvalidRequest(problems)


def _is_share(share: object) -> bool:
    names = {field.name for field in attrs.fields(ShareOptions)}
    return isinstance(share, Mapping) and all(
        name in names and isinstance(value, str) for name, value in share.items()
    )


def _brief(plain: Any) -> Brief:
    try:
        return structure(plain, Brief, "$.brief")
    except InvalidResponse as unreadable:  # the values came from the caller, not from a response
        raise InvalidRequest({f"handle{unreadable.path.removeprefix('$')}": unreadable.problem}) from None
