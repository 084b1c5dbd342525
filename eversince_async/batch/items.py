"""Items of a batch, parsed from briefs, texts, mappings or arguments."""

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Mapping
from typing import Any, Final

import attrs

from eversince_async._wire.converter import structure, unstructure
from eversince_async._wire.endpoints import CREATE_PROJECT
from eversince_async._wire.requests import build
from eversince_async.batch.fields import PAGE, file_of, is_empty, looks_like_an_error, page_of, render_of
from eversince_async.errors import EversinceError, InvalidRequest, InvalidResponse
from eversince_async.journal import Journal, Json
from eversince_async.models._base import UNSET
from eversince_async.models._repr import format_value
from eversince_async.models.projects import Brief
from eversince_async.orchestrator.events import Event
from eversince_async.orchestrator.options import DeliveryOptions, WaitPolicy
from eversince_async.pipelines.definition import Pipeline
from eversince_async.pipelines.runner import PipelineCall
from eversince_async.pipelines.serialization import Serializer
from eversince_async.resources._brief import OPTIONS, unknown_option

PipelineInput = Any
"""The input of a pipeline: its arguments, in any of three forms.

A tuple of arguments, a mapping of them (which may have a `key`), or a single argument.
"""

BatchInput = Brief | str | Mapping[str, Any]
"""The input of an item: a brief, its text, or a mapping.

A mapping holds the arguments of `projects.create`, and `key`, `render`, `share`, `share_title`,
`share_description` and `download` for this item.
"""

OWN: Final = ("key", "render", "share", *PAGE, "download")
"""Fields that a mapping may have besides the arguments of `projects.create`."""


SENT: Final = frozenset({"brief", *OPTIONS} - {"extra"})
"""Fields of a mapping that are sent to the server."""
_KNOWN: Final = frozenset({"brief", *OPTIONS, *OWN})


@attrs.frozen(kw_only=True)
class Item:
    """One video to make.

    Attributes:
        key: The item's name in the journal.
        index: The item's number among all items, from 0.
        input: The input that the item was parsed from.
        call: The pipeline to run, with its arguments; None for a brief.
        call_spec: The part of the call that is compared; see `spec`.
        brief: The brief of the project, without an idempotency key unless the input had one.
        delivery: The steps to take once the agent is done.
        error: The reason why the item cannot be made; None if it can.
        derived_key: The idempotency key that the item has on other machines as well; None if no other machine
            makes it.
        makes_share: True if this machine makes the public page that the item asks for.
    """

    key: str
    index: int
    input: Any = attrs.field(repr=False)
    call: PipelineCall | None = None
    call_spec: Json = None
    brief: Brief | None = None
    delivery: DeliveryOptions = attrs.field(factory=DeliveryOptions)
    error: EversinceError | None = None
    derived_key: str | None = None
    makes_share: bool = True

    @property
    def to_do(self) -> DeliveryOptions:
        """The steps that this machine takes once the agent is done."""
        return self.delivery if self.makes_share else attrs.evolve(self.delivery, share=None)

    @property
    def spec(self) -> Json:
        """The values that later input under the same key must match.

        The target of the download is not among them.
        """
        if self.call is not None:
            return self.call_spec
        assert self.brief is not None
        share = self.delivery.share
        return {
            "brief": unstructure(self.brief),
            "render": self.delivery.render,
            "share": None if share is None else share.to_json(),
        }


@attrs.frozen(kw_only=True)
class ItemParser:
    """A parser of briefs, texts and mappings.

    Attributes:
        options: Options of all briefs that do not set their own.
        delivery: The delivery of all items that do not set their own.
    """

    options: Mapping[str, Any]
    delivery: DeliveryOptions

    def parse(self, index: int, given: BatchInput) -> Item:
        """Parse one input; an unreadable input gives an item with an error.

        The key defaults to the item's number, from 1.
        """
        key = str(index + 1)
        try:
            if isinstance(given, Mapping):
                key = str(given.get("key") or key)
                brief, delivery = self._parse_mapping(given)
            else:
                brief, delivery = self._brief(given), self._wishes()
        except InvalidResponse as unreadable:  # there was no response: the input cannot be read
            problem: EversinceError = InvalidRequest({unreadable.path.removeprefix("$."): unreadable.problem})
            return Item(key=key, index=index, input=given, error=problem)
        except EversinceError as unreadable:
            return Item(key=key, index=index, input=given, error=unreadable)
        problems = brief.problems()
        if is_empty(brief.brief):
            problems["brief"] = "is empty; say what to make"
        elif looks_like_an_error(brief.brief):
            problems["brief"] = f"is {brief.brief}, an error of a spreadsheet; say what to make"
        wrong = InvalidRequest(problems) if problems else _unsendable(brief)
        return Item(key=key, index=index, input=given, brief=brief, delivery=delivery, error=wrong)

    def _wishes(self, **changes: Any) -> DeliveryOptions:
        """Return an item's delivery; a batch replaces only files of its own."""
        return attrs.evolve(self.delivery, **changes, replaces=False)

    def _brief(self, given: Brief | str) -> Brief:
        if isinstance(given, str):
            return Brief(brief=given, **self.options)
        if not isinstance(given, Brief):
            raise InvalidRequest({"item": f"must be a Brief, a text or a mapping, not {given!r:.50}"})
        missing = {name: value for name, value in self.options.items() if getattr(given, name) is UNSET}
        return attrs.evolve(given, **missing)

    def _parse_mapping(self, given: Mapping[str, Any]) -> tuple[Brief, DeliveryOptions]:
        extra = given.get("extra") or {}
        problems = {
            str(name): unknown_option(str(name), ("brief", *OWN)) for name in given if name not in _KNOWN
        }
        if not isinstance(extra, Mapping):
            problems["extra"] = f"must be a mapping of fields, not {format_value(extra, text=40)}"
        if problems:
            raise InvalidRequest(problems)
        plain = {name: value for name, value in given.items() if name in SENT and value is not None}
        brief = plain.pop("brief", None)
        if isinstance(brief, Brief):
            whole = self._brief(attrs.evolve(brief, **plain, extra={**brief.extra, **extra}))
        else:
            text = {} if brief is None else {"brief": brief}
            whole = structure({**_json_options(self.options), **text, **plain, **extra}, Brief, "$")
            whole = self._brief(whole)
        delivery = self._wishes(
            render=render_of(given, self.delivery.render),
            share=page_of(given, self.delivery.share),
            download=self.delivery.download
            if is_empty(download := given.get("download"))
            else file_of(download, self.delivery.download),
        )
        return whole, delivery


@attrs.frozen(kw_only=True)
class PipelineItemParser:
    """A parser of a pipeline's inputs.

    Attributes:
        pipeline: The pipeline.
        storing: Serializes the arguments, for the comparison.
        delivery: No delivery; the pipeline itself decides what is done with its productions.
    """

    pipeline: Pipeline[..., Any]
    storing: Serializer
    delivery: DeliveryOptions = attrs.field(factory=lambda: DeliveryOptions(render=None), init=False)

    def parse(self, index: int, given: PipelineInput) -> Item:
        """Parse one input; wrong arguments give an item with an error."""
        key, args, kwargs = str(index + 1), tuple[Any, ...](), dict[str, Any]()
        match given:
            case Mapping():
                kwargs = {str(name): value for name, value in given.items() if name != "key"}
                key = str(given.get("key") or key)
            case tuple():
                args = given
            case _:
                args = (given,)
        order = PipelineCall(pipeline=self.pipeline, args=args, kwargs=kwargs)
        try:
            spec = order.spec(self.storing)
        except TypeError as refusal:
            problem = InvalidRequest({"item": str(refusal)})
            return Item(key=key, index=index, input=given, error=problem)
        return Item(key=key, index=index, input=given, call=order, call_spec=spec)


def _unsendable(brief: Brief) -> InvalidRequest | None:
    """Return the reason why a brief cannot be sent, or None.

    The `extra` fields of a brief may hold any values.
    """
    try:
        build(CREATE_PROJECT, body=brief)
    except InvalidRequest as problem:
        return problem
    return None


def _json_options(options: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in options.items() if isinstance(value, str | bool)}


async def iterate(items: Iterable[Any] | AsyncIterable[Any]) -> AsyncGenerator[Any, None]:
    """Yield the items of a synchronous or asynchronous iterable."""
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item


OnEvent = Callable[[str, Event], object]
"""A callback for events, called with an item's key and the event."""


@attrs.define(kw_only=True)
class BatchOptions:
    """The options of a batch; see `eversince.batch`."""

    items: Iterable[Any] | AsyncIterable[Any]
    parser: ItemParser | PipelineItemParser
    policy: WaitPolicy
    journal: Journal | None
    opens_journal: bool
    concurrency: int | None
    retry_failed: bool
    refetch: bool
    allow_other_account: bool
    idempotent_as: str | None
    is_told_to_share: bool
    max_credits: float | None
    on_event: OnEvent | None
    drain_on_interrupt: bool
