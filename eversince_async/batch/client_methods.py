"""The methods `batch`, `plan` and `decide` of a client."""

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
"""Finished videos whose operations `plan` prices by default."""


class BatchMethods:
    """The methods of a client that concern batches."""

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
        """Produce many videos, each once, even if the process dies and restarts.

        Await the batch for a `Report`, or open it with `async with` to receive the outcomes as they come. The
        failure of one item does not affect the others. The batch reads items only as there is room for them,
        so there may be any number of items.

        With a journal, a second run with the same items continues where the first one stopped: it skips
        finished items, and resumes unfinished ones and those that lack a public page or a file that is asked
        for. The batch tells items apart by their `key`, or, without a key, by their position.

        With a pipeline, each item is one run of the pipeline under the item's key. A run that comes to an
        undecided approval gives up its place: its outcome is `paused`, with `ApprovalPending`, and the same
        batch resumes it later. A run in a `run.sleep` keeps its place.

        Args:
            items: Briefs, texts, or mappings of the arguments of `projects.create`; a mapping may also hold
                its own `key`, `render`, `share` and `download`. Any iterable, synchronous or asynchronous.
                With a pipeline, the input of each run: a tuple of its arguments, a mapping of them, which may
                have a `key`, or a single argument.
            pipeline: The pipeline to run for each item. The pipeline itself then decides what is done with
                its productions, and the options for them do not apply.
            journal: A file for `SqliteJournal`, or an open journal; with None, the batch remembers nothing.
            render: As for `produce`. An item that has not been rendered may get another quality later. The
                first item of a quality other than 1080p runs alone until the server accepts a render of it,
                because there is no other way to learn whether the account may have that quality. A 403 holds
                back all items of that quality, in this run and in later runs for a day; their outcomes are
                `paused`, with `QualityRefused`.
            share: As for `produce`; None is True. With `idempotent_as`, a true value makes this machine the
                one that makes the public pages, including those that items ask for; None and False make none
                here.
            download: The folder for the videos, which is created if it does not exist.
            timeouts: As for `produce`.
            wait_for_quota: True to wait for the daily reset when today's projects or renders are used up;
                False to stop.
            concurrency: The number of items that are active at once, at most; by default a few more than the
                account has slots.
            retry_failed: True to retry items that failed in an earlier run, with a new project if the old one
                was deleted, and to ask again for qualities that the server refused to the account.
            refetch: True to download again the files that an earlier run downloaded and that were removed
                since; False to list them in `Outcome.missing`. Neither causes a render.
            allow_other_account: True to accept a journal that belongs to another server or account, and to
                make it this account's from then on. The batch looks for unfinished rows in this account.
            idempotent_as: A name for these items on all machines that work on them and share no journal. Each
                item's idempotency key then follows from the name, the item's key and its brief, so that no
                project is made twice; each project is polled before it is rendered; and public pages are made
                only where `share` is given as true. The journal remembers the name. Two risks remain: a
                project that failed frees its key, so that another machine may make one more, and it is not
                documented how long the server remembers keys.
            max_credits: Start nothing more once this many credits are spent in this run, regardless of
                purchases meanwhile, or once the balance is below the limits' `credits_reserve`. The batch
                asks for the balance as each item starts and ends, and every 30 seconds while an item is
                active. Items that have started are finished, regardless of their cost. To make that possible,
                the first item is made alone, which shows about what one costs, and no more items are active
                than the credits cover. If no response states the balance, nothing more starts once the first
                item has ended. With None, nothing is held back before the balance is low: below 100 credits
                for each item that can be active at once, as long as the cost of one is not known; then only
                about as many items start as the balance covers.
            on_event: Called with an item's key and each event of its production.
            drain_on_interrupt: True if the first Ctrl-C drains the batch, as `Batch.drain` does, and only the
                second interrupts it.
            **options: All other arguments of `projects.create`, for items that do not set their own.

        Raises:
            ConfigurationError: An option makes no sense.
            InvalidRequest: `render` is not a known word.
            TypeError: An option does not exist.
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
        """Estimate a batch's work and cost, without making anything.

        Nothing is made, paid for or written. The client reads the account, with two requests and some more
        for `films`. The API prices operations, not briefs. So a cost comes from earlier videos of the same
        kind: from the change of the balance, for videos that a batch of this client or journal made alone;
        otherwise from the prices of the operations in finished timelines. Without either, the cost is
        unknown.

        Args:
            items: As for `batch`; all are held in memory. The batch needs the items as well, so an iterator,
                which can be read only once, is refused.
            journal: The record of earlier runs: a file, of which a copy is read, so that the file is neither
                changed nor created; or an open journal. Items that it knows as finished or started are not
                new.
            render: As for `batch`.
            share: As for `batch`.
            download: As for `batch`.
            retry_failed: As for `batch`.
            allow_other_account: As for `batch`.
            idempotent_as: As for `batch`. A plan does not know what other machines have made, and counts it
                as new.
            films: The number of finished videos of the account to price, at most, with two requests each,
                where no other cost is known.
            **options: As for `batch`.

        Raises:
            ConfigurationError: The items can be read only once, or are a single item.
            JournalError: The journal cannot be read, or belongs to another account (`OtherAccount`).
            EversinceError: The request for the balance failed.
            TypeError: An option does not exist.
        """
        from eversince_async.batch.planner import make_plan

        _need_several(items)
        if _is_one_shot(items):
            raise ConfigurationError(
                "these items can be read only once, and none would be left for the batch: give a list, say"
            )
        parser = _intake(options, render, share is None or share, download)
        inputs = [item async for item in iterate(items)]
        return await make_plan(
            self._runtime,
            [parser.parse(index, each) for index, each in enumerate(inputs)],
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
        """State the result of an effect that is in doubt; see `InDoubt`.

        Very rarely, the server cannot show whether an effect happened before a process died: for example,
        either of two new shares may belong to an item. The item's outcome is then `paused`, with an `InDoubt`
        error that says where to look. After the decision, the same batch or pipeline continues with it.

        Args:
            key: The key of the item or the pipeline.
            created: What the effect created: the address of the public page or the id of the project; None if
                it created nothing.
            effect: The name in the journal of the effect in doubt; required if several are in doubt.
            journal: A file, or an open journal; by default as for `run`.

        Raises:
            JournalError: The effect is not in doubt, another process is working on it, or `created` belongs
                to another item.
        """
        async with open_journal(journal) as opened:
            await resolve_in_doubt(opened, key, created, effect)


def _need_several(items: object) -> None:
    if isinstance(items, str | bytes | Mapping | Brief):
        raise ConfigurationError("a single item would be taken apart: give several, in a list, say")


def _is_one_shot(items: Iterable[Any] | AsyncIterable[Any]) -> bool:
    """Return True if the items can be read only once.

    A second reading would then continue where the first one stopped.
    """
    if isinstance(items, Iterator | AsyncIterator):
        return True
    if isinstance(items, AsyncIterable):
        return aiter(items) is aiter(items)
    return iter(items) is iter(items)


def _intake(
    options: BriefOptions,
    render: Quality | None,
    share: bool | ShareOptions,  # noqa: FBT001 - as the public argument
    download: str | os.PathLike[str] | None,
) -> ItemParser:
    folder = None if download is None else os.path.join(download, "")
    need_options(options)
    return ItemParser(options=dict(options), delivery=delivery_options(render, share, folder))
