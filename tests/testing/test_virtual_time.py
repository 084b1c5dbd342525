"""Virtual time: jumps, waits, and agreement with other clocks."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream
from hypothesis import given
from hypothesis import strategies as st

from eversince_async import clock
from eversince_async.testing import VirtualTimeLoop, run

AN_HOUR = 3600.0


def now() -> float:
    return asyncio.get_running_loop().time()


def virtual_loop() -> VirtualTimeLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    return loop


# Jumping


async def test_tests_run_in_virtual_time():
    """An async test needs no marker, and its time starts at 0."""
    assert isinstance(asyncio.get_running_loop(), VirtualTimeLoop)
    assert 0.0 == now()


async def test_a_month_of_sleep_is_over_at_once():
    began = time.monotonic()

    await asyncio.sleep(30 * 24 * AN_HOUR)

    assert 30 * 24 * AN_HOUR == now()
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("years", [1, 100])
async def test_years_are_exact_to_the_microsecond(years):
    """Such large floats cannot express a nanosecond.

    That must not stop the clock.
    """
    await asyncio.sleep(years * 365 * 24 * AN_HOUR)

    assert years * 365 * 24 * AN_HOUR == pytest.approx(now(), abs=1e-6, rel=0)


@given(delays=st.lists(st.floats(0, 1e6), max_size=20))
def test_every_timer_fires_in_order_and_not_before_its_time(delays):
    """Timers fire in order, exactly on time or within a nanosecond early."""
    fired: list[tuple[float, float]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for delay in delays:
            due = loop.time() + delay
            loop.call_at(due, lambda due=due: fired.append((due, loop.time())))
        await asyncio.sleep(2e6)

    run(main())

    assert sorted(delays) == [due for due, _ in fired]
    assert [due for due, _ in fired] == pytest.approx([at for _, at in fired], abs=2e-9, rel=0)


@given(delays=st.lists(st.floats(1e-6, 1e6), max_size=20))
def test_sleeps_in_a_row_add_up_exactly(delays):
    """A sleeper's computed time equals the clock's to the last bit."""

    async def main() -> None:
        for delay in delays:
            due = now() + delay
            await asyncio.sleep(delay)
            assert due == now()

    run(main())


async def test_cancelled_timers_cost_no_time():
    asyncio.get_running_loop().call_later(5, pytest.fail).cancel()

    await asyncio.sleep(7)

    assert 7.0 == now()


async def test_waiting_for_a_moment_in_a_loop_ends():
    """A loop that sleeps until a deadline cannot stop just before it."""
    deadline = 0.1 + 0.2
    asyncio.get_running_loop().call_at(deadline - 5e-10, lambda: None)

    while now() < deadline:
        await asyncio.sleep(deadline - now())

    assert deadline == now()


async def test_work_that_is_ready_comes_before_the_next_timer():
    seen = []
    asyncio.get_running_loop().call_later(0.001, seen.append, "timer")

    for _ in range(100):
        await asyncio.sleep(0)
    seen.append("work")
    await asyncio.sleep(1)

    assert ["work", "timer"] == seen


# Time-outs and cancelling


async def test_asyncio_timeout_agrees():
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(AN_HOUR):
            await asyncio.Event().wait()

    assert AN_HOUR == now()


async def test_anyio_fail_after_agrees():
    with pytest.raises(TimeoutError):
        with anyio.fail_after(AN_HOUR):
            await anyio.sleep_forever()

    assert AN_HOUR == anyio.current_time()


async def test_a_cancelled_sleeper_stops_at_the_moment_of_cancelling():
    ended = []

    async def sleeper() -> None:
        try:
            await asyncio.sleep(AN_HOUR)
        finally:
            ended.append(now())

    task = asyncio.create_task(sleeper())
    await asyncio.sleep(5)
    task.cancel()
    await asyncio.wait([task])
    await asyncio.sleep(10)

    assert [5.0] == ended
    assert 15.0 == now()


async def test_a_task_group_ends_with_its_slowest():
    async with anyio.create_task_group() as group:
        for delay in (30, 10, 20):
            group.start_soon(anyio.sleep, delay)

    assert 30.0 == now()


# Threads


def work(seconds: float = 0.05) -> str:
    time.sleep(seconds)
    return "done"


@pytest.mark.parametrize("call", [asyncio.to_thread, anyio.to_thread.run_sync])
async def test_time_stands_still_while_a_thread_works(call):
    """Threads of asyncio and anyio cost no virtual time.

    Nor do they run into a timeout.
    """
    async with asyncio.timeout(AN_HOUR):
        assert "done" == await call(work)
        assert "done" == await call(work, 0.01)

    assert 0.0 == now()


@pytest.mark.parametrize("call", [asyncio.to_thread, anyio.to_thread.run_sync])
async def test_a_call_that_was_cancelled_before_its_thread_began_holds_nobody_up(call):
    began = time.monotonic()
    for _ in range(20):
        task = asyncio.create_task(call(work, 0.01))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    await asyncio.sleep(AN_HOUR)

    assert time.monotonic() - began < 60


async def test_time_stands_still_while_an_executor_of_ones_own_works():
    with ThreadPoolExecutor(1) as executor:
        async with asyncio.timeout(AN_HOUR):
            assert "done" == await virtual_loop().run_in_executor(executor, work)

    assert 0.0 == now()


async def test_time_stands_still_while_a_name_is_looked_up():
    async with asyncio.timeout(AN_HOUR):
        assert await virtual_loop().getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)

    assert 0.0 == now()


@pytest.mark.parametrize("call", [asyncio.to_thread, anyio.to_thread.run_sync])
async def test_time_jumps_again_once_the_threads_are_idle(call):
    await call(work, 0.0)
    began = time.monotonic()

    await asyncio.sleep(AN_HOUR)

    assert AN_HOUR == now()
    assert time.monotonic() - began < 60


async def test_a_timeout_around_a_thread_that_hangs_goes_off_by_the_real_clock():
    release = threading.Event()
    began = time.monotonic()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await asyncio.to_thread(release.wait)

    assert 0.05 == now()
    assert time.monotonic() - began >= 0.05
    release.set()


async def test_a_thread_that_nobody_waits_for_holds_time_until_it_ends():
    """Cancelling does not stop a thread, which may still produce a result."""
    release = threading.Event()
    task = asyncio.create_task(asyncio.to_thread(release.wait))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    began = time.monotonic()
    threading.Timer(0.05, release.set).start()

    await asyncio.sleep(AN_HOUR)

    assert release.is_set()
    assert 0.05 <= time.monotonic() - began < 60


async def test_a_thread_may_wait_for_a_timer_of_the_loop():
    """The loop then waits by the real clock.

    It cannot know that the thread only waits.
    """
    await anyio.to_thread.run_sync(anyio.from_thread.run, anyio.sleep, 0.05)

    assert 0.05 == now()


async def test_news_from_a_busy_thread_keeps_arriving():
    """A thread's calls neither delay a timer nor make it early."""
    stop, news = threading.Event(), []

    def chatter(loop: asyncio.AbstractEventLoop) -> None:
        while not stop.wait(0.002):
            loop.call_soon_threadsafe(news.append, 1)

    async with asyncio.timeout(AN_HOUR):
        talking = virtual_loop().run_in_executor(None, chatter, virtual_loop())
        await asyncio.sleep(0.1)
        stop.set()
        await talking

    assert 0.1 == now()
    assert news


async def test_held_time_lets_a_thread_of_ones_own_answer():
    answered = asyncio.Event()
    loop = virtual_loop()

    threading.Timer(0.05, loop.call_soon_threadsafe, [answered.set]).start()
    with loop.paused():
        async with asyncio.timeout(AN_HOUR):
            await answered.wait()

    assert 0.0 == now()


async def test_a_call_from_a_thread_wakes_a_loop_without_timers():
    answered = asyncio.Event()
    loop = asyncio.get_running_loop()

    threading.Timer(0.05, loop.call_soon_threadsafe, [answered.set]).start()
    await answered.wait()

    assert 0.0 == now()


async def test_nothing_to_do_blocks_and_does_not_spin():
    answered = asyncio.Event()
    loop = asyncio.get_running_loop()
    threading.Timer(0.3, loop.call_soon_threadsafe, [answered.set]).start()
    spent = time.thread_time()

    await answered.wait()

    assert time.thread_time() - spent < 0.1


async def test_waiting_for_a_thread_does_not_spin():
    spent = time.thread_time()

    async with asyncio.timeout(AN_HOUR):
        await asyncio.to_thread(work, 0.3)

    assert time.thread_time() - spent < 0.1


def test_closing_the_loop_waits_for_its_threads():
    """Newer Pythons put a time limit on that, in real seconds."""
    release = threading.Event()

    async def main() -> None:
        asyncio.get_running_loop().run_in_executor(None, release.wait)
        threading.Timer(0.05, release.set).start()

    run(main())

    assert release.is_set()


# Child processes and signals


async def test_time_stands_still_while_a_child_process_runs():
    async with asyncio.timeout(AN_HOUR):
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "import time; time.sleep(0.1); print('done')",
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await child.communicate()

    assert b"done" == output.strip()
    assert 0 == child.returncode
    assert 0.0 == now()


async def test_time_jumps_again_after_a_child_process():
    async with asyncio.timeout(AN_HOUR):
        child = await asyncio.create_subprocess_shell("exit 3")
        assert 3 == await child.wait()

    await asyncio.sleep(AN_HOUR)

    assert AN_HOUR == now()


async def test_anyio_runs_a_program():
    with anyio.fail_after(AN_HOUR):
        done = await anyio.run_process([sys.executable, "-c", "print('done')"])

    assert b"done" == done.stdout.strip()
    assert 0.0 == now()


async def test_signals_arrive():
    arrived = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, arrived.set)

    async with asyncio.timeout(AN_HOUR):
        os.kill(os.getpid(), signal.SIGUSR1)
        await arrived.wait()

    assert loop.remove_signal_handler(signal.SIGUSR1)
    assert 0.0 == now()


ENDLESS = """
import asyncio, sys
from eversince_async.testing import run

async def main():
    try:
        print("running", flush=True)
        {body}
    finally:
        print("cleaned up", flush=True)

run(main(), speed={speed})
"""


@pytest.mark.parametrize(
    ("body", "speed"),
    [
        ("await asyncio.Event().wait()", None),
        ("while True: await asyncio.sleep(1)", None),
        ("await asyncio.to_thread(sys.stdin.readline)", None),
        ("await asyncio.sleep(100_000)", 60),
    ],
)
async def test_ctrl_c_cancels_and_cleans_up(body, speed):
    child = await anyio.open_process(
        [sys.executable, "-c", ENDLESS.format(body=body, speed=speed)], stderr=None
    )
    async with child:
        assert child.stdout is not None
        assert child.stdin is not None
        said = BufferedByteReceiveStream(child.stdout)
        assert b"running" == await said.receive_until(b"\n", 100)
        child.send_signal(signal.SIGINT)
        await child.stdin.aclose()
        assert b"cleaned up" == await said.receive_until(b"\n", 100)
        await child.wait()


# Sockets


async def test_bytes_on_a_socket_come_before_the_next_timer():
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            await asyncio.sleep(30)
            writer.write(line)
        writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        for n in range(100):
            async with asyncio.timeout(30.001):
                writer.write(b"%d\n" % n)
                assert b"%d\n" % n == await reader.readline()
        writer.close()
        await writer.wait_closed()

    assert 3000.0 == now()


async def test_an_aiohttp_server_and_client_agree_to_the_second():
    """200 requests of 40 s on real sockets take 8,000 virtual s."""
    from aiohttp import ClientSession, ClientTimeout, web

    async def slow(_: web.Request) -> web.Response:
        await asyncio.sleep(40)
        return web.Response(text=str(now()))

    app = web.Application()
    app.router.add_get("/", slow)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = "http://{}:{}/".format(*runner.addresses[0])
    began = time.monotonic()

    async with ClientSession(timeout=ClientTimeout(total=41)) as session:
        answers = [float(await (await session.get(url)).text()) for _ in range(200)]

    assert [40.0 * n for n in range(1, 201)] == answers
    assert time.monotonic() - began < 60
    await runner.cleanup()


async def test_a_body_in_transit_costs_no_time():
    """Megabytes arrive before any jump.

    Every quiet moment would otherwise cause a jump. Time passes at most as fast as real time.
    """
    reached = asyncio.get_running_loop().create_future()

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.set_result(len(await reader.read()))
        writer.close()

    async def tick() -> None:
        while True:
            await asyncio.sleep(0.001)

    async with await asyncio.start_server(swallow, "127.0.0.1", 0) as server:
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        ticking = asyncio.create_task(tick())
        before, began = now(), time.monotonic()
        writer.write(b"x" * 20_000_000)
        writer.write_eof()
        assert 20_000_000 == await reached
        assert now() - before <= time.monotonic() - began
        ticking.cancel()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


# Speed


def test_at_a_finite_speed_timers_take_their_share_of_real_time():
    async def main() -> float:
        await asyncio.sleep(60)
        return now()

    began = time.monotonic()
    virtual = run(main(), speed=600)
    real = time.monotonic() - began

    assert 60 <= virtual
    assert 0.1 <= real < 60
    assert virtual <= real * 600


def test_at_a_finite_speed_time_passes_while_code_runs():
    async def main() -> float:
        time.sleep(0.01)  # noqa: ASYNC251 - the point
        return now()

    assert 1.0 <= run(main(), speed=100)


@pytest.mark.parametrize("speed", [0, -1, float("inf"), float("nan")])
def test_an_impossible_speed_is_refused(speed):
    with pytest.raises(ValueError, match="speed"):
        VirtualTimeLoop(speed=speed)


# Wall time


def test_wall_time_starts_where_asked_and_runs_with_the_loop():
    async def main() -> tuple[datetime, datetime]:
        before = clock.now()
        await asyncio.sleep(AN_HOUR)
        return before, clock.now()

    assert (
        datetime(2026, 5, 1, 12, tzinfo=UTC),
        datetime(2026, 5, 1, 13, tzinfo=UTC),
    ) == run(main(), start=datetime(2026, 5, 1, 12, tzinfo=UTC))


async def test_wall_time_starts_now_unless_asked():
    assert time.time() == pytest.approx(clock.wall_seconds(), abs=5)


def test_a_start_without_a_time_zone_is_refused():
    with pytest.raises(ValueError, match="aware"):
        VirtualTimeLoop(start=datetime(2026, 5, 1))
