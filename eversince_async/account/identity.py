"""Whether a journal belongs to the server and the account that a client talks to.

Under the keys of a journal stand projects of one account. Taken to another, its rows would be paid for twice,
or be looked for where they never were. So a journal keeps the address of its server, and a fingerprint of
each API key that was seen to reach its account. What differs is decided by reading a project that it knows.

- Another server is an error. Two addresses of this machine, or two paths of one server, may be the same:
  an emulator listens at another port each time it is started, and keeps its projects with `--state`.
- Another key may be the same account's.
- A journal that knows no project, or is older than this, belongs to the first account it meets.
"""

import asyncio
import secrets
import weakref
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final, Self

import attrs

from eversince_async._loop_lock import LoopLock
from eversince_async._wire.addresses import AddressRefused, parse
from eversince_async.durable.api import ApiAccess
from eversince_async.durable.confirm import retry_transient
from eversince_async.errors import Forbidden, NotFound, OtherAccount, Unauthorized
from eversince_async.journal import Journal, Json

NOTE: Final = "account"
"""The name of the journal's note."""

READ: Final = 3
"""Known projects that are read before an account is taken for another: one may have been deleted since."""

KEYS: Final = 10
"""Keys that are remembered; an account has no more."""


@attrs.frozen
class Owner:
    """Whose a journal is.

    Attributes:
        id: A name for the account within this journal, made up when it was met first.
        server: The base URL, in one spelling.
        salt: Makes fingerprints of a key different in each journal.
        keys: Fingerprints of keys of the account, the latest last.
        since: How many changes the journal had seen when it became this account's: projects of earlier ones
            may be another's.
    """

    id: str
    server: str
    salt: str
    keys: tuple[str, ...]
    since: int = 0

    @classmethod
    def read(cls, kept: Json) -> Self | None:
        """From what a journal kept; None where that says nothing that can be read."""
        match kept:
            case {
                "id": str() as name,
                "server": str() as server,
                "salt": str() as salt,
                "keys": list() as keys,
                "since": int() as since,
            }:
                return cls(name, server, salt, tuple(key for key in keys if isinstance(key, str)), since)
            case _:
                return None

    def to_json(self) -> dict[str, Json]:
        """What a journal keeps."""
        return {**attrs.asdict(self), "keys": list(self.keys)}

    def with_address(self, server: str, key: str) -> "Owner":
        """As this, having been reached by this address and key."""
        keys = (*(each for each in self.keys if each != key), key)[-KEYS:]
        return attrs.evolve(self, server=server, keys=keys)


async def need_ours(access: ApiAccess, journal: Journal, *, allow_other: bool) -> str:
    """Make sure that a journal is of our account, or becomes so; once for each time it is opened.

    Args:
        access: What to work with.
        journal: The journal.
        allow_other: Whether it becomes ours although it is of another account.

    Returns:
        The name that the journal has for the account.

    Raises:
        OtherAccount: It is of another server or account.
        EversinceError: A project that it knows cannot be read.
    """
    journals = _of_clients.setdefault(access, _Journals())
    async with journals.lock.get():
        incarnation, name = journals.known.get(journal, ("", ""))
        if incarnation != journal.incarnation:
            try:
                name = await _owner(access, journal, allow_other=allow_other)
            except _Unseen as unseen:
                return unseen.name
            journals.known[journal] = journal.incarnation, name
    return name


async def check_ours(access: ApiAccess, journal: Journal, path: str) -> None:
    """Refuse a journal that `need_ours` would refuse; nothing is written.

    Args:
        access: What to work with.
        journal: The journal, or a copy of it.
        path: What to call it.

    Raises:
        OtherAccount: It is of another server or account.
        EversinceError: A project that it knows cannot be read.
    """
    kept = await journal.noted(NOTE)
    if kept is None:
        return
    owner = Owner.read(kept)
    if owner is None:
        raise OtherAccount(f"{path}: does not tell any more whose it is; {WHAT_TO_DO}")
    if await name_of(access, journal) is not None:
        return
    with suppress(Unauthorized):  # with such a key nothing can be done for another account, either
        problem = await _problem(access, journal, owner, normalize_url(access.session.transport.base_url))
        if problem is not None:
            raise OtherAccount(f"{path}: {problem}")


async def name_of(access: ApiAccess, journal: Journal) -> str | None:
    """The name that a journal has for our account; None if it does not know our key yet. Nothing is asked."""
    owner = Owner.read(await journal.noted(NOTE))
    if owner is None or owner.server != normalize_url(access.session.transport.base_url):
        return None
    key = await asyncio.to_thread(access.session.transport.fingerprint, owner.salt)
    return owner.id if key in owner.keys else None


class _Journals:
    """Those that a client has looked at: the incarnation, and the name that each has for the account."""

    def __init__(self) -> None:
        self.known: weakref.WeakKeyDictionary[Journal, tuple[str, str]] = weakref.WeakKeyDictionary()
        self.lock = LoopLock()


_of_clients: weakref.WeakKeyDictionary[ApiAccess, _Journals] = weakref.WeakKeyDictionary()


class _Unseen(Exception):
    """A journal was not looked at, as the key was refused: who comes next looks again."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


async def _owner(access: ApiAccess, journal: Journal, *, allow_other: bool) -> str:
    """Learn or settle whose a journal is; as often as another process is quicker to write that down.

    Raises:
        OtherAccount: It is of another server or account.
        _Unseen: The key is refused.
    """
    server = normalize_url(access.session.transport.base_url)
    while True:
        kept = await journal.noted(NOTE)
        owner = Owner.read(kept)
        if kept is None or (owner is None and allow_other):
            ours = await _new(access, server)
        elif owner is None:
            raise OtherAccount(f"{_describe(journal)}does not tell any more whose it is; {WHAT_TO_DO}")
        else:
            key = await asyncio.to_thread(access.session.transport.fingerprint, owner.salt)
            if owner.server == server and key in owner.keys:
                return owner.id
            try:
                problem = await _problem(access, journal, owner, server)
            except Unauthorized:  # with such a key nothing can be done for another account, either
                raise _Unseen(owner.id) from None
            if problem is None:
                ours = owner.with_address(server, key)
            elif allow_other:
                ours = await _new(access, server, since=await journal.changes())
            else:
                raise OtherAccount(_describe(journal) + problem)
        if await journal.change_note(NOTE, partial(_next, kept, ours)) == ours.to_json():
            return ours.id


async def _new(access: ApiAccess, server: str, *, since: int = 0) -> Owner:
    salt = secrets.token_hex(16)
    key = await asyncio.to_thread(access.session.transport.fingerprint, salt)
    return Owner(secrets.token_hex(8), server, salt, (key,), since)


def _next(kept: Json, ours: Owner, now: Json) -> Json:
    """What to note: nothing new if somebody else has written meanwhile."""
    return ours.to_json() if now == kept else now


def normalize_url(base_url: str) -> str:
    """A base URL in one spelling: names are the same in any case, and some ports go without saying."""
    address = parse(base_url)
    origin = attrs.evolve(address, host=address.host.removesuffix(".")).origin
    return f"{origin}/{base_url.partition('://')[2].partition('/')[2].rstrip('/')}"


async def _problem(access: ApiAccess, journal: Journal, owner: Owner, server: str) -> str | None:
    """Why a journal cannot be ours; None if it is, or nothing in it could be another's."""
    if not _may_be_one(owner.server, server):
        return f"belongs to another server, {owner.server}, and this is {server}; {WHAT_TO_DO}"
    known = await _list_projects(journal, owner.since)
    for project_id in known:
        if await _is_there(access, project_id):
            return None
    if not known:
        return None
    where = "account" if owner.server == server else "server or account"
    return (
        f"belongs to another {where}: this one at {server} does not know the project {known[0]}; {WHAT_TO_DO}"
    )


WHAT_TO_DO: Final = (
    "use a journal for each account, or, if this one is to go on here, say so by allow_other_account=True "
    "(--allow-other-account)"
)


def _may_be_one(server: str, other: str) -> bool:
    """Whether two addresses may be of one server, for all that can be told by them."""
    try:
        one, another = parse(server), parse(other)
    except AddressRefused:
        return False
    if one.is_loopback and another.is_loopback:
        return True
    return (one.scheme, one.host, one.port) == (another.scheme, another.host, another.port)


async def _is_there(access: ApiAccess, project_id: str) -> bool:
    """Whether the account has a project."""
    try:
        await retry_transient(access, lambda: access.interactive.projects.get(project_id))
    except (NotFound, Forbidden) as refusal:
        if not refusal.is_documented:
            raise
        return False
    return True


async def _list_projects(journal: Journal, since: int) -> list[str]:
    """Some projects of jobs that have changed since then."""
    found = list[str]()
    async for job in journal.jobs():
        if job.updated_change <= since > 0:
            continue
        if job.project_id is not None:
            found.append(job.project_id)
        else:  # a pipeline's are its steps'
            results = [each.result for each in await journal.effects(job.id) if each.kind == "create"]
            made = [each.get("id") for each in results if isinstance(each, Mapping)]
            found += [each for each in made if isinstance(each, str)]
        if len(found) >= READ:
            break
    return found[:READ]


def _describe(journal: Any) -> str:
    path = getattr(journal, "path", None)
    return "the journal " if path is None else f"{path}: "
