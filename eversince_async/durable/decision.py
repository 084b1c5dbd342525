"""A person's decision about an effect in doubt."""

from collections.abc import Callable, Mapping
from typing import Final

from eversince_async.errors import JournalError
from eversince_async.journal import Effect, EffectKind, Journal, Json
from eversince_async.lifecycle import ProjectStatus

_RESULTS: Final[Mapping[EffectKind, Callable[[str], Json]]] = {
    # The results that the run itself would have recorded. A poll of the project tells its present status.
    "create": lambda created: {"id": created, "status": ProjectStatus.QUEUED},
    "share": lambda created: {"share_url": created, "video_url": None},
}


async def resolve_in_doubt(journal: Journal, key: str, created: str | None, name: str | None) -> Effect:
    """Record a person's findings about an effect in doubt.

    Args:
        journal: The journal.
        key: The job.
        created: The thing that the effect has made: a public page's address, or a project's id; None if the
            effect did not happen.
        name: The effect; None for the only effect that is in doubt.

    Raises:
        JournalError: No effect of that name is in doubt; several are, and none is named; another process
            works on the job; or `created` belongs to another effect.
    """
    doubtful = {each.name: each for each in await journal.effects(key) if each.state == "in_doubt"}
    if name is None and len(doubtful) > 1:
        raise JournalError(f"several of {key!r} are in doubt: name one of {', '.join(map(repr, doubtful))}")
    name = name or next(iter(doubtful), "anything")
    effect = doubtful.get(name)
    result = None if effect is None or created is None else _RESULTS.get(effect.kind, _no_result)(created)
    return await journal.decide(key, name, result, claim=created)


def _no_result(_: str) -> Json:
    return None
