"""`eversince upload`: a file to refer to in briefs."""

from pathlib import Path

from eversince_async.cli._batch_file_fields import UPLOADED
from eversince_async.cli._client import connect
from eversince_async.cli._exit_codes import ExitCode
from eversince_async.cli._options import AsJson, Debug
from eversince_async.cli._output import write_line
from eversince_async.cli._progress_bar import progress_bar
from eversince_async.cli._tables import print_json
from eversince_async.cli._terminal_text import unbroken


async def upload_(file: Path, *, as_json: AsJson = False, debug: Debug = False) -> ExitCode:
    """Upload a file, and print its id for references.

    The printed word goes into the references column of a batch, or into --reference.

    Args:
        file: The file: an image, a video or a sound.
        as_json: Print the result as JSON.
        debug: Show tracebacks and what is sent.
    """
    del debug  # the dispatcher reads it when it prints errors
    async with connect() as eversince, progress_bar(file.name) as tell:
        upload = await eversince.uploads.upload(file, on_progress=tell)
    if as_json:
        print_json(upload)
    else:
        write_line(unbroken(f"{UPLOADED}{upload.upload_id}"))
    return ExitCode.DONE
