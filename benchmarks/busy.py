"""Load on all cores and the disk, during a command or period.

    python benchmarks/busy.py [--seconds 3600] [--times 5] [-- python -m pytest tests -n 2]

Two processes for each core compute without a pause, and one writes and flushes files of 64 MB. With a
command, the load lasts until the command has run `--times` times or has failed; its exit code is then the one
of this process. The load ends in any case after `--seconds`, or when this process is gone, and leaves no
files.
"""

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

MIB = 2**20


def compute(goes_on: Callable[[], bool]) -> None:
    while goes_on():
        sum(range(1_000_000))


def write(goes_on: Callable[[], bool]) -> None:
    piece = os.urandom(MIB)
    with tempfile.TemporaryFile() as file:  # has no name, so nothing can be left behind
        while goes_on():
            file.seek(0)
            for _ in range(64):
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())


def work(kind: Callable[[Callable[[], bool]], None], parent: int, seconds: float) -> None:
    ends_at = time.monotonic() + seconds
    kind(lambda: time.monotonic() < ends_at and os.getppid() == parent)


@contextmanager
def load(seconds: float, processes: int) -> Iterator[None]:
    """Keep the machine busy during the context, at most for `seconds`."""
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=work, args=(kind, os.getpid(), seconds), daemon=True)
        for kind in [*[compute] * processes, write]
    ]
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        for worker in workers:
            worker.kill()
            worker.join()


def repeat(command: list[str], times: int) -> int:
    """Run a command `times` times or until failure; return its exit code."""
    for number in range(1, times + 1):
        began = time.monotonic()
        code = subprocess.run(command, check=False).returncode
        print(f"run {number} of {times}: exit {code} after {time.monotonic() - began:.0f} s", flush=True)
        if code:
            return code
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=3600.0, help="duration of the load at most")
    parser.add_argument("--times", type=int, default=1, help="number of runs of the command")
    parser.add_argument(
        "--processes", type=int, default=2 * (os.cpu_count() or 1), help="computing processes"
    )
    parser.add_argument("command", nargs="*", help="command to run under load")
    options = parser.parse_args()
    with load(options.seconds, options.processes):
        if options.command:
            sys.exit(repeat(options.command, options.times))
        time.sleep(options.seconds)


if __name__ == "__main__":
    main()
