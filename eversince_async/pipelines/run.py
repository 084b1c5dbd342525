"""`Run`: the handle by which a pipeline's function executes its steps."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from functools import partial
from inspect import isawaitable, iscoroutinefunction
from pathlib import Path
from typing import Any, TypeVar, TypeVarTuple, Unpack, overload

import attrs

from eversince_async import clock
from eversince_async._wire.converter import unstructure
from eversince_async.durable.executor import EffectExecutor
from eversince_async.errors import ConfigurationError, InvalidRequest, NotSerializable
from eversince_async.journal import Effect, Json
from eversince_async.models._base import UNSET, Unset
from eversince_async.models.projects import Brief, Project
from eversince_async.models.references import Reference, UploadReference
from eversince_async.orchestrator.options import (
    DeliveryOptions,
    Quality,
    ShareOptions,
    delivery_options,
    quality_of,
)
from eversince_async.orchestrator.production import Production
from eversince_async.pipelines import projects
from eversince_async.pipelines.approvals import wait_for_approval
from eversince_async.pipelines.branches import Branch, StepCall, gather
from eversince_async.pipelines.projects import ProjectRef, project_id_of
from eversince_async.pipelines.serialization import SerializationError, return_type, to_display
from eversince_async.pipelines.signals import sleep_until
from eversince_async.pipelines.steps import StepExecutor
from eversince_async.resources._brief import BriefOptions

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

StepAwaitable = Coroutine[Any, Any, T]
"""The awaitable of a step, which has its name from the moment of the call."""


class Run:
    """A run of a pipeline, or one of its branches.

    Each method is a step. The journal records a step before and after its execution, and a later run under
    the same key returns the recorded result without executing the step again. A failure that does not pass by
    itself is raised again as well, so that the function takes the same path. The code between the steps runs
    each time: keep it free of effects, and of anything that differs between runs.

    A step is identified by its name: the verb, numbered from the second step of that verb on (`produce`,
    `produce-2`), or the name you give. A later run compares the step's arguments, too.
    """

    def __init__(self, executor: StepExecutor, branch: Branch) -> None:
        self._executor = executor
        self._branch = branch

    def __repr__(self) -> str:
        branch = f", branch {self._branch.prefix[:-1]}" if self._branch.prefix else ""
        return f"<Run of {self.key}{branch}>"

    @property
    def key(self) -> str:
        """The key under which the pipeline runs."""
        return self._executor.key

    # -- Productions ------------------------------------------------------------------------------------

    def upload(
        self, path: str | os.PathLike[str], *, name: str | None = None
    ) -> StepAwaitable[UploadReference]:
        """Upload a file, as a reference for briefs and messages.

        Args:
            path: The file. Only its path is compared: another run does not upload a changed file again.
            name: The step's name.

        Raises:
            UploadRejected: The file does not exist, or the server does not accept it.
        """
        file = Path(path)
        call = self._call("upload", {"path": str(file)}, name)
        return self._step(call, lambda _effects, _: projects.upload(self._executor, file), UploadReference)

    def produce(
        self,
        brief: str | Brief,
        *,
        render: Quality | None = "1080p",
        share: bool | ShareOptions = True,
        download: str | os.PathLike[str] | None = None,
        name: str | None = None,
        **options: Unpack[BriefOptions],
    ) -> StepAwaitable[Production]:
        """Produce a video, as `eversince.produce` does.

        Args:
            brief: All creative wishes.
            render: Quality of the video; None to stop when the agent is done.
            share: True to create a public link; or the title and description of its page.
            download: A file or a folder to download the video to; not compared between runs.
            name: The step's name.
            **options: All other arguments of `projects.create`.

        Raises:
            EversinceError: As for `eversince.produce`.
        """
        whole, delivery = _build_brief(brief, options), delivery_options(render, share, download)
        call = self._call("produce", {"brief": unstructure(whole), **_comparable(delivery)}, name)
        return self._step(
            call,
            lambda effects, step: projects.produce(self._executor, effects, step, whole, delivery),
            Production,
        )

    def variation(
        self,
        of: ProjectRef,
        text: str,
        *,
        render: Quality | None = None,
        share: bool | ShareOptions = False,
        download: str | os.PathLike[str] | None = None,
        name: str | None = None,
    ) -> StepAwaitable[Production]:
        """Have the agent create a variation.

        Unlike `eversince.variation`, this step neither renders nor shares it by default. Steps on one project
        wait for each other, also in different branches.

        Args:
            of: A production, or a project or its id.
            text: The request to the agent, e.g. "Create a 9:16 version for TikTok".
            render: Quality of the video; None for no video: a later `render_and_share` renders it.
            share: As for `produce`.
            download: As for `produce`.
            name: The step's name.

        Raises:
            InvalidProjectState: The agent created no variation; the error holds its answer.
        """
        delivery = delivery_options(render, share, download)
        arguments = {"of": project_id_of(of), "text": text, **_comparable(delivery)}
        call = self._call("variation", arguments, name)
        return self._step(
            call,
            lambda effects, _: projects.create_variation(self._executor, effects, of, text, delivery),
            Production,
        )

    def render(
        self, of: ProjectRef, *, quality: Quality = "1080p", force: bool = False, name: str | None = None
    ) -> StepAwaitable[Production]:
        """Render a project, or a production's variation, unless it has a video.

        Args:
            of: A production, or a project or its id.
            quality: `1080p`, or `4k`, which needs a Pro subscription.
            force: True to render even if there is a video, e.g. after the agent has changed something.
            name: The step's name.

        Raises:
            EversinceError: As for `eversince.render`.
        """
        return self._deliver_step(
            "render", of, DeliveryOptions(render=quality_of(quality, "quality")), name, force=force
        )

    def share(
        self,
        of: ProjectRef,
        *,
        title: str | Unset = UNSET,
        description: str | Unset = UNSET,
        name: str | None = None,
    ) -> StepAwaitable[Production]:
        """Create a public link to a production's or a project's current video.

        Args:
            of: A production, or a project or its id.
            title: Title of the shared page.
            description: Description of the shared page.
            name: The step's name.

        Raises:
            InvalidProjectState: The video does not exist, or exists no more: render it first.
        """
        options = ShareOptions(title=title, description=description)
        return self._deliver_step("share", of, DeliveryOptions(render=None, share=options), name)

    def render_and_share(
        self,
        of: ProjectRef,
        *,
        quality: Quality = "1080p",
        share: bool | ShareOptions = True,
        download: str | os.PathLike[str] | None = None,
        force: bool = False,
        name: str | None = None,
    ) -> StepAwaitable[Production]:
        """Render, share and download a video in one step.

        Args:
            of: A production, or a project or its id.
            quality: As for `render`.
            share: As for `produce`.
            download: As for `produce`.
            force: As for `render`.
            name: The step's name.
        """
        return self._deliver_step(
            "render_and_share", of, delivery_options(quality, share, download), name, force=force
        )

    def download(
        self, production: Production, path: str | os.PathLike[str], *, name: str | None = None
    ) -> StepAwaitable[Path]:
        """Download a production's video, and return the path of the file.

        A later run returns the same path, even if the file has been removed.

        Args:
            production: The production.
            path: A file or a folder, as for `Production.download`.
            name: The step's name.

        Raises:
            DownloadFailed: As for `Production.download`.
        """
        target = os.fspath(path)
        arguments = {"production": self._serialize_argument(production), "path": target}
        call = self._call("download", arguments, name)
        return self._step(call, lambda _effects, _: production.download(target), Path)

    def cancel(self, of: ProjectRef, *, name: str | None = None) -> StepAwaitable[None]:
        """Cancel a project.

        Raises:
            StatusConflict: The project cannot be cancelled any more.
        """
        call = self._call("cancel", {"of": project_id_of(of)}, name)
        return self._step(
            call, lambda effects, _: projects.cancel(self._executor, effects, project_id_of(of)), type(None)
        )

    # -- Conversations ----------------------------------------------------------------------------------

    def create(
        self, brief: str | Brief, *, name: str | None = None, **options: Unpack[BriefOptions]
    ) -> StepAwaitable[str]:
        """Create a project without waiting for it, and return its id.

        With `mode="collaborative"` this begins a conversation: `settle` waits for the agent's question,
        `send` answers it.

        Args:
            brief: All creative wishes.
            name: The step's name.
            **options: All other arguments of `projects.create`.
        """
        whole = _build_brief(brief, options)
        call = self._call("create", {"brief": unstructure(whole)}, name)
        return self._step(call, lambda effects, _: projects.create(self._executor, effects, whole), str)

    def settle(self, of: ProjectRef, *, name: str | None = None) -> StepAwaitable[Project]:
        """Wait until a project is idle.

        The `agent_message` of the project that is returned holds the agent's words.

        Raises:
            ProjectFailed: The project failed.
            ProjectCancelled: The project was cancelled.
        """
        call = self._call("settle", {"of": project_id_of(of)}, name)
        return self._step(
            call,
            lambda effects, _: projects.wait_settled(self._executor, effects, project_id_of(of)),
            Project,
        )

    def send(
        self,
        of: ProjectRef,
        text: str,
        *,
        references: Sequence[Reference] | Unset = UNSET,
        name: str | None = None,
    ) -> StepAwaitable[Project]:
        """Send a message, and wait until the agent has dealt with it.

        Args:
            of: A production, or a project or its id.
            text: The message.
            references: Uploads and URLs that go with the message.
            name: The step's name.

        Raises:
            ProjectFailed: The agent failed to deal with the message.
        """
        uploads: Sequence[Reference] = () if isinstance(references, Unset) else references
        arguments = {
            "of": project_id_of(of),
            "text": text,
            "references": [unstructure(each) for each in uploads],
        }
        call = self._call("send", arguments, name)
        return self._step(
            call,
            lambda effects, _: projects.send_message(
                self._executor, effects, project_id_of(of), text, references
            ),
            Project,
        )

    # -- People -----------------------------------------------------------------------------------------

    def approval(
        self, question: str, *, show: Any = None, name: str | None = None, timeout: float | None = None
    ) -> StepAwaitable[Any]:
        """Ask a person, and wait for the answer, even for days.

        Meanwhile the pipeline holds no slot and sends no requests, and the process may end:
        `eversince.approve(key, answer)` answers from anywhere, and the next run continues from here.

        Args:
            question: The text of the question.
            show: The material to judge: a production, or anything that can be stored; not compared between
                runs.
            name: The step's name.
            timeout: Seconds from the time at which the question was first asked; None waits without a limit.

        Returns:
            The answer given to `approve`; True by default.

        Raises:
            ApprovalExpired: The question was not answered in time.
            NotSerializable: `show` cannot be stored.
        """
        try:
            shown = to_display(show)
        except SerializationError as problem:
            raise NotSerializable(str(problem), key=self.key, step=name) from None
        call = self._call("approval", {"question": question}, name, show=shown)
        return wait_for_approval(self._executor, call, timeout)

    # -- Your own ---------------------------------------------------------------------------------------

    @overload
    def step(
        self, name: str, function: Callable[[Unpack[Ts]], Coroutine[Any, Any, T]], /, *args: *Ts
    ) -> StepAwaitable[T]: ...

    @overload
    def step(self, name: str, function: Callable[[Unpack[Ts]], T], /, *args: *Ts) -> StepAwaitable[T]: ...

    def step(  # type: ignore[misc]  # mypy takes `*args: Any` for less than any `*args: *Ts`
        self, name: str, function: Callable[..., Any], /, *args: Any
    ) -> StepAwaitable[Any]:
        """Call a function of your own, and remember its result.

        The function is executed at least once: if the process dies before the result is recorded, the next
        run calls the function again, since its progress is not known. An action that must not happen twice
        needs an idempotency key of its own in the system that performs it. A failure is not remembered: the
        next run tries again.

        Args:
            name: The step's name.
            function: An async function, or a plain one, which is called in a thread and which cancelling does
                not end. The annotated return type decides how the result is stored: see
                `eversince_async.pipelines.serialization`. Without an annotation, the function may return JSON
                values.
            *args: Arguments of the function; those that can be stored are compared between runs.

        Returns:
            The result as it was stored: the same in this run as in all later ones.

        Raises:
            NotSerializable: The annotated type or the result cannot be stored. As far as the annotation shows
                this, the error comes before the function is called.
            ConfigurationError: The annotation cannot be resolved.
        """
        kind = return_type(function)
        try:
            self._executor.storing.check_type(kind)
        except SerializationError as problem:
            raise NotSerializable(str(problem), key=self.key, step=name) from None
        call = self._call("step", {"arguments": [self._serialize_argument(value) for value in args]}, name)
        return self._executor.execute(
            call, lambda _effects, _: _call_function(function, args), kind, is_own_code=True
        )

    def now(self, *, name: str | None = None) -> StepAwaitable[datetime]:
        """Return the time at which this step first ran, in UTC."""

        async def read_clock(*_: object) -> datetime:
            return clock.now()

        return self._step(self._call("now", {}, name), read_clock, datetime)

    def sleep(
        self, pause: float | timedelta | datetime, *, name: str | None = None
    ) -> StepAwaitable[datetime]:
        """Sleep for a duration or until a time, and return its end.

        A duration counts from the time at which this step first ran.

        Args:
            pause: Seconds, a duration, or a time with an offset.
            name: The step's name.

        Raises:
            ConfigurationError: The time has no offset.
        """
        if isinstance(pause, datetime) and pause.tzinfo is None:
            raise ConfigurationError("a time to sleep until needs an offset, such as datetime.now(UTC) has")
        exact = pause if isinstance(pause, datetime | timedelta) else timedelta(seconds=pause)
        plain = exact.isoformat() if isinstance(exact, datetime) else exact.total_seconds()
        return sleep_until(self._executor, self._call("sleep", {"pause": plain}, name), exact)

    # -- Several at a time ------------------------------------------------------------------------------

    def branch(self, name: str) -> "Run":
        """Open a branch of steps that runs beside this one.

        The names of its steps begin with the branch's name. Code that runs in a task of its own needs a
        branch of its own: otherwise the order of the steps would depend on timing.

        Args:
            name: The branch's name, unique among the branches of this run.

        Raises:
            ConfigurationError: The name is taken or invalid.
        """
        return Run(self._executor, self._branch.branch(name))

    @overload
    def gather(self, a: Awaitable[A], b: Awaitable[B], /) -> StepAwaitable[tuple[A, B]]: ...

    @overload
    def gather(
        self, a: Awaitable[A], b: Awaitable[B], c: Awaitable[C], /
    ) -> StepAwaitable[tuple[A, B, C]]: ...

    @overload
    def gather(
        self, a: Awaitable[A], b: Awaitable[B], c: Awaitable[C], d: Awaitable[D], /
    ) -> StepAwaitable[tuple[A, B, C, D]]: ...

    @overload
    def gather(self, *lines: Awaitable[T]) -> StepAwaitable[tuple[T, ...]]: ...

    def gather(self, *lines: Awaitable[Any]) -> StepAwaitable[tuple[Any, ...]]:
        """Run several at a time: `run.gather(run.produce(a), tiktok(run.branch("tiktok"), b))`.

        All of them run to their ends, even if one fails: what has begun costs money. Then the first error, in
        the order of the arguments, is raised.

        Args:
            *lines: Steps of this run, or functions that have a branch of it each.
        """
        return gather(*lines)

    # -- Inside -----------------------------------------------------------------------------------------

    def _call(self, verb: str, arguments: Json, name: str | None, **shown: Json) -> StepCall:
        return self._branch.call(verb, arguments, name, **shown)

    def _step(
        self, call: StepCall, body: Callable[[EffectExecutor, Effect], Awaitable[Any]], kind: Any
    ) -> StepAwaitable[Any]:
        return self._executor.execute(call, body, kind)

    def _deliver_step(
        self, verb: str, of: ProjectRef, delivery: DeliveryOptions, name: str | None, *, force: bool = False
    ) -> StepAwaitable[Production]:
        call = self._call(
            verb, {"of": self._serialize_argument(of), "anew": force, **_comparable(delivery)}, name
        )
        return self._step(
            call,
            lambda effects, _: projects.render_and_deliver(self._executor, effects, of, delivery, anew=force),
            Production,
        )

    def _serialize_argument(self, value: object) -> Json:
        if isinstance(value, Project):
            return value.id
        return self._executor.storing.argument_to_json(value)


def _build_brief(brief: str | Brief, options: BriefOptions) -> Brief:
    """Build the brief without an idempotency key: each attempt has its own."""
    fields: dict[str, Any] = dict(options)
    whole = attrs.evolve(brief, **fields) if isinstance(brief, Brief) else Brief(brief=brief, **fields)
    problems = whole.problems()
    if problems:
        raise InvalidRequest(problems)
    return whole


def _comparable(delivery: DeliveryOptions) -> dict[str, Json]:
    """Return the delivery options that are compared between runs.

    The path of a download is not among them.
    """
    share = delivery.share
    return {"render": delivery.render, "share": None if share is None else share.to_json()}


async def _call_function(function: Callable[..., Any], args: Sequence[Any]) -> Any:
    """Call the user's function, in a thread unless it is async."""
    if iscoroutinefunction(function):
        return await function(*args)
    result = await asyncio.to_thread(partial(function, *args))
    return await result if isawaitable(result) else result
