"""Exit codes, in one place: `eversince --help` prints this table."""

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    UNFINISHED = 3
    CONFIGURATION = 4
    HUNG_UP = 129
    INTERRUPTED = 130
    TERMINATED = 143

    @property
    def meaning(self) -> str:
        """What it says, for the overview."""
        return _MEANINGS[self]


_MEANINGS = {
    ExitCode.DONE: "done, all of it",
    ExitCode.FAILED: "failed, or some of it: by the server, the network, or a project itself",
    ExitCode.USAGE: "called the wrong way, with a file that is wrong, or not confirmed; nothing was sent",
    ExitCode.UNFINISHED: "not at its end, and can be gone on with: paused, drained, or waited for too long",
    ExitCode.CONFIGURATION: "no key, a wrong key, or an address that cannot be used",
    ExitCode.HUNG_UP: "left at once, as the terminal was closed (SIGHUP)",
    ExitCode.INTERRUPTED: "left at once with Ctrl-C",
    ExitCode.TERMINATED: "left at once, as it was told to end (SIGTERM)",
}
