"""Starts the processes, kills them at random moments, and starts them anew until all is done."""

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
"""Real seconds between looks at how far the work has come."""

PATIENCE = 400.0
"""Real seconds in which something must come to its end, or else hangs."""


class Stuck(Exception):
    """Nothing goes on any more."""


@attrs.define(eq=False)
class Child:
    """A process of ours, and what it said."""

    role: str
    settings: Settings
    process: "subprocess.Popen[bytes]" = attrs.field(init=False)
    _said: bytes = attrs.field(default=b"", init=False)

    def __attrs_post_init__(self) -> None:
        command = [sys.executable, "-m", "killing.processes", self.role, self.settings.to_json()]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=BENCHMARKS)

    @property
    def lines(self) -> list[str]:
        """What it said so far."""
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while selector.select(0) and (more := os.read(self.process.stdout.fileno(), 65_536)):
                self._said += more
        return self._said.decode().splitlines()

    @property
    def is_up(self) -> bool:
        return bool(self.lines)

    @property
    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def kill(self) -> None:
        """As a power cut does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end(self) -> dict[str, Any]:
        """Wait for its end; what it said last."""
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise Stuck(f"{self.role} does not end") from None
        lines = self.lines
        if code != 0 or len(lines) < 2:
            raise Stuck(f"{self.role} ended with {code}")
        told: dict[str, Any] = json.loads(lines[-1])
        return told


@attrs.define
class Killer:
    """Kills.

    Attributes:
        settings: What is run.
        workers: How many processes share the journal.
        chance: When and whom.
        longest: Real seconds to wait at most before a kill, when it is due.
        kills: How many there were.
        early: How many of them before the last item was done.
        stops: How often one slept.
        server_kills: How often the emulator was killed.
        outages: How often the proxy let everything go wrong for a while.
        endings: What workers that came to an end have said.
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
        """Start the emulator."""
        self._emulator = self._server("emulate")
        if self.settings.chaos is not None and self._proxy is None:
            self._proxy = self._server("proxy")

    def strike(self, times: dict[str, int]) -> None:
        """Strike so often, spread by chance over the items from the first to the last, and after that.

        Each strike is due when so many items are done, and comes a little later.
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
        """Let the workers come to their ends, again if something was left for later."""
        for _ in range(20):
            for worker in self._started():
                self.endings.append(worker.end())
                self._running.remove(worker)
            if all(not each["problems"] for each in self.endings[-self.workers :]):
                return
        raise Stuck(f"never all done: {self.endings[-1]}")

    def stop(self) -> dict[str, Any]:
        """End the proxy and the emulator; what the latter has counted."""
        if self._proxy is not None:
            self._proxy.process.terminate()
            self._proxy.end()
        assert self._emulator is not None
        self._emulator.process.terminate()
        return self._emulator.end()

    def clean_up(self) -> None:
        """Leave no process behind."""
        for child in (*self._running, self._answerer, self._proxy, self._emulator):
            if child is not None and not child.has_ended:
                child.kill()

    def _done(self) -> float:
        return progress(self.settings)

    def _started(self) -> list[Child]:
        """The workers, those that have ended started anew."""
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
        """Start what is to be there before any worker."""
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
            self._started()
            time.sleep(LOOK)

    def _victim(self) -> Child:
        victim = self.chance.choice(self._started())
        self._until(lambda: victim.is_up or victim.has_ended, "a worker to start")
        # One that has nothing to do any more ends by itself.
        return self.chance.choice(self._started()) if victim.has_ended else victim

    def _kill_worker(self) -> None:
        if self._answerer is not None and self.chance.random() < 1 / (self.workers + 1):
            self._answerer.kill()
        victim = self._victim()
        self.early += self._done() < self.settings.items
        victim.kill()
        self._running.remove(victim)
        self.kills += 1

    def _stop_worker(self) -> None:
        """Let one sleep, often for longer than its leases live, while the others go on."""
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
    """The first of four ports in a row that are free.

    Of those that the system gives nobody by itself: the emulator must get it again each time it starts.
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
