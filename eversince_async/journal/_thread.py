"""One thread that writes, and many tasks that share its commits."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, Final, Generic, TypeVar

import attrs

from eversince_async.errors import copy_of

R = TypeVar("R")
T = TypeVar("T")

MAX_BATCH: Final = 500
"""Writes that share one commit at most; so that none waits for too long a transaction."""


@attrs.frozen
class Failed:
    """What a write raised, in place of what it returns."""

    error: BaseException


Commit = Callable[[Sequence[Callable[[R], Any]]], Sequence[Any]]
"""Runs functions in one transaction; returns what each returned, or a `Failed`. Raises: none has happened."""


@attrs.define(eq=False)
class _Write(Generic[R]):
    transaction: Callable[[R], Any]
    future: asyncio.Future[Any]


class WriterThread(Generic[R]):
    """A thread for one loop. What is asked of it happens in the order in which it was asked.

    While a commit is under way, further writes collect, and then share the next one. The thread works through
    `run_in_executor`, so that a loop in virtual time knows that somebody works.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="eversince-journal")
        self._commit: Commit[R] | None = None
        self._waiting: dict[_Write[R], None] = {}
        self._is_due = False  # a commit is about to begin, or under way

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop it works for."""
        return self._loop

    def set_commit(self, commit: Commit[R]) -> None:
        """Tell how a batch of writes is committed; before the first of them."""
        self._commit = commit

    async def call(self, function: Callable[[], T]) -> T:
        """Run a function there, outside of any transaction."""
        return await self._loop.run_in_executor(self._executor, function)

    async def write(self, transaction: Callable[[R], T]) -> T:
        """Run a function in a transaction; return when that is committed.

        Cancelling takes it back if its transaction has not begun. If it has, it will be committed.
        """
        write = self._enqueue(transaction)
        try:
            result: T = await write.future
        except asyncio.CancelledError:
            self._waiting.pop(write, None)
            raise
        return result

    def write_later(self, transaction: Callable[[R], object]) -> None:
        """Run a function in a transaction, after what was asked for before; nobody learns how it went."""
        self._enqueue(transaction).future.add_done_callback(_ignore_result)

    def stop(self, last: Callable[[], T]) -> asyncio.Future[T]:
        """Do what was asked for, then a last thing; then the thread ends."""
        while self._waiting:
            self._start_commit()
        ending = self._loop.run_in_executor(self._executor, last)
        self._executor.shutdown(wait=False)
        return ending

    def _enqueue(self, transaction: Callable[[R], Any]) -> _Write[R]:
        write = _Write(transaction, self._loop.create_future())
        self._waiting[write] = None
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._start_commit)  # whoever is ready now comes along
        return write

    def _start_commit(self) -> None:
        batch = self._next_batch()
        self._is_due = bool(batch)
        if batch:
            assert self._commit is not None
            transactions = [write.transaction for write in batch]
            committing = self._loop.run_in_executor(self._executor, self._commit, transactions)
            committing.add_done_callback(lambda committed: self._committed(batch, committed))

    def _next_batch(self) -> Sequence[_Write[R]]:
        taken = list(islice(self._waiting, MAX_BATCH))
        for write in taken:
            del self._waiting[write]
        # A cancelled task has yet to run and withdraw its write.
        return [write for write in taken if not write.future.cancelled()]

    def _committed(self, batch: Sequence[_Write[R]], committed: asyncio.Future[Sequence[Any]]) -> None:
        error = committed.exception()
        outcomes = committed.result() if error is None else [Failed(copy_of(error)) for _ in batch]
        for write, outcome in zip(batch, outcomes, strict=True):
            if write.future.done():
                continue
            if isinstance(outcome, Failed):
                write.future.set_exception(outcome.error)
            else:
                write.future.set_result(outcome)
        self._start_commit()


def _ignore_result(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
