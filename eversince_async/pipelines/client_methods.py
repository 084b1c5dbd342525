"""`eversince.run`, `eversince.approve` and `eversince.approvals`, as users call them."""

from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar, TypeVarTuple, Unpack, overload

from eversince_async.account.identity import need_ours
from eversince_async.errors import ConfigurationError
from eversince_async.journal import Json
from eversince_async.journal.opening import JournalLike, open_journal
from eversince_async.orchestrator.options import Timeouts, WaitPolicy
from eversince_async.orchestrator.runtime import Runtime
from eversince_async.orchestrator.tracing import WorkflowStarted, with_tracer
from eversince_async.orchestrator.workflow import Workflow
from eversince_async.pipelines import approvals
from eversince_async.pipelines.approvals import Approval
from eversince_async.pipelines.definition import Pipeline
from eversince_async.pipelines.run import Run
from eversince_async.pipelines.runner import PipelineCall, run_job
from eversince_async.pipelines.steps import RunOptions
from eversince_async.tasks import finish

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
P = ParamSpec("P")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class PipelineMethods:
    """Pipelines over a desk."""

    _runtime: Runtime

    @overload
    def run(
        self,
        pipeline: Callable[[Run, Unpack[Ts]], Coroutine[Any, Any, T]],
        /,
        *args: *Ts,
        key: str,
        journal: JournalLike = None,
        retry_failed: bool = False,
        allow_other_account: bool = False,
        timeouts: Timeouts | None = None,
        wait_for_quota: bool = True,
        **kwargs: Any,
    ) -> Workflow[T]: ...

    @overload
    def run(
        self,
        pipeline: Pipeline[..., T],
        /,
        *,
        key: str,
        journal: JournalLike = None,
        retry_failed: bool = False,
        allow_other_account: bool = False,
        timeouts: Timeouts | None = None,
        wait_for_quota: bool = True,
        **kwargs: Any,
    ) -> Workflow[T]: ...

    @overload
    def run(
        self,
        pipeline: Callable[Concatenate[Run, A, P], Coroutine[Any, Any, T]],
        a: A,
        /,
        *,
        key: str,
        journal: JournalLike = None,
        retry_failed: bool = False,
        allow_other_account: bool = False,
        timeouts: Timeouts | None = None,
        wait_for_quota: bool = True,
        **kwargs: Any,
    ) -> Workflow[T]: ...

    @overload
    def run(
        self,
        pipeline: Callable[Concatenate[Run, A, B, P], Coroutine[Any, Any, T]],
        a: A,
        b: B,
        /,
        *,
        key: str,
        journal: JournalLike = None,
        retry_failed: bool = False,
        allow_other_account: bool = False,
        timeouts: Timeouts | None = None,
        wait_for_quota: bool = True,
        **kwargs: Any,
    ) -> Workflow[T]: ...

    @overload
    def run(
        self,
        pipeline: Callable[Concatenate[Run, A, B, C, P], Coroutine[Any, Any, T]],
        a: A,
        b: B,
        c: C,
        /,
        *,
        key: str,
        journal: JournalLike = None,
        retry_failed: bool = False,
        allow_other_account: bool = False,
        timeouts: Timeouts | None = None,
        wait_for_quota: bool = True,
        **kwargs: Any,
    ) -> Workflow[T]: ...

    @overload
    def run(
        self,
        pipeline: Callable[Concatenate[Run, A, B, C, D, P], Coroutine[Any, Any, T]],
        a: A,
        b: B,
        c: C,
        d: D,
        /,
        *,
        key: str,
        journal: JournalLike = None,
        retry_failed: bool = False,
        allow_other_account: bool = False,
        timeouts: Timeouts | None = None,
        wait_for_quota: bool = True,
        **kwargs: Any,
    ) -> Workflow[T]: ...

    def run(  # type: ignore[misc]  # mypy takes `*args: Any` for less than any `*args: *Ts`
        self,
        pipeline: Any,
        /,
        *args: Any,
        key: str,
        journal: JournalLike = None,
        retry_failed: bool = False,
        allow_other_account: bool = False,
        timeouts: Timeouts | None = None,
        wait_for_quota: bool = True,
        **kwargs: Any,
    ) -> Workflow[Any]:
        """Run a pipeline under a key: each of its steps once, also if the process dies in between.

        Await it for what the function returns, or open it with `async with` to follow its events and those
        of its productions. The same key with the same arguments again goes on where it stopped; once it is
        over, it gives the same result without asking the server.

        While it is worked on elsewhere, in this process or another, this waits for what comes of it, and
        takes it up if that process dies. Cancelling stops it; what is under way at the server goes on, and
        the next run finds it.

        A client that closes waits for no person: what waits for one then ends with `ClientClosed`.

        A run that failed raises the same error again, ours as they were and others as `RecordedFailure`. What
        may pass by itself, or can be bought, is no failure of the run: the next one goes on.

        Type checkers compare arguments that are given by place, up to four of them beside others that are
        given by name; those are not compared.

        Args:
            pipeline: A function with `@pipeline`.
            *args: Its arguments.
            key: Its name in the journal, another one for each run that is to be another.
            journal: A file for `SqliteJournal`, or an open journal; by default the file that the environment
                variable EVERSINCE_JOURNAL names, else `eversince.db` in the current directory.
            retry_failed: Whether a run that failed is tried again: steps that are done stay done.
            allow_other_account: As for `batch`.
            timeouts: As for `produce`, for each of its productions.
            wait_for_quota: As for `produce`.
            **kwargs: Its arguments by name.

        Raises:
            SpecChanged: The key was used with other arguments, or for another pipeline or version.
            PipelineChanged: The function does something else than an earlier run under this key.
            ApprovalExpired: Nobody answered in time.
            JournalError: The journal cannot be used.
            OtherAccount: It is of another server or account.
            ConfigurationError: It is no pipeline, or what it returns cannot be stored.
            Exception: Whatever the function raises.
        """
        if not isinstance(pipeline, Pipeline):
            raise ConfigurationError(f"{pipeline!r} is no pipeline: put @pipeline above the function")
        if not key:
            raise ConfigurationError("a pipeline needs a key: it stands under it in the journal")
        whole: Pipeline[..., Any] = pipeline
        order = PipelineCall(pipeline=whole, args=args, kwargs=kwargs)
        policy = WaitPolicy(timeouts=timeouts or Timeouts(), wait_for_quota=wait_for_quota)

        async def run(workflow: Workflow[Any]) -> Any:
            manner = RunOptions(policy=policy, emit=workflow.emit, has_listeners=workflow.has_listeners)
            async with open_journal(journal) as opened:
                account = await need_ours(self._runtime, opened, allow_other=allow_other_account)
                entitlements = self._runtime.entitlements
                await entitlements.learn_from(opened, account)
                if retry_failed:
                    entitlements.forget_refusals()
                try:
                    return await run_job(self._runtime, order, key, opened, manner, retry_failed=retry_failed)
                finally:
                    await finish(entitlements.keep_in(opened, account))

        begun = WorkflowStarted(name="pipeline", key=key, project_id=None)
        return Workflow(
            f"pipeline {key}", with_tracer(self._runtime.tracer, begun, run), self._runtime.registry
        )

    async def approve(
        self, key: str, answer: Json = True, *, name: str | None = None, journal: JournalLike = None
    ) -> None:
        """Answer what a pipeline asks; it goes on at once if it waits in this process, else within seconds.

        It may as well be waiting nowhere: the answer is there when it is run again.

        Args:
            key: The pipeline's key.
            answer: True, False, or anything else that JSON has: what `run.approval` gives.
            name: The question's name; needed when several wait for an answer.
            journal: As for `run`.

        Raises:
            JournalError: There is no such question, or journal; or it has been answered, or has expired.
        """
        async with open_journal(journal, must_exist=True) as opened:
            await approvals.answer(opened, key, answer, name)

    async def approvals(self, *, journal: JournalLike = None) -> list[Approval]:
        """The questions that wait for an answer, of all pipelines in a journal.

        Args:
            journal: As for `run`.
        """
        async with open_journal(journal) as opened:
            return [each async for each in approvals.list_pending(opened)]
