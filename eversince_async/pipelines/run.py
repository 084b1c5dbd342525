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
from eversince_async.errors import ConfigurationError, InvalidRequest, NotStorable
from eversince_async.journal import Effect, Json
from eversince_async.models._base import UNSET, Unset
from eversince_async.models.projects import Brief, Project
from eversince_async.models.references import Reference, UploadReference
from eversince_async.orchestrator.effects import Effects
from eversince_async.orchestrator.order import Quality, ShareOptions, Wishes, quality_of, wishes_of
from eversince_async.orchestrator.production import Production
from eversince_async.pipelines import making
from eversince_async.pipelines.annotations import returned_by
from eversince_async.pipelines.approvals import approved
from eversince_async.pipelines.calls import Branch, Call
from eversince_async.pipelines.course import Course
from eversince_async.pipelines.gathering import gathered
from eversince_async.pipelines.making import Of, id_of
from eversince_async.pipelines.sleeping import slept
from eversince_async.pipelines.storing import Unstorable, for_people
from eversince_async.resources._brief import BriefOptions

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

Doing = Coroutine[Any, Any, T]
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

    def __init__(self, course: Course, branch: Branch) -> None:
        self._course = course
        self._branch = branch

    def __repr__(self) -> str:
        branch = f", branch {self._branch.prefix[:-1]}" if self._branch.prefix else ""
        return f"<Run of {self.key}{branch}>"

    @property
    def key(self) -> str:
        """The key it runs under."""
        return self._course.key

    # -- Productions ------------------------------------------------------------------------------------

    def upload(self, path: str | os.PathLike[str], *, name: str | None = None) -> Doing[UploadReference]:
        """Upload a file; it is then a reference for briefs and messages.

        Args:
            path: The file. It is compared by its path: another run does not send a changed file again.
            name: The step's name.

        Raises:
            UploadRejected: It is not there, or not taken.
        """
        file = Path(path)
        call = self._call("upload", {"path": str(file)}, name)
        return self._done(call, lambda _effects, _: making.uploaded(self._course, file), UploadReference)

    def produce(
        self,
        brief: str | Brief,
        *,
        render: Quality | None = "1080p",
        share: bool | ShareOptions = True,
        download: str | os.PathLike[str] | None = None,
        name: str | None = None,
        **options: Unpack[BriefOptions],
    ) -> Doing[Production]:
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
        whole, wishes = _brief(brief, options), wishes_of(render, share, download)
        call = self._call("produce", {"brief": unstructure(whole), **_compared(wishes)}, name)
        return self._done(
            call,
            lambda effects, step: making.produced(self._course, effects, step, whole, wishes),
            Production,
        )

    def variation(
        self,
        of: Of,
        text: str,
        *,
        render: Quality | None = None,
        share: bool | ShareOptions = False,
        download: str | os.PathLike[str] | None = None,
        name: str | None = None,
    ) -> Doing[Production]:
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
            NotAllowedNow: The agent made no variation; its answer is in the error.
        """
        wishes = wishes_of(render, share, download)
        arguments = {"of": id_of(of), "text": text, **_compared(wishes)}
        call = self._call("variation", arguments, name)
        return self._done(
            call, lambda effects, _: making.varied(self._course, effects, of, text, wishes), Production
        )

    def render(
        self, of: Of, *, quality: Quality = "1080p", anew: bool = False, name: str | None = None
    ) -> Doing[Production]:
        """Render a project, or the variation that a production is of, unless that has a video.

        Args:
            of: A production, or a project or its id.
            quality: `1080p`, or `4k`, which needs a Pro subscription.
            anew: Render although there is a video, e.g. after the agent has changed something.
            name: The step's name.

        Raises:
            EversinceError: As for `eversince.render`.
        """
        return self._finished("render", of, Wishes(render=quality_of(quality, "quality")), name, anew=anew)

    def share(
        self,
        of: Of,
        *,
        title: str | Unset = UNSET,
        description: str | Unset = UNSET,
        name: str | None = None,
    ) -> Doing[Production]:
        """Make a public link to the video of a production, or to the one that a project has now.

        Args:
            of: A production, or a project or its id.
            title: Title of the shared page.
            description: Its description.
            name: The step's name.

        Raises:
            NotAllowedNow: There is no video of it, or no more: render it first.
        """
        options = ShareOptions(title=title, description=description)
        return self._finished("share", of, Wishes(render=None, share=options), name)

    def render_and_share(
        self,
        of: Of,
        *,
        quality: Quality = "1080p",
        share: bool | ShareOptions = True,
        download: str | os.PathLike[str] | None = None,
        anew: bool = False,
        name: str | None = None,
    ) -> Doing[Production]:
        """Render, share and download: what `render` and `share` do, as one step.

        Args:
            of: A production, or a project or its id.
            quality: As for `render`.
            share: As for `produce`.
            download: As for `produce`.
            anew: As for `render`.
            name: The step's name.
        """
        return self._finished("render_and_share", of, wishes_of(quality, share, download), name, anew=anew)

    def download(
        self, production: Production, path: str | os.PathLike[str], *, name: str | None = None
    ) -> Doing[Path]:
        """Download a production's video; gives where the file is, also when it is gone by then.

        Args:
            production: The production.
            path: A file or a folder, as for `Production.download`.
            name: The step's name.

        Raises:
            DownloadFailed: As for `Production.download`.
        """
        target = os.fspath(path)
        arguments = {"production": self._argument(production), "path": target}
        call = self._call("download", arguments, name)
        return self._done(call, lambda _effects, _: production.download(target), Path)

    def cancel(self, of: Of, *, name: str | None = None) -> Doing[None]:
        """Cancel a project.

        Raises:
            StatusConflict: It cannot be cancelled any more.
        """
        call = self._call("cancel", {"of": id_of(of)}, name)
        return self._done(
            call, lambda effects, _: making.cancelled(self._course, effects, id_of(of)), type(None)
        )

    # -- Conversations ----------------------------------------------------------------------------------

    def create(
        self, brief: str | Brief, *, name: str | None = None, **options: Unpack[BriefOptions]
    ) -> Doing[str]:
        """Create a project and wait for nothing; gives its id.

        With `mode="collaborative"` it begins a conversation: `settle` waits for the agent's question,
        `send` answers it.

        Args:
            brief: All creative wishes.
            name: The step's name.
            **options: Everything else that `projects.create` takes.
        """
        whole = _brief(brief, options)
        call = self._call("create", {"brief": unstructure(whole)}, name)
        return self._done(call, lambda effects, _: making.created(self._course, effects, whole), str)

    def settle(self, of: Of, *, name: str | None = None) -> Doing[Project]:
        """Wait until nothing is at work on a project; its `agent_message` is what the agent says.

        Raises:
            ProjectFailed: It failed.
            ProjectCancelled: It was cancelled.
        """
        call = self._call("settle", {"of": id_of(of)}, name)
        return self._done(call, lambda effects, _: making.settled(self._course, effects, id_of(of)), Project)

    def send(
        self,
        of: Of,
        text: str,
        *,
        references: Sequence[Reference] | Unset = UNSET,
        name: str | None = None,
    ) -> Doing[Project]:
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
        arguments = {"of": id_of(of), "text": text, "references": [unstructure(each) for each in sent]}
        call = self._call("send", arguments, name)
        return self._done(
            call,
            lambda effects, _: making.said(self._course, effects, id_of(of), text, references),
            Project,
        )

    # -- People -----------------------------------------------------------------------------------------

    def approval(
        self, question: str, *, show: Any = None, name: str | None = None, timeout: float | None = None
    ) -> Doing[Any]:
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
            NotStorable: What there is to show cannot be stored.
        """
        try:
            shown = for_people(show)
        except Unstorable as problem:
            raise NotStorable(str(problem), key=self.key, step=name) from None
        call = self._call("approval", {"question": question}, name, show=shown)
        return approved(self._course, call, timeout)

    # -- Your own ---------------------------------------------------------------------------------------

    @overload
    def step(
        self, name: str, function: Callable[[Unpack[Ts]], Coroutine[Any, Any, T]], /, *args: *Ts
    ) -> Doing[T]: ...

    @overload
    def step(self, name: str, function: Callable[[Unpack[Ts]], T], /, *args: *Ts) -> Doing[T]: ...

    def step(  # type: ignore[misc]  # mypy takes `*args: Any` for less than any `*args: *Ts`
        self, name: str, function: Callable[..., Any], /, *args: Any
    ) -> Doing[Any]:
        """Do something of your own, and remember what it gave.

        It is done at least once: when the process dies before the result is written down, the next run does
        it again, since nobody can tell how far it came. What must not happen twice needs a key of its own
        at whom it is done to. A failure is not remembered: it is tried again by the next run.

        Args:
            name: The step's name.
            function: Async, or not; then it is called in a thread, and cancelling does not end it. What it is
                annotated to return says how that is stored: see `eversince_async.pipelines.storing` for what
                can be. Not annotated, it may return what JSON has.
            *args: Its arguments; those that can be stored are compared between runs.

        Returns:
            What was stored: in this run the same as in all later ones.

        Raises:
            NotStorable: What it is annotated to return, or has returned, cannot be stored; said before it
                is called as far as the annotation tells.
            ConfigurationError: The annotation means nothing.
        """
        kind = returned_by(function)
        try:
            self._course.storing.need(kind)
        except Unstorable as problem:
            raise NotStorable(str(problem), key=self.key, step=name) from None
        call = self._call("step", {"arguments": [self._argument(value) for value in args]}, name)
        return self._course.done(call, lambda _effects, _: _called(function, args), kind, is_own_code=True)

    def now(self, *, name: str | None = None) -> Doing[datetime]:
        """The time when this was come by first, in UTC."""

        async def tell(*_: object) -> datetime:
            return clock.now()

        return self._done(self._call("now", {}, name), tell, datetime)

    def sleep(self, pause: float | timedelta | datetime, *, name: str | None = None) -> Doing[datetime]:
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
        return slept(self._course, self._call("sleep", {"pause": told}, name), exact)

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
        return Run(self._course, self._branch.branch(name))

    @overload
    def gather(self, a: Awaitable[A], b: Awaitable[B], /) -> Doing[tuple[A, B]]: ...

    @overload
    def gather(self, a: Awaitable[A], b: Awaitable[B], c: Awaitable[C], /) -> Doing[tuple[A, B, C]]: ...

    @overload
    def gather(
        self, a: Awaitable[A], b: Awaitable[B], c: Awaitable[C], d: Awaitable[D], /
    ) -> Doing[tuple[A, B, C, D]]: ...

    @overload
    def gather(self, *lines: Awaitable[T]) -> Doing[tuple[T, ...]]: ...

    def gather(self, *lines: Awaitable[Any]) -> Doing[tuple[Any, ...]]:
        """Do several things at a time: `run.gather(run.produce(a), tiktok(run.branch("tiktok"), b))`.

        All of them come to their ends, also when one fails: what has begun is paid for. Then the first error,
        in the order in which they are given, is raised.

        Args:
            *lines: Steps of this run, or functions that have a branch of it each.
        """
        return gathered(*lines)

    # -- Inside -----------------------------------------------------------------------------------------

    def _call(self, verb: str, arguments: Json, name: str | None, **shown: Json) -> Call:
        return self._branch.call(verb, arguments, name, **shown)

    def _done(self, call: Call, body: Callable[[Effects, Effect], Awaitable[Any]], kind: Any) -> Doing[Any]:
        return self._course.done(call, body, kind)

    def _finished(
        self, verb: str, of: Of, wishes: Wishes, name: str | None, *, anew: bool = False
    ) -> Doing[Production]:
        call = self._call(verb, {"of": self._argument(of), "anew": anew, **_compared(wishes)}, name)
        return self._done(
            call,
            lambda effects, _: making.rendered_and_more(self._course, effects, of, wishes, anew=anew),
            Production,
        )

    def _argument(self, value: object) -> Json:
        if isinstance(value, Project):
            return value.id
        return self._course.storing.argument(value)


def _brief(brief: str | Brief, options: BriefOptions) -> Brief:
    """The whole brief, still without an idempotency key: each attempt has one of its own."""
    given: dict[str, Any] = dict(options)
    whole = attrs.evolve(brief, **given) if isinstance(brief, Brief) else Brief(brief=brief, **given)
    problems = whole.problems()
    if problems:
        raise InvalidRequest(problems)
    return whole


def _compared(wishes: Wishes) -> dict[str, Json]:
    """What is compared of wishes; where a file goes is no part of it."""
    share = wishes.share
    return {"render": wishes.render, "share": None if share is None else share.to_json()}


async def _called(function: Callable[..., Any], args: Sequence[Any]) -> Any:
    """What the user's function gives, wherever it has to run."""
    if iscoroutinefunction(function):
        return await function(*args)
    result = await asyncio.to_thread(partial(function, *args))
    return await result if isawaitable(result) else result
