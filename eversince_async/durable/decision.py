"""What a person says about an effect in doubt."""

from collections.abc import Callable, Mapping
from typing import Final

from eversince_async.errors import JournalError
from eversince_async.journal import Effect, EffectKind, Journal, Json
from eversince_async.lifecycle import ProjectStatus

_RESULTS: Final[Mapping[EffectKind, Callable[[str], Json]]] = {
    # What the one who made it would have written down. A look at the project tells how it stands by now.
    "create": lambda created: {"id": created, "status": ProjectStatus.QUEUED},
    "share": lambda created: {"share_url": created, "video_url": None},
}


async def resolve_in_doubt(journal: Journal, key: str, created: str | None, name: str | None) -> Effect:
    """Write down what a person has found out.

    Args:
        journal: The journal.
        key: The job.
        created: What the effect has made: a public page's address, a project's id; None: it did not happen.
        name: The effect; None for the only one that is in doubt.

    Raises:
        JournalError: Nothing of that name is in doubt, or several are and none is named; somebody works on
            the job; or what it is said to have made belongs to another.
    """
    doubtful = {each.name: each for each in await journal.effects(key) if each.state == "in_doubt"}
    if name is None and len(doubtful) > 1:
        raise JournalError(f"several of {key!r} are in doubt: name one of {', '.join(map(repr, doubtful))}")
    name = name or next(iter(doubtful), "anything")
    found = doubtful.get(name)
    result = None if found is None or created is None else _RESULTS.get(found.kind, _no_result)(created)
    return await journal.decide(key, name, result, claim=created)


def _no_result(_: str) -> Json:
    return None
