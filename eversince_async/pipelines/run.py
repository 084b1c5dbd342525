"""`Run`: what a pipeline's function does things with, so that each is done once."""

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
"""What a step gives when it is awaited. It has its name from the moment of the call."""


class Run:
    """One run of a pipeline, or a branch of it.

    Each method is a step: it is written down before it is done and when it is done, and in a later run under
    the same key it gives what it gave, without doing it again. A failure that does not pass by itself is
    raised again as well, so that the function goes the same way. What lies between the steps is run each
    time: keep it free of effects, and of what is different each time.

    Steps are known by their names: the verb, and from the second of a verb on its number (`produce`,
    `produce-2`), or the name you give. Their arguments are compared, too.
    """

    def __init__(self, executor: StepExecutor, branch: Branch) -> None:
        self._executor = executor
        self._branch = branch

    def __repr__(self) -> str:
        branch = f", branch {self._branch.prefix[:-1]}" if self._branch.prefix else ""
        return f"<Run of {self.key}{branch}>"

    @property
    def key(self) -> str:
        """The key it runs under."""
        return self._executor.key

    # -- Productions ------------------------------------------------------------------------------------

    def upload(
        self, path: str | os.PathLike[str], *, name: str | None = None
    ) -> StepAwaitable[UploadReference]:
        """Upload a file; it is then a reference for briefs and messages.

        Args:
            path: The file. It is compared by its path: another run does not send a changed file again.
            name: The step's name.

        Raises:
            UploadRejected: It is not there, or not taken.
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
            share: Whether to make a public link; or its title and description.
            download: A file or a folder to download the video to; not compared between runs.
            name: The step's name.
            **options: Everything else that `projects.create` takes.

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
        """Have a variation made. Unlike `eversince.variation` it is neither rendered nor shared by itself.

        Steps on one project wait for each other, also in different branches.

        Args:
            of: A production, or a project or its id.
            text: What to ask the agent for, e.g. "Create a 9:16 version for TikTok".
            render: Quality of the video; None for none: a later `render_and_share` makes it.
            share: As for `produce`.
            download: As for `produce`.
            name: The step's name.

        Raises:
            InvalidProjectState: The agent made no variation; its answer is in the error.
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
        """Render a project, or the variation that a production is of, unless that has a video.

        Args:
            of: A production, or a project or its id.
            quality: `1080p`, or `4k`, which needs a Pro subscription.
            force: Render although there is a video, e.g. after the agent has changed something.
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
        """Make a public link to the video of a production, or to the one that a project has now.

        Args:
            of: A production, or a project or its id.
            title: Title of the shared page.
            description: Its description.
            name: The step's name.

        Raises:
            InvalidProjectState: There is no video of it, or no more: render it first.
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
        """Render, share and download: what `render` and `share` do, as one step.

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
        """Download a production's video; gives where the file is, also when it is gone by then.

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
            StatusConflict: It cannot be cancelled any more.
        """
        call = self._call("cancel", {"of": project_id_of(of)}, name)
        return self._step(
            call, lambda effects, _: projects.cancel(self._executor, effects, project_id_of(of)), type(None)
        )

    # -- Conversations ----------------------------------------------------------------------------------

    def create(
        self, brief: str | Brief, *, name: str | None = None, **options: Unpack[BriefOptions]
    ) -> StepAwaitable[str]:
        """Create a project and wait for nothing; gives its id.

        With `mode="collaborative"` it begins a conversation: `settle` waits for the agent's question,
        `send` answers it.

        Args:
            brief: All creative wishes.
            name: The step's name.
            **options: Everything else that `projects.create` takes.
        """
        whole = _build_brief(brief, options)
        call = self._call("create", {"brief": unstructure(whole)}, name)
        return self._step(call, lambda effects, _: projects.create(self._executor, effects, whole), str)

    def settle(self, of: ProjectRef, *, name: str | None = None) -> StepAwaitable[Project]:
        """Wait until nothing is at work on a project; its `agent_message` is what the agent says.

        Raises:
            ProjectFailed: It failed.
            ProjectCancelled: It was cancelled.
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
        """Send a message to a project's agent, and wait until it has dealt with it.

        Args:
            of: A production, or a project or its id.
            text: What to say.
            references: Uploads and URLs that go with it.
            name: The step's name.

        Raises:
            ProjectFailed: The agent failed over it.
        """
        sent: Sequence[Reference] = () if isinstance(references, Unset) else references
        arguments = {
            "of": project_id_of(of),
            "text": text,
            "references": [unstructure(each) for each in sent],
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
        """Ask a person, and wait for the answer, for days if need be.

        Meanwhile no slot is held, nothing is asked of the server, and the process may end:
        `eversince.approve(key, answer)` answers from anywhere, and the next run goes on from here.

        Args:
            question: What to ask.
            show: What to look at: a production, or anything that can be stored; not compared between runs.
            name: The step's name.
            timeout: Seconds from when it was asked first; None waits for ever.

        Returns:
            What `approve` was given: True, if nothing else.

        Raises:
            ApprovalExpired: Nobody has answered in time.
            NotSerializable: What there is to show cannot be stored.
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
        """Do something of your own, and remember what it gave.

        It is done at least once: when the process dies before the result is written down, the next run does
        it again, since nobody can tell how far it came. What must not happen twice needs a key of its own
        at whom it is done to. A failure is not remembered: it is tried again by the next run.

        Args:
            name: The step's name.
            function: Async, or not; then it is called in a thread, and cancelling does not end it. The
                annotated return type says how the result is stored: see
                `eversince_async.pipelines.serialization`. Without one, it may return what JSON has.
            *args: Its arguments; those that can be stored are compared between runs.

        Returns:
            What was stored: in this run the same as in all later ones.

        Raises:
            NotSerializable: What it is annotated to return, or has returned, cannot be stored; said before it
                is called as far as the annotation tells.
            ConfigurationError: The annotation means nothing.
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
        """The time when this was come by first, in UTC."""

        async def tell(*_: object) -> datetime:
            return clock.now()

        return self._step(self._call("now", {}, name), tell, datetime)

    def sleep(
        self, pause: float | timedelta | datetime, *, name: str | None = None
    ) -> StepAwaitable[datetime]:
        """Wait: for seconds from when this was come by first, or until a time; gives until when that was.

        Args:
            pause: Seconds, a duration, or a time with an offset.
            name: The step's name.

        Raises:
            ConfigurationError: The time has no offset.
        """
        if isinstance(pause, datetime) and pause.tzinfo is None:
            raise ConfigurationError("a time to sleep until needs an offset, such as datetime.now(UTC) has")
        exact = pause if isinstance(pause, datetime | timedelta) else timedelta(seconds=pause)
        told = exact.isoformat() if isinstance(exact, datetime) else exact.total_seconds()
        return sleep_until(self._executor, self._call("sleep", {"pause": told}, name), exact)

    # -- Several at a time ------------------------------------------------------------------------------

    def branch(self, name: str) -> "Run":
        """A line of steps beside this one, whose names begin with the branch's.

        What runs in a task of its own needs a branch of its own: else the order of steps would be a matter
        of time.

        Args:
            name: Another one for each branch of this.

        Raises:
            ConfigurationError: The name is taken, or cannot be one.
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
        """Do several things at a time: `run.gather(run.produce(a), tiktok(run.branch("tiktok"), b))`.

        All of them come to their ends, also when one fails: what has begun is paid for. Then the first error,
        in the order in which they are given, is raised.

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
    """The whole brief, still without an idempotency key: each attempt has one of its own."""
    given: dict[str, Any] = dict(options)
    whole = attrs.evolve(brief, **given) if isinstance(brief, Brief) else Brief(brief=brief, **given)
    problems = whole.problems()
    if problems:
        raise InvalidRequest(problems)
    return whole


def _comparable(delivery: DeliveryOptions) -> dict[str, Json]:
    """What is compared of wishes; where a file goes is no part of it."""
    share = delivery.share
    return {"render": delivery.render, "share": None if share is None else share.to_json()}


async def _call_function(function: Callable[..., Any], args: Sequence[Any]) -> Any:
    """What the user's function gives, wherever it has to run."""
    if iscoroutinefunction(function):
        return await function(*args)
    result = await asyncio.to_thread(partial(function, *args))
    return await result if isawaitable(result) else result
