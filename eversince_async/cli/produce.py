"""`eversince produce`: one video, from a brief to a file."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from shlex import quote
from typing import Annotated, Any, Literal

import attrs
from cyclopts import Parameter

from eversince_async._redaction import excerpt
from eversince_async.cli._addresses import address
from eversince_async.cli._batch_file_fields import maybe_json, reference_to
from eversince_async.cli._client import connect
from eversince_async.cli._confirmation import confirm, may_ask
from eversince_async.cli._exit_codes import ExitCode
from eversince_async.cli._options import AsJson, Debug, NoInput, Yes, parse_quality
from eversince_async.cli._output import warn
from eversince_async.cli._progress import Row, board, follow, refreshing
from eversince_async.cli._tables import print_json, print_table
from eversince_async.client import Eversince
from eversince_async.errors import (
    DownloadFailed,
    EversinceError,
    InvalidRequest,
    ProjectCancelled,
    ProjectFailed,
)
from eversince_async.models._base import UNSET
from eversince_async.models.projects import Brief
from eversince_async.models.references import Reference
from eversince_async.orchestrator.options import QUALITIES
from eversince_async.orchestrator.production import Production
from eversince_async.orchestrator.workflow import Workflow
from eversince_async.pace import speed
from eversince_async.transfers.target import need_writable

REFRESH = 0.2
"""Real seconds between two redraws of the board."""


async def produce_(
    brief: str,
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    render: bool = True,
    quality: str = "1080p",
    unchecked: Annotated[bool, Parameter(negative=())] = False,
    share: bool = True,
    on_cancel: Literal["leave", "cancel"] = "leave",
    aspect_ratio: str | None = None,
    title: str | None = None,
    mode: str | None = None,
    reference: Sequence[str] = (),
    extract_content: bool | None = None,
    craft: str | None = None,
    craft_auto: bool | None = None,
    skill: Sequence[str] = (),
    reasoning_mode: str | None = None,
    video_model: str | None = None,
    image_model: str | None = None,
    agent_model: str | None = None,
    expected_output: str | None = None,
    webhook_url: str | None = None,
    idempotency_key: str | None = None,
    extra: Sequence[str] = (),
    yes: Yes = False,
    no_input: NoInput = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> ExitCode:
    """Produce a video from a brief, and download it.

    On a terminal, you are asked once before anything is paid for; if no one can answer, nothing is asked.
    Length, voiceover, music, captions and language belong in the brief. Ctrl-C stops waiting, not the
    project; the command then prints how to go on.

    Args:
        brief: The creative direction, with all wishes.
        output: File, or an existing folder, to download the video to.
        render: Render the video; without it, stop when the agent is done.
        quality: Quality of the render; 4k needs a Pro subscription.
        unchecked: Send a quality that this version does not know, as it is.
        share: Make a public link, which does not expire.
        on_cancel: Leave the project running after Ctrl-C, or cancel it.
        aspect_ratio: 16:9, 9:16, 1:1 or 21:9.
        title: The project's title, at most 30 characters.
        mode: autonomous or collaborative.
        reference: A file, which is uploaded, an address, or upload:ID; may be given ten times.
        extract_content: Let the agent read the referenced pages.
        craft: Creative direction (servers of April 2026).
        craft_auto: Let the agent choose the craft (servers of April 2026).
        skill: A skill's slug or id (servers of May 2026); may be given several times.
        reasoning_mode: thinking or fast (servers of May 2026).
        video_model: Id of a video model.
        image_model: Id of an image model.
        agent_model: Model that the agent runs on.
        expected_output: assembled or assets (servers of April 2026).
        webhook_url: HTTPS address that status changes are posted to.
        idempotency_key: The same key never makes a second project; use it to go on after an interruption.
        extra: NAME=VALUE of a field this version does not know; VALUE may be JSON.
        yes: Do not ask before credits are spent.
        no_input: Never ask; end with exit code 2 instead of asking a question.
        as_json: Print the result as JSON.
        debug: Show tracebacks and what is sent.
    """
    del debug  # the dispatcher reads it when it prints errors
    wanted_quality = parse_quality(quality, unchecked=unchecked) if render else None
    options: dict[str, Any] = {
        "aspect_ratio": aspect_ratio,
        "title": title,
        "mode": mode,
        "extract_content": extract_content,
        "craft": craft,
        "craft_auto": craft_auto,
        "skills": list(skill) or None,
        "reasoning_mode": reasoning_mode,
        "video_model": video_model,
        "image_model": image_model,
        "agent_model": agent_model,
        "expected_output": expected_output,
        "webhook_url": webhook_url,
        "extra": _extra(extra) or None,
    }
    wanted = Brief(
        brief=brief,
        # Minted here, so that a message can name the key to use again.
        idempotency_key=idempotency_key or uuid.uuid4().hex,
        **{name: value for name, value in options.items() if value is not None},
    )
    async with connect() as eversince:
        if may_ask(yes=yes):
            plan = await eversince.plan([wanted], render=wanted_quality, share=share)
            if not await confirm(plan, "Make and pay for this video?", no_input=no_input):
                return ExitCode.USAGE
        references = [await _reference(eversince, each) for each in reference]
        workflow = eversince.produce(
            attrs.evolve(wanted, references=references or UNSET),
            render=wanted_quality,
            share=share,
            download=output,
            on_cancel=on_cancel,
        )
        key = str(wanted.idempotency_key)
        asked = as_asked(wanted_quality, share=share)
        production = await watch(
            eversince, workflow, excerpt(title or brief, 40), output, on_cancel, key, asked=asked
        )
        print_production(production, as_json=as_json)
    return ExitCode.DONE


async def need_output(path: Path | None) -> None:
    """Check that a video can be written to a path.

    Commands call this before they send anything.

    Raises:
        InvalidRequest: The video cannot be written there.
    """
    if path is not None:
        try:
            await need_writable(str(path))
        except DownloadFailed as failure:
            raise InvalidRequest({"--output": str(failure)}) from None


async def watch(
    eversince: Eversince,
    workflow: Workflow[Production],
    name: str,
    output: Path | None,
    on_cancel: str,
    key: str | None = None,
    *,
    asked: str = "",
) -> Production:
    """Run one production, and show its progress."""

    async def frame() -> None:
        await asyncio.sleep(REFRESH * speed())

    with board(lambda: str(eversince.governor.snapshot())) as shown:
        row = shown.row(name)
        async with _print_resume_hint(row, key, output, on_cancel, asked), refreshing(frame, shown):
            return await follow(workflow, row, shown)


@asynccontextmanager
async def _print_resume_hint(
    row: Row, key: str | None, output: Path | None, on_cancel: str, asked: str
) -> AsyncGenerator[None, None]:
    """Print how to go on if the block ends early.

    The project's id is in it, so a person who stops waiting never loses a project.
    """
    try:
        yield
    except asyncio.CancelledError:
        if on_cancel == "cancel" and row.project_id is not None:
            warn(f"Interrupted, and project {row.project_id} was asked to stop, too.")
            warn(f"  show its status: eversince status {row.project_id}")
        else:
            warn(f"Interrupted. {_how_to_go_on(row, key, output, asked)}")
        raise
    except (ProjectFailed, ProjectCancelled):
        raise  # the project has ended, so there is nothing to go on with
    except EversinceError:
        if row.project_id is not None:
            warn(_how_to_go_on(row, key, output, asked))
        raise


def as_asked(render: str | None, *, share: bool) -> str:
    """Return the options with which `resume` does the same."""
    quality = " --no-render" if render is None else "" if render == "1080p" else f" --quality {quote(render)}"
    unchecked = "" if render is None or render in QUALITIES else " --unchecked"
    return quality + unchecked + (" --share" if share else "")


def _how_to_go_on(row: Row, key: str | None, output: Path | None, asked: str) -> str:
    if row.project_id is None:
        if row.began_at is None or key is None:
            return "Nothing was sent yet."
        return (
            "The project may or may not have been made: the same command with "
            f"--idempotency-key {key} finds out, and makes no second one."
        )
    file = quote(str(output or "film.mp4"))
    return "\n".join(
        (
            f"Project {row.project_id} goes on at the server.",
            f"  show its status: eversince status {row.project_id}",
            f"  continue it:     eversince resume {row.project_id} -o {file}{asked}",
            f"  get its video:   eversince download {row.project_id} -o {file}",
            f"  stop it:         eversince cancel {row.project_id}",
        )
    )


async def _reference(eversince: Eversince, given: str) -> Reference:
    return reference_to(given) or (await eversince.uploads.upload(Path(given))).reference


def _extra(given: Sequence[str]) -> dict[str, Any]:
    fields = {}
    for each in given:
        name, equals, text = each.partition("=")
        if not equals:
            raise InvalidRequest({"--extra": f"give NAME=VALUE, not {each!r}"})
        fields[name] = maybe_json(text)
    return fields


def print_production(production: Production, *, as_json: bool, share_url: str | None = None) -> None:
    """Print the result of a production.

    Args:
        production: The production.
        as_json: True to print JSON.
        share_url: The address of its public page, if the page was made earlier.
    """
    project, share_url = production.project, production.share_url or share_url
    if as_json:
        print_json(
            {
                "project": project,
                "share_url": share_url,
                "video_url": production.video_url,
                "files": production.files,
                "assets": production.assets,
                "timings": production.timings,
                "request_ids": production.request_ids,
            }
        )
        return
    print_table(
        {
            "project": project.id,
            "studio": address("project_url", project.project_url),
            "share": address("share_url", share_url),
            "video": address("video_url", production.video_url),
            "expires": project.assembled_url_expires_at if production.share is None else None,
            "file": ", ".join(str(path) for path in production.files) or None,
        }
    )
    for asset in production.assets:
        print_table({"asset": address("url", asset.url)})
