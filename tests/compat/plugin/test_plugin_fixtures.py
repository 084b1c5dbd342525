"""Fixtures and markers of the plugin in users' tests, under every runner."""


def test_hours_pass_at_once(run_tests):
    run = run_tests(
        """
        import asyncio, pytest

        async def test_with_an_emulator(eversince):
            film = await eversince.produce("A film")
            assert sum(film.timings.values()) > 240

        @pytest.mark.virtual_time
        async def test_without_one():
            await asyncio.sleep(3600)
        """
    )

    assert {"passed": 2} == run.outcomes
    assert max(run.seconds) < 60


def test_every_client_finds_the_emulator(run_tests):
    run = run_tests(
        """
        from eversince_async import Eversince

        async def test_client_of_the_application(emulator):
            async with Eversince() as client:
                await client.account.credits()
            assert 1 == len(emulator.world.log)
        """
    )

    assert {"passed": 1} == run.outcomes


def test_all_names_lead_to_the_same_emulator(run_tests):
    run = run_tests(
        """
        async def test_names(emulator, eversince_emulator, eversince):
            assert emulator is eversince_emulator
            assert emulator.base_url in repr(eversince)
        """
    )

    assert {"passed": 1} == run.outcomes


def test_the_environment_is_as_before_afterwards(run_tests, monkeypatch):
    monkeypatch.setenv("EVERSINCE_BASE_URL", "https://example.com/v1")
    run = run_tests(
        """
        import os

        async def test_inside(emulator):
            assert emulator.base_url == os.environ["EVERSINCE_BASE_URL"]

        def test_outside():
            assert "https://example.com/v1" == os.environ["EVERSINCE_BASE_URL"]
        """
    )

    assert {"passed": 2} == run.outcomes


def test_markers_configure_the_emulator_the_closest_first(run_tests):
    run = run_tests(
        """
        import pytest
        from eversince_async import ProjectFailed
        from eversince_async.emulator import Scenario

        pytestmark = pytest.mark.eversince(credits=500, revision="2026-05")

        @pytest.mark.eversince(scenario=Scenario(failure=1))
        class TestFailing:
            async def test_of_class(self, eversince):
                with pytest.raises(ProjectFailed):
                    await eversince.produce("A film")

            @pytest.mark.eversince(scenario=Scenario(), credits=700)
            async def test_of_function(self, eversince, emulator):
                assert 700 == emulator.account.credits
                assert "2026-05" == emulator.world.rules.name
                await eversince.produce("A film")

        @pytest.mark.parametrize(
            "credits", [pytest.param(n, marks=pytest.mark.eversince(credits=n)) for n in (100, 200)]
        )
        async def test_of_parameter(emulator, credits):
            assert credits == emulator.account.credits
        """
    )

    assert {"passed": 4} == run.outcomes


def test_the_marker_brings_the_emulator(run_tests):
    """The test need not name a fixture.

    Tests that are not async are left alone.
    """
    run = run_tests(
        """
        import os, pytest
        from eversince_async import Eversince

        pytestmark = pytest.mark.eversince

        async def test_an_application():
            async with Eversince() as client:
                await client.produce("A film")

        def test_of_something_else():
            assert "EVERSINCE_BASE_URL" not in os.environ
        """
    )

    assert {"passed": 2} == run.outcomes


def test_each_test_has_its_own_faults(run_tests):
    """Every test with the marker gets a fresh copy of its script."""
    run = run_tests(
        """
        import pytest
        from eversince_async.emulator import Faults, RateLimit

        FAULTS = Faults()
        FAULTS.once("GET", "/account/credits", RateLimit())

        @pytest.mark.eversince(faults=FAULTS)
        @pytest.mark.parametrize("time", [1, 2])
        async def test_a_fault(eversince, emulator, time):
            assert 1 == emulator.faults.pending
            await eversince.account.credits()
            assert 0 == emulator.faults.pending
        """
    )

    assert {"passed": 2} == run.outcomes


def test_virtual_time_is_not_for_the_neighbours(run_tests):
    run = run_tests(
        """
        import asyncio, pytest
        from eversince_async.testing import VirtualTimeLoop
        from runner import runs

        def jumps():
            return isinstance(asyncio.get_running_loop(), VirtualTimeLoop)

        @runs
        async def test_before():
            assert not jumps()

        async def test_jumps(emulator):
            assert jumps()

        @pytest.mark.virtual_time(False)
        async def test_does_not_want_to(eversince):
            assert not jumps()
            await eversince.account.credits()

        @runs
        async def test_after():
            assert not jumps()
        """,
        conftest="import pytest\nanyio_backend = pytest.fixture(lambda: 'asyncio')",
    )

    assert {"passed": 4} == run.outcomes


def test_an_emulator_keeps_its_test_on_asyncio(run_on_anyio):
    """anyio's plugin may otherwise try trio, even if trio is not installed."""
    run = run_on_anyio(
        """
        import pytest

        @pytest.mark.virtual_time(False)
        async def test_real(eversince):
            await eversince.account.credits()

        async def test_virtual(eversince):
            await eversince.account.credits()
        """
    )

    assert {"passed": 2} == run.outcomes


def test_virtual_time_takes_the_arguments_of_the_loop(run_tests):
    run = run_tests(
        """
        import asyncio, pytest
        from datetime import UTC, datetime

        START = datetime(2020, 2, 29, tzinfo=UTC)

        @pytest.mark.virtual_time(start=START)
        async def test_a_leap_day(eversince, emulator):
            film = await eversince.produce("A film")
            assert 0 <= film.project.created_at.timestamp() - START.timestamp() < 60

        @pytest.mark.virtual_time(speed=10_000)
        async def test_fast():
            await asyncio.sleep(60)
        """
    )

    assert {"passed": 2} == run.outcomes


def test_users_name_their_own_client(run_tests):
    """A fixture that overrides `eversince` takes precedence and can use the emulator."""
    run = run_tests(
        """
        import pytest
        from eversince_async import Eversince, PollSchedule

        @pytest.fixture
        def eversince(eversince_emulator):
            return Eversince(source="shop", **eversince_emulator.connection)

        async def test_it(eversince, eversince_emulator):
            async with eversince:
                await eversince.account.credits()
            assert 1 == len(eversince_emulator.world.log)
        """
    )

    assert {"passed": 1} == run.outcomes


def test_an_application_closes_before_the_emulator_does(run_tests):
    """The emulator starts first and ends last, in any argument order."""
    run = run_tests(
        """
        from eversince_async import Eversince
        from runner import fixture, runs

        @fixture
        async def clients():
            clients = []
            yield clients
            for client in clients:
                await client.account.credits()
                await client.aclose()

        @runs
        async def test_it(clients, emulator):
            clients.append(Eversince())
            await clients[0].account.credits()
        """
    )

    assert {"passed": 1} == run.outcomes
