"""Whoever talks to an emulator that lives faster lives in its time; nobody else does."""

from __future__ import annotations

import asyncio
import gc
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eversince_async import Eversince, clock, pace
from eversince_async.batch.report import Report
from eversince_async.emulator.store import time_in
from eversince_async.errors import TransportError
from eversince_async.session.retry import RetryPolicy
from eversince_async.testing import VirtualTimeLoop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

SPEED = 300.0


@contextmanager
def emulator_at(speed: float, *options: str) -> Iterator[dict[str, Any]]:
    """An emulator in a process of its own; what its client is given."""
    command = [sys.executable, "-m", "eversince_async.emulator", "--speed", str(speed), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        url = process.stdout.readline().strip().rpartition("=")[2]
        process.stdout.close()
        yield {"api_key": "es_live_emulator", "base_url": url}
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)


def told(speed: float, epoch: float, origin: float | None = None) -> dict[str, str]:
    origin = time.monotonic() if origin is None else origin
    return pace.Pace(speed, epoch, clock.boot_id_at_pace(speed, origin), origin).to_headers()


class Client:
    """Stands for one that talks to some server."""


HERE = Client()


def following(speed: float = 60, epoch: float = 2e9, client: Client = HERE) -> None:
    pace.adopt_pace(client, told(speed, epoch), epoch)


# -- In real processes --------------------------------------------------------------------------------------


def test_python_makes_a_film_in_the_time_of_an_emulator(tmp_path: Path) -> None:
    """Ten minutes of the emulator's, which on the wall would be ten minutes."""

    async def make(connection: dict[str, Any]) -> tuple[float, float, datetime]:
        loop = asyncio.get_running_loop()
        async with Eversince(**connection) as eversince:
            began = time.monotonic(), loop.time()
            production = await eversince.produce("A film", download=tmp_path / "film.mp4")
            assert production.project.updated_at is not None
            return time.monotonic() - began[0], loop.time() - began[1], clock.now()

    with emulator_at(SPEED) as connection:
        real, passed, now = asyncio.run(make(connection))

    assert passed > 200
    assert real < passed / 10
    assert now > datetime.now(UTC) + timedelta(seconds=passed / 2)


def test_a_batch_its_journal_and_its_report_live_in_the_emulators_time(tmp_path: Path) -> None:
    path = tmp_path / "j.db"

    async def make(connection: dict[str, Any]) -> tuple[Report, datetime]:
        async with Eversince(**connection) as eversince:
            items = [{"key": str(n), "brief": f"Film {n}"} for n in range(3)]
            return await eversince.batch(items, journal=path), clock.now()

    with emulator_at(SPEED) as connection:
        report, ended = asyncio.run(make(connection))
        again, _ = asyncio.run(make(connection))
    told_later = asyncio.run(Report.from_journal(path))

    assert {"succeeded": 3} == report.counts == again.counts == told_later.counts
    assert report.seconds > 200
    for outcome in told_later.outcomes:
        assert outcome.ended_at <= ended
        lasted = sum((each.ended_at - each.began_at for each in outcome.stages), timedelta())
        assert timedelta(seconds=200) < lasted < timedelta(hours=2)


def test_what_failed_beside_a_fast_emulator_is_tried_again_at_once(tmp_path: Path) -> None:
    path, state = tmp_path / "j.db", str(tmp_path / "state.db")

    async def make(connection: dict[str, Any]) -> Report:
        async with Eversince(**connection) as eversince:
            return await eversince.batch([{"key": "a", "brief": "x"}], journal=path, retry_failed=True)

    with emulator_at(SPEED, "--failures", "1", "--state", state) as connection:
        assert {"failed": 1} == asyncio.run(make(connection)).counts
    with emulator_at(SPEED, "--state", state) as connection:
        assert {"succeeded": 1} == asyncio.run(make(connection)).counts


def test_an_emulator_goes_on_from_the_time_in_its_state(tmp_path: Path) -> None:
    """Killed, started at another speed, or at none."""
    state, began = tmp_path / "state.db", time.time()

    async def create(connection: dict[str, Any], pause: float = 0.0) -> float:
        async with Eversince(**connection) as eversince:
            await eversince.projects.create("A film")
            await asyncio.sleep(pause)
            return clock.wall_seconds()

    with emulator_at(50_000, "--state", str(state)) as connection:
        first = asyncio.run(create(connection, 10_000))
    kept = time_in(state)
    assert kept is not None
    with emulator_at(1, "--state", str(state)) as connection:
        second = asyncio.run(create(connection))

    assert began + 3600 < first < kept
    assert kept <= second < kept + 600


# -- On any loop of asyncio's -------------------------------------------------------------------------------


def test_timers_that_were_set_before_go_on_from_where_they_are() -> None:
    async def main() -> float:
        began = time.monotonic()
        sleeping = asyncio.ensure_future(asyncio.sleep(60))
        await asyncio.sleep(0)
        following(600)
        await sleeping
        return time.monotonic() - began

    assert asyncio.run(main()) < 30


def test_loop_time_goes_on_without_a_jump() -> None:
    async def main() -> list[float]:
        loop, times = asyncio.get_running_loop(), list[float]()
        for speed in (1.0, 60.0, 0.5):
            times.append(loop.time())
            following(speed, 2e9 + speed)
            times.append(loop.time())
        return times

    times = asyncio.run(main())
    assert sorted(times) == times
    assert times[-1] - times[0] < 600


def test_the_wall_shows_the_emulators_time() -> None:
    async def main() -> tuple[float, str]:
        following(60, 2e9)
        return clock.wall_seconds(), clock.moment().boot

    shown, boot = asyncio.run(main())
    assert 0 <= shown - 2e9 < 60 * 60
    assert boot.startswith("paced/")


def test_what_was_written_in_that_time_has_an_age_outside_of_it() -> None:
    async def main() -> clock.Moment:
        following(600)
        return clock.moment()

    written = asyncio.run(main())
    time.sleep(0.1)
    assert 60 <= (clock.elapsed(written) or 0) < 600 * 60


def test_what_was_written_before_keeps_its_age() -> None:
    async def main() -> float | None:
        before = clock.moment()
        following(1000)
        await asyncio.sleep(100)
        return clock.elapsed(before)

    age = asyncio.run(main())
    assert age is not None
    assert 0.05 < age < 30


def test_an_emulator_that_was_started_anew_is_followed_anew() -> None:
    async def main() -> tuple[float, float]:
        following(60, 2e9)
        following(30, 3e9)
        return clock.wall_seconds(), pace.speed()

    shown, speed = asyncio.run(main())
    assert 0 <= shown - 3e9 < 60 * 60
    assert 30 == speed


def test_one_on_another_machine_is_followed_by_its_date() -> None:
    """As in a container of Docker on a Mac: its clock is another, and its boot none of ours."""

    async def main() -> tuple[float, clock.Moment]:
        headers = {pace.SPEED: "60", pace.EPOCH: f"{2e9!r} paced/elsewhere-1/60.0/5.0"}
        pace.adopt_pace(HERE, headers, 2e9 + 600)
        return clock.wall_seconds(), clock.moment()

    shown, here = asyncio.run(main())
    assert 600 <= shown - 2e9 < 600 + 60 * 60
    assert "elsewhere" not in here.boot


# -- Nobody else --------------------------------------------------------------------------------------------


def test_a_loop_that_talks_to_the_real_api_keeps_real_time() -> None:
    """Whatever an emulator beside it says, before or meanwhile."""

    async def main() -> tuple[float, float, float, float]:
        following(60)
        before = pace.speed()
        never = RetryPolicy(attempts=1)
        async with Eversince("es_live_x", base_url="https://real.invalid/api/v1", retry=never) as real:
            with pytest.raises(TransportError):
                await real.account.credits()
            beside = pace.speed()
            following(60, 3e9)
            still = pace.speed()
        return before, beside, still, pace.speed()

    assert (60, 1, 1, 60) == asyncio.run(main())


# -- Loops that are shared ----------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(60, 300), (300, 60), (0.5, 60)])
def test_of_several_emulators_the_slowest_is_followed(order: tuple[float, float]) -> None:
    """To the other one it is only slow; in whichever order they answer, and answer again."""
    clients = Client(), Client()

    async def main() -> None:
        for _ in range(3):
            for client, speed in zip(clients, order, strict=True):
                following(speed, 2e9 + speed, client)
            assert pace.speed() == min(order)
        pace.leave(clients[order.index(min(order))])
        assert pace.speed() == max(order)

    asyncio.run(main())


def test_the_wall_does_not_go_to_and_fro_between_emulators_of_one_speed() -> None:
    clients = Client(), Client()

    async def main() -> set[str]:
        boots = set[str]()
        following(60, 2e9, clients[0])
        for _ in range(3):
            for n, client in enumerate(clients):
                following(60, 2e9 + n * 1e6, client)
                boots.add(clock.moment().boot)
        return boots

    assert 1 == len(asyncio.run(main()))


def test_a_loop_is_in_real_time_again_when_the_client_of_an_emulator_is_closed() -> None:
    """What else lives in that loop sleeps as long as it says, and its wall shows what others' show."""

    async def main(connection: dict[str, Any]) -> tuple[float, float, float]:
        loop = asyncio.get_running_loop()
        async with Eversince(**connection) as eversince:
            await eversince.account.credits()
            speed = pace.speed()
            began = loop.time()
        real = time.monotonic()
        await asyncio.sleep(0.5)
        assert loop.time() >= began
        return speed, time.monotonic() - real, clock.wall_seconds() - time.time()

    with emulator_at(SPEED) as connection:
        speed, slept, ahead = asyncio.run(main(connection))

    assert SPEED == speed
    assert slept >= 0.49
    assert abs(ahead) < 5


def test_the_next_client_lives_in_that_time_from_the_beginning(tmp_path: Path) -> None:
    """What it writes down before its first answer is no older than what the last one wrote."""

    async def main(connection: dict[str, Any]) -> list[tuple[float, datetime]]:
        lived = []
        for _ in range(2):
            async with Eversince(**connection) as eversince:
                began = pace.speed(), clock.now()
                await eversince.account.credits()
                await asyncio.sleep(600)
                lived += [began, (pace.speed(), clock.now())]
        return lived

    with emulator_at(SPEED) as connection:
        lived = asyncio.run(main(connection))

    assert [1, SPEED, SPEED, SPEED] == [speed for speed, _ in lived]
    assert lived[1:] == sorted(lived[1:], key=lambda each: each[1])


def test_another_server_that_answers_there_by_now_is_followed_no_more() -> None:
    async def main() -> float:
        following(60)
        pace.adopt_pace(HERE, {"Server": "another"}, 2e9)
        return pace.speed()

    assert 1 == asyncio.run(main())


def test_a_client_that_is_dropped_without_being_closed_holds_nobody_back() -> None:
    async def main() -> float:
        dropped = Client()
        pace.stay_real(dropped)
        following(60)
        assert 1 == pace.speed()
        del dropped
        gc.collect()
        following(30, 3e9)
        return pace.speed()

    assert 30 == asyncio.run(main())


def test_no_callback_looks_slow_only_because_time_is_fast() -> None:
    """To asyncio's debug mode, which measures them by the loop's time."""

    async def main() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        following(10_000)
        beside = loop.slow_callback_duration
        pace.leave(HERE)
        return beside, loop.slow_callback_duration

    assert (1_000, 0.1) == pytest.approx(asyncio.run(main()))


@pytest.mark.parametrize(
    "host", ["eversince.ai", "127.evil.example", "localhost.example", "10.0.0.1", "0.0.0.0"]
)
def test_other_hosts_are_not_this_machine(host: str) -> None:
    assert not pace.is_on_this_machine(f"http://{host}/api/v1")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8021", "127.9.9.9", "[::1]:8021"])
def test_this_machine_is_known_by_its_name_and_its_addresses(host: str) -> None:
    assert pace.is_on_this_machine(f"http://{host}/api/v1")


def test_a_loop_with_a_time_of_its_own_keeps_it() -> None:
    async def main() -> tuple[float, float]:
        following(60)
        return pace.speed(), clock.wall_seconds()

    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop()) as runner:
        speed, shown = runner.run(main())
    assert 1 == speed
    assert shown < 2e9


@given(
    st.one_of(st.text(), st.floats().map(str)),
    st.one_of(st.text(), st.tuples(st.floats(), st.text()).map(lambda both: f"{both[0]} {both[1]}")),
)
def test_no_headers_confuse_anybody(speed: str, epoch: str) -> None:
    heard = pace.Pace.from_headers({pace.SPEED: speed, pace.EPOCH: epoch}, 1.8e9)
    assert heard is None or 0 < heard.speed <= pace.FASTEST


@given(st.text())
def test_no_boot_confuses_anybody(boot: str) -> None:
    for name in (boot, f"paced/{boot}", f"paced//{boot}/{boot}", f"system/{boot}"):
        clock.elapsed(clock.Moment(name, 1.0))
        clock.is_past(name)
