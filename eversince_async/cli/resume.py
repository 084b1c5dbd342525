"""`eversince resume`: a project or a journal, continued to its end."""

import os
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from eversince_async.cli._batch_file_readers import count_of
from eversince_async.cli._client import connect
from eversince_async.cli._exit_codes import ExitCode
from eversince_async.cli._options import AsJson, Debug, parse_quality
from eversince_async.cli._output import warn, warn_line
from eversince_async.cli._resume_items import ResumableItems
from eversince_async.cli._run_batch import BatchPlan, check_options, run_batch
from eversince_async.cli.produce import as_asked, need_output, print_production, watch
from eversince_async.errors import InvalidRequest
from eversince_async.journal import Effect, SqliteJournal

_OF_PROJECTS = ("render", "share", "on_cancel", "journal")
_OF_JOURNALS = ("no_download", "retry_failed", "allow_other_account", "report")


async def resume_(
    what: str,
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o", "--out"])] = None,
    render: bool | None = None,
    quality: str | None = None,
    unchecked: Annotated[bool, Parameter(negative=())] = False,
    share: bool | None = None,
    on_cancel: Literal["leave", "cancel"] | None = None,
    no_download: Annotated[bool | None, Parameter(name="--no-download", negative=())] = None,
    retry_failed: Annotated[bool | None, Parameter(negative=())] = None,
    allow_other_account: Annotated[bool | None, Parameter(negative=())] = None,
    report: Path | None = None,
    journal: Path | None = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> ExitCode:
    """Continue a project, or what a journal remembers, to its end.

    With the file of a journal, the command finishes the videos of a batch that had begun, as they were asked
    for then. The journal does not have the rows that had not begun: for them, run `eversince batch` with the
    file of rows, which finishes the others, too.

    Args:
        what: The project's id; or the file of a journal, such as briefs.journal.db.
        output: File, or an existing folder, to download the video to; for a journal the folder of its videos.
        render: Render the project's video if there is none yet, which is the default.
        quality: Quality of the render: 1080p is the default, and 4k needs a Pro subscription. With a journal,
            the quality of all videos that are not rendered yet; by default each keeps its own.
        unchecked: Send a quality that this version does not know, as it is.
        share: Make a public link of the project, which does not expire; without it none is made.
        on_cancel: Leave the project running after Ctrl-C, which is the default, or cancel it.
        no_download: Download none of the journal's videos.
        retry_failed: Retry the videos that failed according to the journal; a project that was deleted since
            is made and paid for again.
        allow_other_account: Go on although the journal was begun with another server or account.
        report: File to write a report to: .html, .csv or .json.
        journal: The journal that the project belongs to: if it holds a public link of the project, that link
            is shown, and no other is made.
        as_json: Print the result as JSON; with a journal, a line for each video.
        debug: Show tracebacks and what is sent.
    """
    del debug  # the dispatcher reads it when it prints errors
    word = None if quality is None else parse_quality(quality, unchecked=unchecked)
    given = {
        "render": render,
        "quality": quality,
        "share": share,
        "on_cancel": on_cancel,
        "no_download": no_download,
        "retry_failed": retry_failed,
        "allow_other_account": allow_other_account,
        "report": report,
        "journal": journal,
    }
    is_journal = os.path.isfile(what)  # noqa: ASYNC240 - once, before other tasks run
    for name in _OF_PROJECTS if is_journal else _OF_JOURNALS:
        if given[name] is not None:
            whose = (
                "a project, and this is a journal" if is_journal else "a journal, and there is no such file"
            )
            raise InvalidRequest({f"--{name.replace('_', '-')}": f"is for {whose}: {what}"})
    if is_journal:
        return await _journal(
            Path(what),
            output,
            download=not no_download,
            retry_failed=bool(retry_failed),
            allow_other_account=bool(allow_other_account),
            quality=word,
            report=report,
            as_json=as_json,
        )
    if what.endswith(".db") or os.sep in what:
        raise InvalidRequest({what: "there is no such journal"})
    recorded = None if journal is None else await find_recorded_share(journal, what)
    await need_output(output)
    wanted = None if render is False else word or "1080p"
    shares = share is True and recorded is None
    async with connect() as eversince:
        workflow = eversince.resume(
            what, render=wanted, share=shares, download=output, on_cancel=on_cancel or "leave"
        )
        asked = as_asked(wanted, share=shares)
        production = await watch(eversince, workflow, what, output, on_cancel or "leave", asked=asked)
        print_production(production, as_json=as_json, share_url=recorded)
    return ExitCode.DONE


async def find_recorded_share(path: Path, project_id: str) -> str | None:
    """Return a project's public link from a journal; None without one.

    Raises:
        InvalidRequest: The journal does not exist, or does not know the project.
    """
    if not path.is_file():  # noqa: ASYNC240 - once, before other tasks run
        raise InvalidRequest({"--journal": f"there is no such journal: {path}"})
    async with SqliteJournal(path) as journal:
        owner = await journal.claimant(project_id)
        if owner is None:
            raise InvalidRequest({"--journal": f"{path} does not know the project {project_id}"})
        effects = await journal.effects(owner[0])
    return next((link for effect in effects if (link := _link_of(effect, project_id)) is not None), None)


def _link_of(effect: Effect, project_id: str) -> str | None:
    match effect:
        case Effect(
            kind="share",
            request={"project_id": str(shared)},
            result={"share_url": str(link)},
        ) if shared == project_id:
            return link
        case _:
            return None


async def _journal(
    path: Path,
    folder: Path | None,
    *,
    download: bool,
    retry_failed: bool,
    allow_other_account: bool,
    quality: str | None,
    report: Path | None,
    as_json: bool,
) -> ExitCode:
    if folder is None and download:
        raise InvalidRequest(
            {"--output": "name the folder of the videos, which is not in the journal, or say --no-download"}
        )
    if folder is not None and not download:
        raise InvalidRequest({"--no-download": "contradicts --output"})
    check_options(report, None, None)
    async with SqliteJournal(path) as journal:
        found = await ResumableItems.read(journal, folder, retry_failed=retry_failed, quality=quality)
        for line in found.notes():
            warn_line(line)
        if not found.keys:
            warn(f"{path}: nothing to go on with; {await _counts(journal)}")
            return ExitCode.UNFINISHED if found.is_left else ExitCode.DONE
        warn(f"{count_of(len(found.keys), 'video')} of {path} to continue")
        code = await run_batch(
            BatchPlan(
                name=path.name,
                items=found,
                count=len(found.keys),
                journal=journal,
                journal_path=path,
                folder=folder,
                report=report,
                concurrency=None,
                max_credits=None,
                retry_failed=retry_failed,
                allow_other_account=allow_other_account,
                wait_for_quota=True,
                as_json=as_json,
            )
        )
    return ExitCode.UNFINISHED if found.is_left and code == ExitCode.DONE else code


async def _counts(journal: SqliteJournal) -> str:
    counts = await journal.counts()
    return ", ".join(f"{number} {stage}" for stage, number in sorted(counts.items())) or "it is empty"
