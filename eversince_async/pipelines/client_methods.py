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
    """The methods of a client that run pipelines and answer their questions."""

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
        """Run a pipeline under a key, executing each step once.

        This holds even if the process dies in between.

        Await the workflow for the function's result, or open it with `async with` to follow its events and
        those of its productions. Another run with the same key and the same arguments continues where the
        last one stopped; once the pipeline has finished, it returns the same result without a request to the
        server.

        While another run works on the pipeline, in this process or another, this run waits for its outcome,
        and takes the pipeline over if that process dies. Cancelling stops the run; work under way at the
        server goes on, and the next run finds it.

        A client that closes does not wait for people: a pipeline that waits for an answer then ends with
        `ClientClosed`.

        A pipeline that failed raises the same error again: this library's errors as they were, others as
        `RecordedFailure`. An error that may pass by itself, or that buying something resolves, does not count
        as a failure of the pipeline: the next run continues.

        Type checkers compare positional arguments, up to four of them if others are passed by name; arguments
        passed by name are not compared.

        Args:
            pipeline: A function with `@pipeline`.
            *args: Positional arguments of the function.
            key: The pipeline's name in the journal. Use a new one for each run that is to be separate.
            journal: A file for `SqliteJournal`, or an open journal; by default the file that the environment
                variable EVERSINCE_JOURNAL names, else `eversince.db` in the current directory.
            retry_failed: True to try a failed pipeline again; completed steps stay completed.
            allow_other_account: As for `batch`.
            timeouts: As for `produce`, for each of the pipeline's productions.
            wait_for_quota: As for `produce`.
            **kwargs: Arguments of the function, by name.

        Raises:
            SpecChanged: The key was used with other arguments, or for another pipeline or version.
            PipelineChanged: The function calls other steps than an earlier run under this key did.
            ApprovalExpired: A question was not answered in time.
            JournalError: The journal cannot be used.
            OtherAccount: The journal belongs to another server or account.
            ConfigurationError: `pipeline` is not a pipeline, or its result type cannot be stored.
            Exception: The function raised an error.
        """
        if not isinstance(pipeline, Pipeline):
            raise ConfigurationError(f"{pipeline!r} is no pipeline: put @pipeline above the function")
        if not key:
            raise ConfigurationError("a pipeline needs a key: the journal stores it under this key")
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

        start = WorkflowStarted(name="pipeline", key=key, project_id=None)
        return Workflow(
            f"pipeline {key}", with_tracer(self._runtime.tracer, start, run), self._runtime.registry
        )

    async def approve(
        self, key: str, answer: Json = True, *, name: str | None = None, journal: JournalLike = None
    ) -> None:
        """Answer a question that a pipeline asks.

        A pipeline that waits in this process continues at once, one in another process within seconds. No
        process needs to wait: the answer is stored, and the next run finds it.

        Args:
            key: The pipeline's key.
            answer: True, False, or any other JSON value; `run.approval` returns it.
            name: The question's name; needed if several wait for an answer.
            journal: As for `run`.

        Raises:
            JournalError: The question or the journal does not exist, or the question is answered or has
                expired.
        """
        async with open_journal(journal, must_exist=True) as opened:
            await approvals.answer(opened, key, answer, name)

    async def approvals(self, *, journal: JournalLike = None) -> list[Approval]:
        """Return the open questions of all pipelines in a journal.

        Args:
            journal: As for `run`.
        """
        async with open_journal(journal) as opened:
            return [each async for each in approvals.list_pending(opened)]
