"""The plugin is loaded in every suite, and leaves most tests alone.

"Every suite" means those of environments in which the package is installed.
"""

import sys

import pytest

HEAVY = ["aiohttp", "attrs", "cattrs", "asyncio", "anyio", "pytest_asyncio", "eversince_async.client"]


def test_a_suite_that_does_not_use_it_pays_nothing(pytester):
    """The plugin imports nothing large and issues no warning."""
    pytester.makepyfile("def test_theirs(): pass")
    pytester.makeconftest(
        f"""
        import sys

        def pytest_unconfigure():
            print("imported:", [name for name in {HEAVY} if name in sys.modules])
        """
    )
    others = ("asyncio", "aiohttp", "anyio", "hypothesispytest", "xdist", "_hypothesis_pytestplugin")
    without = [argument for plugin in others for argument in ("-p", f"no:{plugin}")]

    run = pytester.runpytest_subprocess("-W", "error", *without)

    assert {"passed": 1} == run.parseoutcomes()
    assert "imported: []" in run.stdout.str()
    assert "" == run.stderr.str()


def test_the_entry_point_names_it(pytestconfig):
    assert pytestconfig.pluginmanager.get_plugin("eversince") is sys.modules["eversince_async.testing.plugin"]


def test_an_emulator_of_another_kind_stays_what_it_is(run_tests):
    """Tests with that fixture keep their runner.

    `eversince` uses the plugin's emulator all the same.
    """
    run = run_tests(
        """
        import pytest
        from runner import runs

        @pytest.fixture
        def emulator():
            return "a telephone"

        def test_telephone(emulator):
            assert "a telephone" == emulator

        @runs
        async def test_both(emulator, eversince):
            await eversince.account.credits()
            assert "a telephone" == emulator
        """
    )

    assert {"passed": 2} == run.outcomes


def test_an_async_test_of_theirs_is_left_to_them(run_on_anyio):
    """A user's own `emulator` fixture does not decide a test's runner."""
    run = run_on_anyio(
        "async def test_theirs(emulator): pass",
        conftest="""
        import pytest

        @pytest.fixture
        def emulator():
            return "a telephone"

        @pytest.hookimpl(tryfirst=True)
        def pytest_pyfunc_call(pyfuncitem):
            assert "anyio_backend" not in pyfuncitem.fixturenames
            return True
        """,
    )

    assert {"passed": 1} == run.outcomes


def test_it_can_be_kept_out(run_on_anyio):
    run = run_on_anyio("def test_it(emulator): pass", "-p", "no:eversince")

    assert {"errors": 1} == run.outcomes
    assert "fixture 'emulator' not found" in run.text


@pytest.mark.parametrize("thing", ["unittest.mock.Mock()", "staticmethod(print)", "functools.partial(print)"])
def test_odd_things_that_are_called_tests_are_left_alone(run_on_anyio, thing):
    """Their collection is the same as without the plugin."""
    source = f"import functools, unittest.mock\n\nclass TestOdd:\n    test_it = {thing}\n"

    with_us = run_on_anyio(source).outcomes

    assert run_on_anyio(source, "-p", "no:eversince").outcomes == with_us


def test_a_loop_shared_by_a_module_can_be_virtual(run_on_asyncio):
    """The emulator then uses that loop, as the test does."""
    run = run_on_asyncio(
        """
        import asyncio, pytest

        pytestmark = pytest.mark.asyncio(loop_scope="module")
        loops = []

        async def test_one(eversince):
            loops.append(asyncio.get_running_loop())
            await eversince.produce("A film")

        async def test_two(eversince):
            assert loops == [asyncio.get_running_loop()]
            await eversince.produce("A film")
        """
    )

    assert {"passed": 2} == run.outcomes


def test_a_loop_that_cannot_jump_is_an_error_that_says_so(run_on_anyio):
    """The test would otherwise take its ten minutes in real time."""
    run = run_on_anyio(
        """
        import pytest

        @pytest.mark.parametrize("anyio_backend", ["asyncio"])
        async def test_it(eversince):
            pass
        """
    )

    assert {"errors": 1} == run.outcomes
    assert "@pytest.mark.virtual_time(False)" in run.text
