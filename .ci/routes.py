"""Count the frames and files that a brief passes on its way, by tracing real runs in virtual time.

    python .ci/routes.py

Needs the package with its core dependencies. Frames are those of the package on the stack, without the
emulator and virtual time.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import eversince_async
from eversince_async import Eversince
from eversince_async.emulator import Emulator
from eversince_async.testing.virtual_time import run

PACKAGE = Path(eversince_async.__file__).parent
ASIDE = ("emulator", "testing")


def own_file(frame: FrameType) -> str | None:
    """The package's file that a frame runs, as a relative path; None if it is another's."""
    path = Path(frame.f_code.co_filename)
    if not path.is_relative_to(PACKAGE):
        return None
    relative = path.relative_to(PACKAGE)
    return None if relative.parts[0] in ASIDE else relative.as_posix()


@contextmanager
def traced(
    calls: dict[str, list[list[tuple[str, str]]]], files: set[str], functions: set[str]
) -> Iterator[None]:
    """Note every file and function that runs, and the stack at calls of some functions."""

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and (file := own_file(frame)) is not None:
            files.add(file)
            functions.add(f"{file}:{frame.f_code.co_qualname}")
            if frame.f_code.co_qualname in calls:
                calls[frame.f_code.co_qualname].append(stack_of(frame))

    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(None)


def stack_of(frame: FrameType | None) -> list[tuple[str, str]]:
    """The package's frames up to one."""
    found = []
    while frame is not None:
        if (file := own_file(frame)) is not None:
            found.append((file, frame.f_code.co_name))
        frame = frame.f_back
    return found[::-1]


def returns(frames: list[tuple[str, str]]) -> int:
    """How often the stack enters a file that it has left."""
    files = [file for file, _ in frames]
    entered = [file for number, file in enumerate(files) if number == 0 or files[number - 1] != file]
    return len(entered) - len(set(entered))


def measure(name: str, story: Callable[[Eversince], Awaitable[object]]) -> None:
    """Run a story and print what it passed."""
    calls: dict[str, list[list[tuple[str, str]]]] = {"Transport.send": [], "Journal.intent": []}
    files, functions = set[str](), set[str]()

    async def main() -> None:
        async with Emulator() as emulator, Eversince(**emulator.connection) as eversince:
            with traced(calls, files, functions):
                await story(eversince)

    run(main())
    print(f"{name}: {len(files)} files, {len(functions)} functions")
    for place, stacks in calls.items():
        create = next((each for each in stacks if any(function == "create" for _, function in each)), None)
        if create is not None:
            names = {file for file, _ in create}
            print(
                f"  create, at {place}: {len(create)} frames, {len(names)} files, {returns(create)} returns"
            )
            if "-v" in sys.argv:
                for file, function in create:
                    print(f"    {file}  {function}")


def main() -> None:
    """Measure a production and a batch of one."""
    measure("await produce()", lambda eversince: eversince.produce("A film about a mug"))
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder, "journal.db")
        measure("a batch of one", lambda eversince: eversince.batch([{"brief": "A film"}], journal=journal))


if __name__ == "__main__":
    main()
