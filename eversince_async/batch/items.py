"""From what a batch is given to what it makes: one item, whatever form it came in."""

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
"""What a pipeline takes: a tuple of its arguments, a mapping of them (which may have a `key`), or a single
one."""

BatchInput = Brief | str | Mapping[str, Any]
"""A brief, its text, or a mapping: what `projects.create` takes, and besides `key`, `render`, `share`,
`share_title`, `share_description` and `download` for this one."""

OWN: Final = ("key", "render", "share", *PAGE, "download")
"""What a mapping may say besides what `projects.create` takes."""


SENT: Final = frozenset({"brief", *OPTIONS} - {"extra"})
"""What a mapping may say that is sent."""
_KNOWN: Final = frozenset({"brief", *OPTIONS, *OWN})


@attrs.frozen(kw_only=True)
class Item:
    """One video to be made.

    Attributes:
        key: Its name in the journal.
        index: Its number among the items, from 0.
        input: What it was made of.
        call: The pipeline to run, with its arguments; None for a brief.
        call_spec: What is compared of that.
        brief: What to create; without an idempotency key, unless it came with one.
        delivery: What is to be done when the agent is done.
        error: Why it cannot be made; None if it can.
        derived_key: The idempotency key that it has on other machines, too; None: nobody else makes it.
        makes_share: Whether a public page that it wishes for is made here.
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
        """What is to be done here when the agent is done."""
        return self.delivery if self.makes_share else attrs.evolve(self.delivery, share=None)

    @property
    def spec(self) -> Json:
        """What is compared with what comes under this key later; where a file goes is no part of it."""
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
    """How items are read.

    Attributes:
        options: What all briefs have that do not say otherwise.
        delivery: What all items wish for that do not say otherwise.
    """

    options: Mapping[str, Any]
    delivery: DeliveryOptions

    def parse(self, index: int, given: BatchInput) -> Item:
        """Read one; what cannot be read is an item with a problem. Its key is its number, if it has none."""
        key = str(index + 1)
        try:
            if isinstance(given, Mapping):
                key = str(given.get("key") or key)
                brief, delivery = self._parse_mapping(given)
            else:
                brief, delivery = self._brief(given), self._wishes()
        except InvalidResponse as unreadable:  # nothing was answered: what was given cannot be read
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
        """Those of an item; a batch replaces no file that is not its own."""
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
            if is_empty(named := given.get("download"))
            else file_of(named, self.delivery.download),
        )
        return whole, delivery


@attrs.frozen(kw_only=True)
class PipelineItemParser:
    """How items for a pipeline are read.

    Attributes:
        pipeline: The pipeline.
        storing: Makes what is compared of its arguments.
        delivery: None: what becomes of productions is the pipeline's business.
    """

    pipeline: Pipeline[..., Any]
    storing: Serializer
    delivery: DeliveryOptions = attrs.field(factory=lambda: DeliveryOptions(render=None), init=False)

    def parse(self, index: int, given: PipelineInput) -> Item:
        """Read one; arguments that the pipeline does not take are an item with a problem."""
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
    """Why a brief cannot be written as a request: its `extra` fields may be anything."""
    try:
        build(CREATE_PROJECT, body=brief)
    except InvalidRequest as problem:
        return problem
    return None


def _json_options(options: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in options.items() if isinstance(value, str | bool)}


async def iterate(items: Iterable[Any] | AsyncIterable[Any]) -> AsyncGenerator[Any, None]:
    """The items, one at a time, whatever kind of iterable they come in."""
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item


OnEvent = Callable[[str, Event], object]
"""Told of what happens: an item's key, and the event."""


@attrs.define(kw_only=True)
class BatchOptions:
    """What a batch is asked for; see `eversince.batch`."""

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
