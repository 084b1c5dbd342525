"""Cost of a durable write, and its effect on the application.

    python benchmarks/journal.py [seconds]

One write is an effect of 400 bytes, committed with WAL and synchronous=FULL. Next to the journal of this
package, the benchmark writes such rows with plain sqlite3: on the loop, which stands still meanwhile, and in
a thread, with one commit each. Loop lag is the delay of a timer of 1 ms. All three take turns in each round.
"""

import asyncio
import contextlib
import json
import math
import sqlite3
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from eversince_async.journal import SqliteJournal

ROUNDS = 3
REQUEST = {"text": "x" * 400}


class Plain:
    """sqlite3 in handwritten code."""

    def __init__(self, path, executor=None):
        self.executor = executor
        self.count = 0
        self.database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.execute("PRAGMA synchronous = FULL")
        self.database.execute("CREATE TABLE effect (job_id TEXT, seq INTEGER, request TEXT) STRICT")

    async def write(self, task):
        if self.executor is None:
            self.insert(task)
        else:
            await asyncio.get_running_loop().run_in_executor(self.executor, self.insert, task)
            return
        await asyncio.sleep(0)  # otherwise no other task would ever run

    def insert(self, task):
        self.count += 1
        values = (task, self.count, json.dumps(REQUEST))
        self.database.execute("INSERT INTO effect VALUES (?, ?, ?)", values)


class Ours:
    def __init__(self, journal):
        self.journal = journal
        self.count = 0

    async def write(self, task):
        self.count += 1
        await self.journal.intent(task, "step", REQUEST, name=str(self.count))


@contextlib.asynccontextmanager
async def contender(name, folder, tasks):
    path = Path(folder, f"{name} {tasks} {time.monotonic_ns()}")
    if name == "ours":
        async with SqliteJournal(path) as journal:
            for task in range(tasks):
                await journal.put(str(task), {})
                await journal.acquire(str(task))
            yield Ours(journal)
    else:
        with ThreadPoolExecutor(1) as executor:
            plain = Plain(path, executor if name == "sqlite3 in a thread" else None)
            yield plain
        plain.database.close()


async def measure(writer, tasks, seconds):
    """Return the writes a second, and the latencies and lags in seconds."""
    latencies, lags, began = [], [], time.perf_counter()
    until = began + seconds

    async def writing(task):
        while (start := time.perf_counter()) < until:
            await writer.write(task)
            latencies.append(time.perf_counter() - start)

    async def watching():
        while (start := time.perf_counter()) < until:
            await asyncio.sleep(0.001)
            lags.append(time.perf_counter() - start - 0.001)

    await asyncio.gather(watching(), *(writing(str(task)) for task in range(tasks)))
    return len(latencies) / (time.perf_counter() - began), latencies, lags


def p99(values):
    return sorted(values)[math.ceil(len(values) * 0.99) - 1] * 1000


async def main(seconds):
    names = ["sqlite3 on the loop", "sqlite3 in a thread", "ours"]
    print(f"{'':<22}{'tasks':>6}{'writes/s':>10}{'per commit':>12}{'p99 ms':>9}{'lag p99 ms':>12}")
    with tempfile.TemporaryDirectory() as folder:
        for tasks in (1, 16):
            results = {name: [] for name in names}
            for _ in range(ROUNDS):
                for name in names:
                    async with contender(name, folder, tasks) as writer:
                        before = writer.journal.commits if name == "ours" else 0
                        rate, latencies, lags = await measure(writer, tasks, seconds)
                        commits = writer.journal.commits - before if name == "ours" else len(latencies)
                        results[name].append((rate, len(latencies) / commits, p99(latencies), p99(lags)))
            for name in names:
                rate, shared, slow, lag = map(statistics.median, zip(*results[name], strict=True))
                print(f"{name:<22}{tasks:>6}{rate:>10,.0f}{shared:>12.1f}{slow:>9.2f}{lag:>12.2f}")


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0))
