"""`eversince upload`: a file to refer to in briefs."""

from pathlib import Path

from eversince_async.cli._bar import bar
from eversince_async.cli._client import connected
from eversince_async.cli._columns import UPLOADED
from eversince_async.cli._exits import Exit
from eversince_async.cli._harmless import unbroken
from eversince_async.cli._options import AsJson, Debug
from eversince_async.cli._printing import print_json
from eversince_async.cli._say import say


async def upload_(file: Path, *, as_json: AsJson = False, debug: Debug = False) -> Exit:
    """Upload a file, and print what refers to it in the references of a batch, or in --reference.

    Args:
        file: The file: an image, a video or a sound.
        as_json: Print the result as JSON.
        debug: Show tracebacks and what is sent.
    """
    del debug  # heeded where errors are shown
    async with connected() as eversince, bar(file.name) as tell:
        upload = await eversince.uploads.upload(file, on_progress=tell)
    if as_json:
        print_json(upload)
    else:
        say(unbroken(f"{UPLOADED}{upload.upload_id}"))
    return Exit.DONE
