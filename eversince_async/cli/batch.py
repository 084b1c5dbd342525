"""`eversince batch`: videos from a file of briefs, each made once."""

from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack, closing
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import attrs
from cyclopts import Parameter

from eversince_async.cli._batch_file import STDIN, BatchFile, Defaults, load_batch_file
from eversince_async.cli._batch_file_readers import Complaints, count_of
from eversince_async.cli._confirmation import confirm, may_ask
from eversince_async.cli._exit_codes import ExitCode
from eversince_async.cli._options import AsJson, Debug, NoInput, Yes, parse_quality
from eversince_async.cli._output import warn
from eversince_async.cli._overwrites import find_overwrites
from eversince_async.cli._plan import Asked, plan_of, print_plan, read_only
from eversince_async.cli._run_batch import BatchPlan, check_options, run_batch
from eversince_async.cli._spec_changes import WHAT_TO_DO, describe_changes
from eversince_async.cli._tables import print_json
from eversince_async.errors import InvalidRequest
from eversince_async.journal import Journal, SqliteJournal


def batch_(
    file: Annotated[str, Parameter(allow_leading_hyphen=True)],
    *,
    journal: Path | None = None,
    no_journal: Annotated[bool, Parameter(name="--no-journal", negative=())] = False,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    report: Path | None = None,
    render: bool = True,
    quality: str = "1080p",
    unchecked: Annotated[bool, Parameter(negative=())] = False,
    share: bool | None = None,
    idempotent_as: str | None = None,
    concurrency: int | None = None,
    max_credits: float | None = None,
    retry_failed: Annotated[bool, Parameter(negative=())] = False,
    refetch: Annotated[bool, Parameter(negative=())] = False,
    allow_other_account: Annotated[bool, Parameter(negative=())] = False,
    stop_at_quota: Annotated[bool, Parameter(negative=())] = False,
    format: Literal["csv", "jsonl"] | None = None,  # noqa: A002 - the name people expect
    encoding: str = "utf-8",
    check: Annotated[bool, Parameter(negative=())] = False,
    yes: Yes = False,
    no_input: NoInput = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> ExitCode | Coroutine[Any, Any, ExitCode]:
    """Produce a video for each row of a file, each once.

    Each video is made once, no matter how often the command is interrupted.

    The first line of a CSV file names its columns; in JSON Lines, each line is an object. The whole file is
    read first: if it has problems, all of them are printed, and nothing is made.

    Columns: brief, and optionally title, mode, aspect_ratio, craft, craft_auto, skills (with commas),
    reasoning_mode, video_model, image_model, agent_model, expected_output, webhook_url, idempotency_key,
    references (addresses, or upload:ID, with blanks), extract_content, extra.NAME for a field this version
    does not know; key, render (1080p, 4k, yes, no), share (yes, no), share_title and share_description for
    the public page, download (a new file inside --out). The options fill in empty cells. Yes and no may be
    written as spreadsheets do, in their languages: x, 1, WAHR, FAUX.

    Rows are distinguished by their key, or without keys by their line number. So give them keys if you ever
    edit the file: a finished row is not made again, and a row that was changed under its old key is refused.

    On a terminal, you are asked once before anything is paid for. The question states the likely cost, as far
    as it is known, and the balance. If no one can answer, nothing is asked.

    After the first Ctrl-C, no more videos are started, and the command waits for those that have begun. The
    second Ctrl-C leaves at once. The same command goes on later.

    Args:
        file: A .csv or .jsonl file, or - for the standard input.
        journal: File that remembers what is done; by default beside the rows, briefs.journal.db for
            briefs.csv.
        no_journal: Keep no journal: after an interruption, the command starts again and pays again.
        out: Folder for the videos, which are named by key, or without keys by project; made if missing.
        report: File to write a report to in the end: .html, .csv or .json.
        render: Render the videos; without it, stop when the agent is done.
        quality: Quality of the render; 4k needs a Pro subscription.
        unchecked: Send a quality that this version does not know, as it is.
        share: Make public links, which do not expire; the default. With --idempotent-as, only the machine
            that is given --share makes them, also those that rows ask for.
        idempotent_as: A name, the same on all machines that work on this file and share no journal. Then no
            project is made twice, none is rendered twice, and each machine downloads what another has made.
            Without it, each machine makes and pays for everything. What remains: a project that failed may be
            made once more by each machine, and how long the server remembers is not documented. The journal
            remembers the name.
        concurrency: Videos at work at once; by default a few more than the account has slots.
        max_credits: Start no more videos once this many credits are spent, and no more at once than the rest
            pays for; the first video is made alone, to learn about what one costs.
        retry_failed: Retry the rows that failed in an earlier run; a project that was deleted since is made
            and paid for again, and a quality that the account was refused is asked for again.
        refetch: Download again the files that were removed since their download; nothing is rendered for it.
        allow_other_account: Go on although the journal was begun with another server or account; from then on
            the journal belongs to this account.
        stop_at_quota: Stop when the day's projects or renders are used up, instead of waiting for the daily
            reset.
        format: Format of the file, if its name does not say.
        encoding: Encoding of the file's text.
        check: Make nothing. Print the problems of the file, or else what each row asks for, its likely cost,
            the balance, and how many days the daily limits make the batch last.
        yes: Do not ask before credits are spent.
        no_input: Never ask; end with exit code 2 instead of asking a question.
        as_json: Print outcomes as JSON, a line each; with --check the plan, as one object.
        debug: Show tracebacks and what is sent.
    """
    del debug  # the dispatcher reads it when it prints errors
    check_options(report, concurrency, max_credits)
    path = None if no_journal else journal or _beside(file)
    reserved = _reserved_paths(file, path)
    if report is not None and (what := reserved.get(report.absolute())) is not None:
        raise InvalidRequest({"--report": f"{report} is {what}, and would be replaced"})
    if no_journal and journal is not None:
        raise InvalidRequest({"--no-journal": "contradicts --journal"})
    if idempotent_as is not None and not idempotent_as.strip():
        raise InvalidRequest({"--idempotent-as": "must be a name, the same on all machines"})
    word = parse_quality(quality, unchecked=unchecked)
    wanted = Defaults(
        render=word if render else None,
        share=share is not False,
        folder=out,
        quality=word,
        unchecked=unchecked,
    )
    complaints = Complaints(file, keeps=check and as_json)
    try:
        sheet = load_batch_file(file, format, encoding, wanted, complaints)
    except OSError as error:
        raise InvalidRequest({file: error.strerror or str(error)}) from None
    if complaints.count and not check:
        sheet.close()
        return complaints.conclude()
    make = partial(
        BatchPlan,
        name=_describe_call(file),
        items=sheet,
        count=len(sheet),
        journal_path=path,
        folder=out,
        report=report,
        concurrency=concurrency,
        max_credits=max_credits,
        retry_failed=retry_failed,
        refetch=refetch,
        allow_other_account=allow_other_account,
        idempotent_as=idempotent_as,
        is_told_to_share=share is True,
        wait_for_quota=not stop_at_quota,
        as_json=as_json,
    )
    if report is not None:
        reserved[report.absolute()] = "the report"
    run = _Run(
        sheet=sheet,
        make=make,
        journal_path=path,
        asked=Asked(
            folder=out,
            share=share,
            retry_failed=retry_failed,
            allow_other_account=allow_other_account,
            idempotent_as=idempotent_as,
        ),
        reserved=reserved,
        complaints=complaints,
    )
    if check:
        return run.check(as_json=as_json)
    return run.run(asks=may_ask(yes=yes), no_input=no_input)


def _beside(file: str) -> Path:
    if file == STDIN:
        raise InvalidRequest(
            {"--journal": "name a file, as there is none to keep it beside; or say --no-journal to pay again"}
        )
    return Path(file).with_suffix(".journal.db")


def _reserved_paths(file: str, journal: Path | None) -> dict[Path, str]:
    """Return the files that no video may replace, with their names."""
    found = {} if file == STDIN else {Path(file).absolute(): "the file of rows"}
    if journal is not None:
        for ending in ("", "-wal", "-shm"):
            found[journal.with_name(journal.name + ending).absolute()] = "the journal"
    return found


@attrs.frozen(kw_only=True)
class _Run:
    """The check or the run of a file of rows.

    Attributes:
        sheet: The rows.
        make: Returns the plan of the batch for an open journal.
        journal_path: The journal's file; None for no journal.
        asked: The options that the plan needs.
        reserved: Files of this run that nothing may replace, with the name of each.
        complaints: Collects the problems of the file.
    """

    sheet: BatchFile
    make: "partial[BatchPlan]"
    journal_path: Path | None
    asked: Asked
    reserved: Mapping[Path, str]
    complaints: Complaints

    async def check(self, *, as_json: bool) -> ExitCode:
        """Print the problems and the plan of the file.

        Makes and writes nothing.
        """
        with closing(self.sheet):
            async with read_only(self.journal_path) as journal:
                advice = await self._describe_problems(journal)
            plan = await plan_of(self.sheet, self.journal_path, self.asked)
        if as_json:
            print_json({"file": self.sheet.name, **plan.to_json(), "problems": self.complaints.told})
        else:
            print_plan(plan)
        return ExitCode.DONE if advice is None else self.complaints.conclude(advice)

    async def run(self, *, asks: bool, no_input: bool) -> ExitCode:
        """Make the videos, after a person has agreed if `asks` is true."""
        with closing(self.sheet):
            if asks and (refusal := await self._refuse(no_input=no_input)) is not None:
                return refusal
            async with AsyncExitStack() as stack:
                path, journal = self.journal_path, None
                if path is not None:
                    journal = await stack.enter_async_context(SqliteJournal(path))
                if (advice := await self._describe_problems(journal)) is not None:
                    return self.complaints.conclude(advice)
                where = "nothing is remembered" if path is None else f"remembered in {path}"
                sheet = self.sheet
                warn(f"{count_of(len(sheet), 'video')} from {_describe_call(sheet.name)}; {where}")
                return await run_batch(self.make(journal=journal))

    async def _refuse(self, *, no_input: bool) -> ExitCode | None:
        """Return the exit code for problems or a refusal, else None."""
        async with read_only(self.journal_path) as journal:
            if (advice := await self._describe_problems(journal)) is not None:
                return self.complaints.conclude(advice)
        plan = await plan_of(self.sheet, self.journal_path, self.asked)
        question = (
            f"Make and pay for {count_of(plan.new, 'new video')} from {_describe_call(self.sheet.name)}?"
        )
        return None if await confirm(plan, question, no_input=no_input) else ExitCode.USAGE

    async def _describe_problems(self, journal: Journal | None) -> str | None:
        """Report the rows that conflict with the journal or with existing files.

        Returns:
            The advice, perhaps empty; None if there are no problems.
        """
        before = self.complaints.count
        for line, change in [] if journal is None else await describe_changes(self.sheet, journal):
            self.complaints(line, change)
        if self.complaints.count > before:
            return WHAT_TO_DO
        for line, problem in await find_overwrites(self.sheet, journal, self.reserved):
            self.complaints(line, problem)
        return "" if self.complaints.count else None


def _describe_call(file: str) -> str:
    return "standard input" if file == STDIN else Path(file).name
