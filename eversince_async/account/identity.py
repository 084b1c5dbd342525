"""The server and the account to which a journal belongs.

The keys of a journal stand for projects of one account. With another account, its rows would be paid for
twice, or be looked for where they never were. So a journal keeps the address of its server, and a fingerprint
of each API key that was seen to reach its account. If these differ from the client's, reading a project that
the journal knows decides.

- Another server is an error. Two addresses of this machine, or two paths of one server, may be the same
  server: an emulator listens at another port each time it is started, and keeps its projects with `--state`.
- Another key may belong to the same account.
- A journal that knows no project, or is older than this rule, belongs to the first account that uses it.
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
"""The number of known projects that are read to tell accounts apart.

If none of them is there, the account is taken for another; one of them may have been deleted since."""

KEYS: Final = 10
"""The number of keys that are remembered; an account has no more."""


@attrs.frozen
class Owner:
    """The account to which a journal belongs.

    Attributes:
        id: A name for the account within this journal, made up when the journal was first used with it.
        server: The base URL, in one spelling.
        salt: The salt that makes fingerprints of a key different in each journal.
        keys: Fingerprints of keys of the account, the latest last.
        since: The number of changes of the journal when it became this account's: projects of earlier changes
            may be another account's.
    """

    id: str
    server: str
    salt: str
    keys: tuple[str, ...]
    since: int = 0

    @classmethod
    def read(cls, kept: Json) -> Self | None:
        """Read an owner from a journal's note; None if it is unreadable."""
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
        """Return the owner in the form that a journal keeps."""
        return {**attrs.asdict(self), "keys": list(self.keys)}

    def with_address(self, server: str, key: str) -> "Owner":
        """Return the owner with an address and key that reached it."""
        keys = (*(each for each in self.keys if each != key), key)[-KEYS:]
        return attrs.evolve(self, server=server, keys=keys)


async def need_ours(access: ApiAccess, journal: Journal, *, allow_other: bool) -> str:
    """Make sure that a journal belongs to the client's account.

    A journal that belongs to no account becomes the client's. The check is made once each time the journal is
    opened.

    Args:
        access: The API.
        journal: The journal.
        allow_other: True to make the journal the client's even if it belongs to another account.

    Returns:
        The journal's name for the account.

    Raises:
        OtherAccount: The journal belongs to another server or account.
        EversinceError: A project that the journal knows cannot be read.
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
        access: The API.
        journal: The journal, or a copy of it.
        path: The journal's name in the error.

    Raises:
        OtherAccount: The journal belongs to another server or account.
        EversinceError: A project that the journal knows cannot be read.
    """
    note = await journal.noted(NOTE)
    if note is None:
        return
    owner = Owner.read(note)
    if owner is None:
        raise OtherAccount(f"{path}: no longer says to which account it belongs; {WHAT_TO_DO}")
    if await name_of(access, journal) is not None:
        return
    with suppress(Unauthorized):  # such a key can do nothing for another account, either
        problem = await _problem(access, journal, owner, normalize_url(access.session.transport.base_url))
        if problem is not None:
            raise OtherAccount(f"{path}: {problem}")


async def name_of(access: ApiAccess, journal: Journal) -> str | None:
    """Return a journal's name for the client's account.

    No request is made.

    Returns:
        The name; None if the journal does not know the client's key yet.
    """
    owner = Owner.read(await journal.noted(NOTE))
    if owner is None or owner.server != normalize_url(access.session.transport.base_url):
        return None
    key = await asyncio.to_thread(access.session.transport.fingerprint, owner.salt)
    return owner.id if key in owner.keys else None


class _Journals:
    """The journals that a client has checked.

    For each of them, it holds the incarnation and the journal's name for the account.
    """

    def __init__(self) -> None:
        self.known: weakref.WeakKeyDictionary[Journal, tuple[str, str]] = weakref.WeakKeyDictionary()
        self.lock = LoopLock()


_of_clients: weakref.WeakKeyDictionary[ApiAccess, _Journals] = weakref.WeakKeyDictionary()


class _Unseen(Exception):
    """A journal could not be checked, as the key was refused.

    The next call checks it again.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


async def _owner(access: ApiAccess, journal: Journal, *, allow_other: bool) -> str:
    """Find out or settle to which account a journal belongs.

    If another process is quicker to record an owner, this is done again.

    Returns:
        The journal's name for the account.

    Raises:
        OtherAccount: The journal belongs to another server or account.
        _Unseen: The key is refused.
    """
    server = normalize_url(access.session.transport.base_url)
    while True:
        note = await journal.noted(NOTE)
        owner = Owner.read(note)
        if note is None or (owner is None and allow_other):
            ours = await _new(access, server)
        elif owner is None:
            raise OtherAccount(
                f"{_describe(journal)}no longer says to which account it belongs; {WHAT_TO_DO}"
            )
        else:
            key = await asyncio.to_thread(access.session.transport.fingerprint, owner.salt)
            if owner.server == server and key in owner.keys:
                return owner.id
            try:
                problem = await _problem(access, journal, owner, server)
            except Unauthorized:  # such a key can do nothing for another account, either
                raise _Unseen(owner.id) from None
            if problem is None:
                ours = owner.with_address(server, key)
            elif allow_other:
                ours = await _new(access, server, since=await journal.changes())
            else:
                raise OtherAccount(_describe(journal) + problem)
        if await journal.change_note(NOTE, partial(_next, note, ours)) == ours.to_json():
            return ours.id


async def _new(access: ApiAccess, server: str, *, since: int = 0) -> Owner:
    salt = secrets.token_hex(16)
    key = await asyncio.to_thread(access.session.transport.fingerprint, salt)
    return Owner(secrets.token_hex(8), server, salt, (key,), since)


def _next(before: Json, ours: Owner, now: Json) -> Json:
    """Return the note to store.

    If another process has changed the note meanwhile, that is the present note.
    """
    return ours.to_json() if now == before else now


def normalize_url(base_url: str) -> str:
    """Return a base URL in one spelling.

    Host names are the same in any case, and some ports go without saying.
    """
    address = parse(base_url)
    origin = attrs.evolve(address, host=address.host.removesuffix(".")).origin
    return f"{origin}/{base_url.partition('://')[2].partition('/')[2].rstrip('/')}"


async def _problem(access: ApiAccess, journal: Journal, owner: Owner, server: str) -> str | None:
    """Return the reason why a journal cannot be the client's.

    Returns:
        None if the journal is the client's, or holds nothing that could be another account's.
    """
    if not _may_be_one(owner.server, server):
        return f"belongs to another server, {owner.server}, and this is {server}; {WHAT_TO_DO}"
    ids = await _list_projects(journal, owner.since)
    for project_id in ids:
        if await _is_there(access, project_id):
            return None
    if not ids:
        return None
    where = "account" if owner.server == server else "server or account"
    return (
        f"belongs to another {where}: this one at {server} does not know the project {ids[0]}; {WHAT_TO_DO}"
    )


WHAT_TO_DO: Final = (
    "use one journal for each account; to continue with this one here, pass allow_other_account=True "
    "(--allow-other-account)"
)


def _may_be_one(server: str, other: str) -> bool:
    """Return True if two addresses may be of one server.

    Only the addresses are compared.
    """
    try:
        one, another = parse(server), parse(other)
    except AddressRefused:
        return False
    if one.is_loopback and another.is_loopback:
        return True
    return (one.scheme, one.host, one.port) == (another.scheme, another.host, another.port)


async def _is_there(access: ApiAccess, project_id: str) -> bool:
    """Return True if the account has a project."""
    try:
        await retry_transient(access, lambda: access.interactive.projects.get(project_id))
    except (NotFound, Forbidden) as refusal:
        if not refusal.is_documented:
            raise
        return False
    return True


async def _list_projects(journal: Journal, since: int) -> list[str]:
    """List some projects of jobs that changed after a number of changes."""
    found = list[str]()
    async for job in journal.jobs():
        if job.updated_change <= since > 0:
            continue
        if job.project_id is not None:
            found.append(job.project_id)
        else:  # a pipeline's projects are those of its steps
            results = [each.result for each in await journal.effects(job.id) if each.kind == "create"]
            ids = [each.get("id") for each in results if isinstance(each, Mapping)]
            found += [each for each in ids if isinstance(each, str)]
        if len(found) >= READ:
            break
    return found[:READ]


def _describe(journal: Any) -> str:
    path = getattr(journal, "path", None)
    return "the journal " if path is None else f"{path}: "
