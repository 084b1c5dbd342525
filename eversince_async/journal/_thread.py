"""One writing thread, whose commits many tasks share."""

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
"""The largest number of writes that share one commit.

It keeps transactions short, so that no write waits for too long."""


@attrs.frozen
class Failed:
    """The error that a write raised, in place of its result."""

    error: BaseException


Commit = Callable[[Sequence[Callable[[R], Any]]], Sequence[Any]]
"""A function that runs other functions in one transaction.

It returns the result of each, or a `Failed`. If it raises, nothing has been written."""


@attrs.define(eq=False)
class _Write(Generic[R]):
    transaction: Callable[[R], Any]
    future: asyncio.Future[Any]


class WriterThread(Generic[R]):
    """A writing thread for one event loop.

    The thread runs calls in the order in which they were requested. While a commit is under way, further
    writes collect, and then share the next one. The thread works through `run_in_executor`, so that a loop in
    virtual time knows that the thread is at work.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="eversince-journal")
        self._commit: Commit[R] | None = None
        self._waiting: dict[_Write[R], None] = {}
        self._is_due = False  # a commit is about to begin, or under way

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop that the thread works for."""
        return self._loop

    def set_commit(self, commit: Commit[R]) -> None:
        """Set the function that commits a batch of writes.

        Call this before the first write.
        """
        self._commit = commit

    async def call(self, function: Callable[[], T]) -> T:
        """Run a function in the thread, outside of any transaction."""
        return await self._loop.run_in_executor(self._executor, function)

    async def write(self, transaction: Callable[[R], T]) -> T:
        """Run a function in a transaction, and return when that is committed.

        Cancelling withdraws the write if its transaction has not begun. If it has begun, it will be
        committed.
        """
        write = self._enqueue(transaction)
        try:
            result: T = await write.future
        except asyncio.CancelledError:
            self._waiting.pop(write, None)
            raise
        return result

    def write_later(self, transaction: Callable[[R], object]) -> None:
        """Run a function in a transaction, after all earlier requests.

        The function's result and errors are dropped.
        """
        self._enqueue(transaction).future.add_done_callback(_ignore_result)

    def stop(self, last: Callable[[], T]) -> asyncio.Future[T]:
        """Finish all requests, run a last function, and end the thread."""
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
            self._loop.call_soon(self._start_commit)  # so tasks that are ready now share the commit
        return write

    def _start_commit(self) -> None:
        batch = self._next_batch()
        self._is_due = bool(batch)
        if batch:
            assert self._commit is not None
            transactions = [write.transaction for write in batch]
            commit = self._loop.run_in_executor(self._executor, self._commit, transactions)
            commit.add_done_callback(lambda future: self._settle(batch, future))

    def _next_batch(self) -> Sequence[_Write[R]]:
        batch = list(islice(self._waiting, MAX_BATCH))
        for write in batch:
            del self._waiting[write]
        # A cancelled task has yet to run and withdraw its write.
        return [write for write in batch if not write.future.cancelled()]

    def _settle(self, batch: Sequence[_Write[R]], commit: asyncio.Future[Sequence[Any]]) -> None:
        error = commit.exception()
        outcomes = commit.result() if error is None else [Failed(copy_of(error)) for _ in batch]
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
