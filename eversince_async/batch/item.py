"""From what a batch is given to what it makes: one item, whatever form it came in."""

from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping
from typing import Any, Final

import attrs

from eversince_async._wire.converter import structure, unstructure
from eversince_async.errors import EversinceError, InvalidRequest
from eversince_async.journal import Json
from eversince_async.models._base import UNSET
from eversince_async.models.projects import Brief
from eversince_async.orchestrator.order import ShareOptions, Wishes, wishes_of

BatchInput = Brief | str | Mapping[str, Any]
"""A brief, its text, or a mapping: what `projects.create` takes, and besides `key`, `render`, `share`,
`download` for this one."""

_OWN: Final = ("key", "render", "share", "download")


@attrs.frozen(kw_only=True)
class Item:
    """One video to be made.

    Attributes:
        key: Its name in the journal.
        index: Its number among the items, from 0.
        given: What it was made of.
        brief: What to create; without an idempotency key, unless it came with one.
        wishes: What is to be done when the agent is done.
        problem: Why it cannot be made; None if it can.
    """

    key: str
    index: int
    given: BatchInput = attrs.field(repr=False)
    brief: Brief | None = None
    wishes: Wishes = attrs.field(factory=Wishes)
    problem: EversinceError | None = None

    @property
    def spec(self) -> Json:
        """What is compared with what comes under this key later; where a file goes is no part of it."""
        assert self.brief is not None
        share = self.wishes.share
        return {
            "brief": unstructure(self.brief),
            "render": self.wishes.render,
            "share": None if share is None else share.to_json(),
        }


@attrs.frozen(kw_only=True)
class Intake:
    """How items are read.

    Attributes:
        options: What all briefs have that do not say otherwise.
        wishes: What all items wish for that do not say otherwise.
    """

    options: Mapping[str, Any]
    wishes: Wishes

    def item(self, index: int, given: BatchInput) -> Item:
        """Read one; what cannot be read is an item with a problem. Its key is its number, if it has none."""
        key = str(index + 1)
        try:
            if isinstance(given, Mapping):
                key = str(given.get("key") or key)
                brief, wishes = self._of_mapping(given)
            else:
                brief, wishes = self._brief(given), self.wishes
        except EversinceError as unreadable:
            return Item(key=key, index=index, given=given, problem=unreadable)
        problems = brief.problems()
        problem = InvalidRequest(problems) if problems else None
        return Item(key=key, index=index, given=given, brief=brief, wishes=wishes, problem=problem)

    def _brief(self, given: Brief | str) -> Brief:
        if isinstance(given, str):
            return Brief(brief=given, **self.options)
        if not isinstance(given, Brief):
            raise InvalidRequest({"item": f"must be a Brief, a text or a mapping, not {given!r:.50}"})
        missing = {name: value for name, value in self.options.items() if getattr(given, name) is UNSET}
        return attrs.evolve(given, **missing)

    def _of_mapping(self, given: Mapping[str, Any]) -> tuple[Brief, Wishes]:
        plain = {name: value for name, value in given.items() if name not in _OWN and value is not None}
        brief = plain.get("brief")
        if isinstance(brief, Brief):
            whole = self._brief(attrs.evolve(brief, **{k: v for k, v in plain.items() if k != "brief"}))
        else:
            whole = structure({**_plain(self.options), **plain}, Brief, "$")
            whole = self._brief(whole)
        share: bool | ShareOptions = self.wishes.share or False
        match given.get("share"):
            case None:
                pass
            case Mapping() as shown:
                share = ShareOptions(**shown)
            case bool() | ShareOptions() as wanted:
                share = wanted
            case other:
                raise InvalidRequest({"share": f"must be true, false or a title and description: {other!r}"})
        render = given.get("render", self.wishes.render)
        return whole, wishes_of(render, share, given.get("download") or self.wishes.download)


def _plain(options: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in options.items() if isinstance(value, str | bool)}


async def each(items: Iterable[BatchInput] | AsyncIterable[BatchInput]) -> AsyncGenerator[BatchInput, None]:
    """The items, one at a time, whatever kind of iterable they come in."""
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item
