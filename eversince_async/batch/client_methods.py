"""`eversince.batch`, as users call it."""

import os
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from typing import Any, Final, Unpack, overload

from eversince_async.batch.batch import Batch
from eversince_async.batch.items import (
    BatchInput,
    BatchOptions,
    ItemParser,
    OnEvent,
    PipelineInput,
    PipelineItemParser,
    iterate,
)
from eversince_async.batch.plan import Plan
from eversince_async.durable.decision import resolve_in_doubt
from eversince_async.errors import ConfigurationError
from eversince_async.journal import Journal
from eversince_async.journal.opening import JournalLike, open_journal
from eversince_async.models.projects import Brief
from eversince_async.orchestrator.options import (
    DEFAULT_DELIVERY,
    Quality,
    ShareOptions,
    Timeouts,
    WaitPolicy,
    delivery_options,
)
from eversince_async.orchestrator.runtime import Runtime
from eversince_async.pipelines.definition import Pipeline
from eversince_async.pipelines.runner import PipelineCall
from eversince_async.pipelines.serialization import Serializer
from eversince_async.resources._brief import BriefOptions, need_options

PRICED: Final = 5
"""Finished films whose operations are priced, by default."""


class BatchMethods:
    """Batches over a desk."""

    _runtime: Runtime

    @overload
    def batch(
        self,
        items: Iterable[BatchInput] | AsyncIterable[BatchInput],
        *,
        pipeline: None = None,
        journal: str | os.PathLike[str] | Journal | None = None,
        render: Quality | None = "1080p",
        share: bool | ShareOptions | None = None,
        download: str | os.PathLike[str] | None = None,
        timeouts: Timeouts | None = None,
        wait_for_quota: bool = True,
        concurrency: int | None = None,
        retry_failed: bool = False,
        refetch: bool = False,
        allow_other_account: bool = False,
        idempotent_as: str | None = None,
        max_credits: float | None = None,
        on_event: OnEvent | None = None,
        drain_on_interrupt: bool = True,
        **options: Unpack[BriefOptions],
    ) -> Batch: ...

    @overload
    def batch(
        self,
        items: Iterable[PipelineInput] | AsyncIterable[PipelineInput],
        *,
        pipeline: Pipeline[..., Any],
        journal: str | os.PathLike[str] | Journal | None = None,
        timeouts: Timeouts | None = None,
        wait_for_quota: bool = True,
        concurrency: int | None = None,
        retry_failed: bool = False,
        allow_other_account: bool = False,
        max_credits: float | None = None,
        on_event: OnEvent | None = None,
        drain_on_interrupt: bool = True,
    ) -> Batch: ...

    def batch(
        self,
        items: Iterable[Any] | AsyncIterable[Any],
        *,
        pipeline: Pipeline[..., Any] | None = None,
        journal: str | os.PathLike[str] | Journal | None = None,
        render: Quality | None = "1080p",
        share: bool | ShareOptions | None = None,
        download: str | os.PathLike[str] | None = None,
        timeouts: Timeouts | None = None,
        wait_for_quota: bool = True,
        concurrency: int | None = None,
        retry_failed: bool = False,
        refetch: bool = False,
        allow_other_account: bool = False,
        idempotent_as: str | None = None,
        max_credits: float | None = None,
        on_event: OnEvent | None = None,
        drain_on_interrupt: bool = True,
        **options: Unpack[BriefOptions],
    ) -> Batch:
        """Produce many videos, each once, also if the process dies and is started again.

        Await it for a `Report`, or open it with `async with` for the outcomes as they come. One item's
        failure touches no other. Items are read as there is room for them, so there may be any number.

        With a journal, the same items again go on where it stopped: finished ones are skipped, unfinished
        ones resumed, and so are those that lack a public page or a file that is asked for. Items are told
        apart by their `key`, or without one by their place in the order.

        With a pipeline, each item is a run of it under the item's key. One that comes to an approval nobody
        has given yet gives its place up: its outcome is `paused`, with `ApprovalPending`, and the same batch
        goes on with it later. A `run.sleep` keeps its place.

        Args:
            items: Briefs, texts, or mappings of what `projects.create` takes; in these also `key`, `render`,
                `share` and `download` of their own. Any iterable, asynchronous or not. With a pipeline, what
                that takes: a tuple of its arguments, a mapping of them, which may have a `key`, or a single
                one.
            pipeline: What to run for each item; then what becomes of productions is its business, and the
                options for them do not apply.
            journal: A file for `SqliteJournal`, or an open journal; None remembers nothing.
            render: As for `produce`. What has not been rendered may be given another quality later. The first
                item of a quality other than 1080p goes alone until a render of it was accepted: whether the
                account may have it is not to be learned otherwise. A 403 holds back all that want it, here
                and in later runs for a day; their outcomes are `paused`, with `QualityRefused`.
            share: As for `produce`; None is True. With `idempotent_as`, what makes this machine the one that
                makes public pages, those that items ask for included: None and False make none here.
            download: The folder for the videos; made if there is none.
            timeouts: As for `produce`.
            wait_for_quota: When today's projects or renders are used up: wait for another day, or stop.
            concurrency: Items at work at most; by default a few more than the account has slots.
            retry_failed: Whether items that failed in an earlier run are tried again, those whose project was
                deleted with another one; and qualities asked for that the account was refused.
            refetch: Whether files that an earlier run has downloaded, and that were removed since, are
                downloaded again; else they are told of (`Outcome.missing`). Nothing is rendered for it.
            allow_other_account: Whether a journal that was begun with another server or account goes on with
                this one, and is this one's from then on. Rows under way are looked for here.
            idempotent_as: A name for these items on all machines that work on them and share no journal. Then
                each item's idempotency key follows from the name, the item's key and its brief, so that no
                project is made twice; projects are looked at before they are rendered; and public pages are
                made only where `share` is given as true. The journal remembers the name. What remains: a
                project that failed frees its key, so that another machine may make one more, and how long
                the server remembers keys is not documented.
            max_credits: Begin nothing any more once so many credits are spent in this run, whatever is bought
                meanwhile, or when fewer are left than the limits' `credits_reserve`. The balance is asked for
                as each item begins and ends, and every 30 seconds while something is made; what has begun is
                finished, and costs what it costs. So that it can be, the first is made alone, which tells
                about what one costs, and no more are at work than the credits carry. Where no answer tells
                the balance, nothing more is begun once the first item has ended. None: nothing is held back
                before the balance is low, which is below 100 credits for each item at work at once as long as
                it is not known what one costs; then no more are begun than it carries, about.
            on_event: Called with an item's key and each event of its production.
            drain_on_interrupt: Whether the first Ctrl-C drains the batch, as `Batch.drain` does, and only the
                second interrupts.
            **options: Everything else that `projects.create` takes, for items that do not say otherwise.

        Raises:
            ConfigurationError: An option makes no sense.
            InvalidRequest: `render` is no word that we know.
            TypeError: There is no such option.
        """
        if concurrency is not None and concurrency < 1:
            raise ConfigurationError(f"concurrency must be at least 1, not {concurrency}")
        _need_several(items)
        if idempotent_as is not None and (pipeline is not None or not idempotent_as.strip()):
            raise ConfigurationError("idempotent_as is a name, and for briefs only, not for a pipeline")
        if refetch and pipeline is not None:
            raise ConfigurationError("with a pipeline, its files are its own business: refetch does nothing")
        opens = isinstance(journal, str | os.PathLike)
        if isinstance(journal, str | os.PathLike):
            from eversince_async.journal.sqlite import SqliteJournal

            journal = SqliteJournal(journal)
        parser = _intake(options, render, share is None or share, download)
        order = BatchOptions(
            items=items,
            parser=parser if pipeline is None else self._pipeline_parser(pipeline, parser),
            policy=WaitPolicy(timeouts=timeouts or Timeouts(), wait_for_quota=wait_for_quota),
            journal=journal,
            opens_journal=opens,
            concurrency=concurrency,
            retry_failed=retry_failed,
            refetch=refetch,
            allow_other_account=allow_other_account,
            idempotent_as=idempotent_as,
            is_told_to_share=bool(share),
            max_credits=max_credits,
            on_event=on_event,
            drain_on_interrupt=drain_on_interrupt,
        )
        return Batch(self._runtime, order)

    async def plan(
        self,
        items: Iterable[BatchInput] | AsyncIterable[BatchInput],
        *,
        journal: str | os.PathLike[str] | Journal | None = None,
        render: Quality | None = "1080p",
        share: bool | ShareOptions | None = None,
        download: str | os.PathLike[str] | None = None,
        retry_failed: bool = False,
        allow_other_account: bool = False,
        idempotent_as: str | None = None,
        films: int = PRICED,
        **options: Unpack[BriefOptions],
    ) -> Plan:
        """Find out what a batch of these items would do, and about what that would cost.

        Nothing is made, paid for or written; the account is read, with two requests and some for `films`. The
        API prices operations, not briefs. So it tells what films of a kind have cost: those made alone in a
        batch of this client or journal, by the change of the balance; else what the operations in finished
        timelines would cost. Where there is neither, it is unknown.

        Args:
            items: As for `batch`; all are held in memory. They have to be there for the batch as well, so an
                iterator, which can be read only once, is refused.
            journal: What remembers earlier runs: a file, of which a copy is read, so that it is neither
                changed nor made; or an open journal. What it knows as finished, or begun, is not new.
            render: As for `batch`.
            share: As for `batch`.
            download: As for `batch`.
            retry_failed: As for `batch`.
            allow_other_account: As for `batch`.
            idempotent_as: As for `batch`. What other machines have made already is not known here, and new.
            films: How many finished films of the account are priced at most, with two requests each, where
                no other cost is known.
            **options: As for `batch`.

        Raises:
            ConfigurationError: The items can be read only once, or are a single one.
            JournalError: The journal cannot be read, or is of another account (`OtherAccount`).
            EversinceError: The balance cannot be asked for.
            TypeError: There is no such option.
        """
        from eversince_async.batch.planner import make_plan

        _need_several(items)
        if _is_one_shot(items):
            raise ConfigurationError(
                "these items can be read only once, and none would be left for the batch: give a list, say"
            )
        parser = _intake(options, render, share is None or share, download)
        given = [item async for item in iterate(items)]
        return await make_plan(
            self._runtime,
            [parser.parse(index, each) for index, each in enumerate(given)],
            journal,
            retry_failed=retry_failed,
            allow_other_account=allow_other_account,
            idempotent_as=idempotent_as,
            is_told_to_share=bool(share),
            films=films,
        )

    def _pipeline_parser(self, pipeline: Pipeline[..., Any], parser: ItemParser) -> PipelineItemParser:
        if not isinstance(pipeline, Pipeline):
            raise ConfigurationError(f"{pipeline!r} is no pipeline: put @pipeline above the function")
        if parser.options or parser.delivery != DEFAULT_DELIVERY:
            raise ConfigurationError("with a pipeline, what its productions are to be stands in its function")
        storing = Serializer(self._runtime)
        PipelineCall(pipeline=pipeline).check_result_type(storing)
        return PipelineItemParser(pipeline=pipeline, storing=storing)

    async def decide(
        self, key: str, created: str | None, *, effect: str | None = None, journal: JournalLike = None
    ) -> None:
        """Say what has become of something that nobody else can tell: see `InDoubt`.

        Very rarely, looking does not tell whether something happened before a process died: two new shares
        may be an item's, say. Its outcome is `paused`, with `InDoubt` that says where to look. Once you have
        said what you have found, the same batch, or pipeline, goes on with it.

        Args:
            key: The item's key, or the pipeline's.
            created: What it has made: the address of the public page, the id of the project; None: nothing.
            effect: What is in doubt, by its name in the journal; needed when several are.
            journal: A file, or an open journal; by default as for `run`.

        Raises:
            JournalError: That is not in doubt, is worked on right now, or belongs to another item.
        """
        async with open_journal(journal) as opened:
            await resolve_in_doubt(opened, key, created, effect)


def _need_several(items: object) -> None:
    if isinstance(items, str | bytes | Mapping | Brief):
        raise ConfigurationError("a single item would be taken apart: give several, in a list, say")


def _is_one_shot(items: Iterable[Any] | AsyncIterable[Any]) -> bool:
    """Whether reading the items a second time would go on where the first has stopped."""
    if isinstance(items, Iterator | AsyncIterator):
        return True
    if isinstance(items, AsyncIterable):
        return aiter(items) is aiter(items)
    return iter(items) is iter(items)


def _intake(
    options: BriefOptions,
    render: Quality | None,
    share: bool | ShareOptions,  # noqa: FBT001 - as the users' argument it stands for
    download: str | os.PathLike[str] | None,
) -> ItemParser:
    folder = None if download is None else os.path.join(download, "")
    need_options(options)
    return ItemParser(options=dict(options), delivery=delivery_options(render, share, folder))
