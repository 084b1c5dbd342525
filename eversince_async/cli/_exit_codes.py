"""The exit codes of all commands, as `eversince --help` prints them."""

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit code of a command."""

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
        """The meaning of the code, in words."""
        return _MEANINGS[self]


_MEANINGS = {
    ExitCode.DONE: "done, all of it",
    ExitCode.FAILED: "failed, or some of it: by the server, the network, or a project itself",
    ExitCode.USAGE: "called the wrong way, with a file that is wrong, or not confirmed; nothing was sent",
    ExitCode.UNFINISHED: "not finished, but can be continued: paused, drained, or waited for too long",
    ExitCode.CONFIGURATION: "no key, a wrong key, or an address that cannot be used",
    ExitCode.HUNG_UP: "left at once, as the terminal was closed (SIGHUP)",
    ExitCode.INTERRUPTED: "left at once with Ctrl-C",
    ExitCode.TERMINATED: "left at once, as it was told to end (SIGTERM)",
}
