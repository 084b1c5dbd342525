"""`eversince status`, `list`, `download`, `cancel`: commands for projects."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from eversince_async.cli._addresses import address
from eversince_async.cli._client import connect
from eversince_async.cli._exit_codes import ExitCode
from eversince_async.cli._options import AsJson, Debug
from eversince_async.cli._output import write_line
from eversince_async.cli._progress_bar import progress_bar
from eversince_async.cli._tables import print_json, print_rows, print_table
from eversince_async.cli._terminal_text import unbroken
from eversince_async.errors import InvalidProjectState, InvalidRequest
from eversince_async.models.projects import ProjectSummary


async def status_(project_id: str, *, as_json: AsJson = False, debug: Debug = False) -> ExitCode:
    """Show the status of a project.

    Args:
        project_id: The project.
        as_json: Print the result as JSON.
        debug: Show tracebacks and what is sent.
    """
    del debug  # the dispatcher reads it when it prints errors
    async with connect() as eversince:
        project = await eversince.projects.get(project_id)
    if as_json:
        print_json(project)
        return ExitCode.DONE
    print_table(
        {
            "project": project.id,
            "status": project.status,
            "mode": project.mode,
            "output": project.output_type,
            "video": address("assembled_url", project.assembled_url),
            "expires": project.assembled_url_expires_at,
            "studio": address("project_url", project.project_url),
            "agent says": project.agent_message,
            "error": project.error_message,
            "warning": project.credits_warning,
            "updated": project.updated_at,
        }
    )
    return ExitCode.DONE


async def list_(
    *,
    status: str | None = None,
    title: str | None = None,
    limit: Annotated[int, Parameter(name=["--limit", "-n"])] = 20,
    as_json: AsJson = False,
    debug: Debug = False,
) -> ExitCode:
    """List projects.

    Args:
        status: Show only projects in this status.
        title: Show only projects whose title contains this.
        limit: The most projects to show; 0 for all.
        as_json: Print the result as JSON.
        debug: Show tracebacks and what is sent.
    """
    del debug  # the dispatcher reads it when it prints errors
    if limit < 0:
        raise InvalidRequest({"--limit": f"must not be negative: {limit}"})
    async with connect() as eversince:
        found = []
        async for project in eversince.projects.iter(status=status, title=title):
            found.append(project)
            if len(found) == limit:
                break
    if as_json:
        print_json(found)
    else:
        print_rows(("project", "status", "created", "what"), map(_cells, found))
    return ExitCode.DONE


def _cells(project: ProjectSummary) -> tuple[object, ...]:
    created = None if project.created_at is None else f"{project.created_at:%Y-%m-%d %H:%M}"
    return project.id, project.status, created, project.title or project.brief


async def cancel_(project_id: str, *, as_json: AsJson = False, debug: Debug = False) -> ExitCode:
    """Stop a project's agent.

    Generations already with a provider still finish, and are paid for.

    Args:
        project_id: The project.
        as_json: Print the result as JSON.
        debug: Show tracebacks and what is sent.
    """
    del debug  # the dispatcher reads it when it prints errors
    async with connect() as eversince:
        cancelled = await eversince.projects.cancel(project_id)
    if as_json:
        print_json(cancelled)
    else:
        print_table({"project": cancelled.id, "status": cancelled.status})
    return ExitCode.DONE


async def download_(
    project_id: str,
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> ExitCode:
    """Download a project's video.

    A download that broke off goes on where it stopped.

    Args:
        project_id: The project.
        output: File, or an existing folder; by default <project id>.mp4 in the current folder.
        as_json: Print the result as JSON.
        debug: Show tracebacks and what is sent.
    """
    del debug  # the dispatcher reads it when it prints errors
    async with connect() as eversince:
        project = await eversince.projects.get(project_id)
        if project.assembled_url is None:
            raise InvalidProjectState(
                f"there is no video yet; `eversince resume {project.id}` continues the project",
                project_id=project.id,
                status=project.status,
            )
        video = await eversince.resume(project.id, render=None, share=False)
        async with progress_bar(f"{project.id}.mp4" if output is None else output.name) as tell:
            path = await video.download(output or Path(), on_progress=tell)
    if as_json:
        print_json({"project": project.id, "file": path})
    else:
        write_line(unbroken(str(path)))
    return ExitCode.DONE
