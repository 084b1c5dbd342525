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
from pathlib import Path
from typing import Any

import attrs

from eversince_async.orchestrator.effects import LEASE
from killing.audit import progress
from killing.processes import Settings

PROCESSES = Path(__file__).with_name("processes.py")
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
        command = [sys.executable, str(PROCESSES), self.role, self.settings.to_json()]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)

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
    endings: list[dict[str, Any]] = attrs.field(factory=list)
    _emulator: Child = attrs.field(init=False)
    _answerer: Child | None = attrs.field(default=None, init=False)
    _running: list[Child] = attrs.field(factory=list, init=False)

    def start(self) -> None:
        """Start the emulator."""
        self._emulator = Child("emulate", self.settings)
        self._until(lambda: self._emulator.is_up, "the emulator to start")

    def strike(self, times: dict[str, int]) -> None:
        """Strike so often, spread by chance over the items from the first to the last, and after that.

        Each strike is due when so many items are done, and comes a little later.
        """
        acts = {"kill": self._kill_worker, "stop": self._stop_worker, "kill server": self._kill_emulator}
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
        """End the emulator; what it has counted."""
        self._emulator.process.terminate()
        return self._emulator.end()

    def clean_up(self) -> None:
        """Leave no process behind."""
        for child in (*self._running, self._answerer, self._emulator):
            if child is not None and not child.has_ended:
                child.kill()

    def _done(self) -> float:
        return progress(self.settings)

    def _started(self) -> list[Child]:
        """The workers, those that have ended started anew."""
        for worker in [worker for worker in self._running if worker.has_ended]:
            self.endings.append(worker.end())
            self._running.remove(worker)
        if self.settings.pipeline and (self._answerer is None or self._answerer.has_ended):
            self._answerer = Child("answer", self.settings)
        while len(self._running) < self.workers:
            self._running.append(Child("work", self.settings))
        return list(self._running)

    def _until(self, ready: Any, what: str) -> None:
        patience = time.monotonic() + PATIENCE
        while not ready():
            if time.monotonic() > patience:
                raise Stuck(f"waited for {what} in vain; {self._done():.1f} items are done")
            if self._emulator.is_up:
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
        wake = time.monotonic() + self.chance.uniform(0, 2.5 * LEASE / self.settings.speed)
        while time.monotonic() < wake:
            time.sleep(LOOK)
        sleeper.process.send_signal(signal.SIGCONT)
        self.stops += 1

    def _kill_emulator(self) -> None:
        self._emulator.kill()
        time.sleep(self.chance.uniform(0, 0.5))
        self.start()
        self.server_kills += 1


def free_port() -> int:
    """A port that is free, and the next one, too.

    Of those that the system gives nobody by itself: the emulator must get it again each time it starts.
    """
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as one, socket.socket() as other:
            try:
                one.bind(("127.0.0.1", port))
                other.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
