"""Exit codes, in one place: `eversince --help` prints this table."""

from enum import IntEnum


class Exit(IntEnum):
    """How a command ended."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    CONFIGURATION = 3
    PARTLY = 4
    INTERRUPTED = 130

    @property
    def meaning(self) -> str:
        """What it says, for the overview."""
        return _MEANINGS[self]


_MEANINGS = {
    Exit.DONE: "done",
    Exit.FAILED: "failed: by the server, the network, or the project itself",
    Exit.USAGE: "called the wrong way; nothing was sent",
    Exit.CONFIGURATION: "no key, a wrong key, or an address that cannot be used",
    Exit.PARTLY: "partly done: some videos failed, or one goes on without us",
    Exit.INTERRUPTED: "interrupted with Ctrl-C",
}
