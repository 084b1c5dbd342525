"""The killer: starts processes, kills them at random, and restarts them.

It goes on until all work is done.
"""

import json
import os
import random
import selectors
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs

from eversince_async.durable.executor import EFFECT_LEASE
from killing.audit import progress
from killing.processes import Settings

BENCHMARKS = Path(__file__).parents[1]
LOOK = 0.01
"""Real seconds between two checks of the progress."""

PATIENCE = 400.0
"""Real seconds after which an unfinished process counts as hung."""


class Stuck(Exception):
    """The work makes no more progress."""


@attrs.define(eq=False)
class Child:
    """A child process and its output."""

    role: str
    settings: Settings
    process: "subprocess.Popen[bytes]" = attrs.field(init=False)
    _output: bytes = attrs.field(default=b"", init=False)

    def __attrs_post_init__(self) -> None:
        command = [sys.executable, "-m", "killing.processes", self.role, self.settings.to_json()]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=BENCHMARKS)

    @property
    def lines(self) -> list[str]:
        """The lines of its output so far."""
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while selector.select(0) and (more := os.read(self.process.stdout.fileno(), 65_536)):
                self._output += more
        return self._output.decode().splitlines()

    @property
    def is_up(self) -> bool:
        return bool(self.lines)

    @property
    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def kill(self) -> None:
        """Kill the process, as a power cut does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end(self) -> dict[str, Any]:
        """Wait for the process to end; return its last line of output."""
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise Stuck(f"{self.role} does not end") from None
        lines = self.lines
        if code != 0 or len(lines) < 2:
            raise Stuck(f"{self.role} ended with {code}")
        report: dict[str, Any] = json.loads(lines[-1])
        return report


@attrs.define
class Killer:
    """Kills and restarts the processes.

    Attributes:
        settings: Settings of the measurement.
        workers: Number of processes that share the journal.
        chance: Source of randomness for times and victims.
        longest: Real seconds by which a due kill is delayed at most.
        kills: Number of kills.
        early: Number of kills before the last item was done.
        stops: Number of times a worker was suspended.
        server_kills: Number of kills of the emulator.
        outages: Number of outages of the proxy.
        endings: Reports of the workers that ended.
    """

    settings: Settings
    workers: int
    chance: random.Random
    longest: float
    kills: int = 0
    early: int = 0
    stops: int = 0
    server_kills: int = 0
    outages: int = 0
    endings: list[dict[str, Any]] = attrs.field(factory=list)
    _emulator: Child | None = attrs.field(default=None, init=False)
    _proxy: Child | None = attrs.field(default=None, init=False)
    _answerer: Child | None = attrs.field(default=None, init=False)
    _running: list[Child] = attrs.field(factory=list, init=False)

    def start(self) -> None:
        """Start the emulator and, if needed, the proxy."""
        self._emulator = self._server("emulate")
        if self.settings.chaos is not None and self._proxy is None:
            self._proxy = self._server("proxy")

    def strike(self, times: dict[str, int]) -> None:
        """Strike as often as given, at random during and after the items.

        Each strike is due at a certain number of completed items, and happens a little later.
        """
        acts = {
            "kill": self._kill_worker,
            "stop": self._stop_worker,
            "kill server": self._kill_emulator,
            "outage": self._begin_outage,
        }
        plan = [
            (self.chance.uniform(-0.5, self.settings.items + 0.5), what)
            for what, count in times.items()
            for _ in range(count)
        ]
        for due, what in sorted(plan):
            wanted = min(due, self.settings.items)
            self._until(lambda wanted=wanted: self._done() >= wanted, f"{wanted:.1f} items")
            moment = time.monotonic() + self.chance.uniform(0, self.longest)
            self._until(lambda moment=moment: time.monotonic() >= moment, "a moment")
            acts[what]()

    def finish(self) -> None:
        """Let the workers end, and restart them if work was left over."""
        for _ in range(20):
            for worker in self._workers():
                self.endings.append(worker.end())
                self._running.remove(worker)
            if all(not each["problems"] for each in self.endings[-self.workers :]):
                return
        raise Stuck(f"never all done: {self.endings[-1]}")

    def stop(self) -> dict[str, Any]:
        """End the proxy and the emulator, and return the emulator's counts."""
        if self._proxy is not None:
            self._proxy.process.terminate()
            self._proxy.end()
        assert self._emulator is not None
        self._emulator.process.terminate()
        return self._emulator.end()

    def clean_up(self) -> None:
        """Kill all processes that are left."""
        for child in (*self._running, self._answerer, self._proxy, self._emulator):
            if child is not None and not child.has_ended:
                child.kill()

    def _done(self) -> float:
        return progress(self.settings)

    def _workers(self) -> list[Child]:
        """Return the running workers; those that ended are restarted."""
        for worker in [worker for worker in self._running if worker.has_ended]:
            self.endings.append(worker.end())
            self._running.remove(worker)
            if self.endings[-1].get("counts", {}).get("failed"):
                raise Stuck(f"items failed for good: {self.endings[-1]['problems']}")
        if self.settings.pipeline and (self._answerer is None or self._answerer.has_ended):
            self._answerer = Child("answer", self.settings)
        while len(self._running) < self.workers:
            self._running.append(Child("work", self.settings))
        return list(self._running)

    def _server(self, role: str) -> Child:
        """Start a process that must run before any worker."""
        child = Child(role, self.settings)
        patience = time.monotonic() + PATIENCE
        while not child.is_up:
            if child.has_ended or time.monotonic() > patience:
                child.process.kill()
                raise Stuck(f"{role} does not start")
            time.sleep(LOOK)
        return child

    def _until(self, ready: Any, what: str) -> None:
        patience = time.monotonic() + PATIENCE
        while not ready():
            if time.monotonic() > patience:
                raise Stuck(f"waited for {what} in vain; {self._done():.1f} items are done")
            self._workers()
            time.sleep(LOOK)

    def _victim(self) -> Child:
        victim = self.chance.choice(self._workers())
        self._until(lambda: victim.is_up or victim.has_ended, "a worker to start")
        # A worker without work ends by itself.
        return self.chance.choice(self._workers()) if victim.has_ended else victim

    def _kill_worker(self) -> None:
        if self._answerer is not None and self.chance.random() < 1 / (self.workers + 1):
            self._answerer.kill()
        victim = self._victim()
        self.early += self._done() < self.settings.items
        victim.kill()
        self._running.remove(victim)
        self.kills += 1

    def _stop_worker(self) -> None:
        """Suspend a worker, often beyond the life of its leases.

        The others go on meanwhile.
        """
        sleeper = self._victim()
        sleeper.process.send_signal(signal.SIGSTOP)
        wake = time.monotonic() + self.chance.uniform(0, 2.5 * EFFECT_LEASE / self.settings.speed)
        while time.monotonic() < wake:
            time.sleep(LOOK)
        sleeper.process.send_signal(signal.SIGCONT)
        self.stops += 1

    def _kill_emulator(self) -> None:
        assert self._emulator is not None
        self._emulator.kill()
        time.sleep(self.chance.uniform(0, 0.5))
        self.start()
        self.server_kills += 1

    def _begin_outage(self) -> None:
        assert self._proxy is not None, "only a proxy has outages"
        self._proxy.process.send_signal(signal.SIGUSR1)
        self.outages += 1


def free_port() -> int:
    """Return the first of four free ports in a row.

    The ports are outside the range that the system assigns by itself: the emulator must get its port again at
    each start.
    """
    while True:
        port = random.randrange(20_000, 30_000)
        with ExitStack() as stack:
            try:
                for each in range(port, port + 4):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", each))
            except OSError:
                continue
            return port
