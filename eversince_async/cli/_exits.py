"""Exit codes, in one place: `eversince --help` prints this table."""

from enum import IntEnum


class Exit(IntEnum):
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
    Exit.DONE: "done, all of it",
    Exit.FAILED: "failed, or some of it: by the server, the network, or a project itself",
    Exit.USAGE: "called the wrong way, with a file that is wrong, or not confirmed; nothing was sent",
    Exit.UNFINISHED: "not at its end, and can be gone on with: paused, drained, or waited for too long",
    Exit.CONFIGURATION: "no key, a wrong key, or an address that cannot be used",
    Exit.HUNG_UP: "left at once, as the terminal was closed (SIGHUP)",
    Exit.INTERRUPTED: "left at once with Ctrl-C",
    Exit.TERMINATED: "left at once, as it was told to end (SIGTERM)",
}
