"""Complaints about tests that have passed, and how to allow them."""

import pytest


def test_a_refusal_for_the_limits_fails_the_test(run_tests):
    run = run_tests(
        """
        import asyncio
        from eversince_async import Eversince

        async def test_two_governors(emulator):
            async with Eversince() as one, Eversince() as other:
                await asyncio.gather(*(each.account.credits() for each in (one, other) for _ in range(20)))
        """
    )

    assert {"failed": 1} == run.outcomes
    assert "the emulator refused 10 requests with 429:" in run.text
    assert "  rate_limited: GET /account/credits" in run.text
    assert "  and 5 more" in run.text
    assert '@pytest.mark.eversince(allow="429")' in run.text


def test_a_fault_that_says_429_is_no_refusal(run_tests):
    run = run_tests(
        """
        import pytest
        from eversince_async.emulator import Faults

        @pytest.mark.eversince(faults=Faults(rate_limited=0.5))
        async def test_faults(eversince, emulator):
            for _ in range(5):
                await eversince.account.credits()
            assert emulator.world.log.refusals("rate_limited")
        """
    )

    assert {"passed": 1} == run.outcomes


def test_a_refusal_after_the_test_is_an_error(run_tests):
    run = run_tests(
        """
        from eversince_async import Eversince
        from eversince_async.emulator import Limits
        from runner import fixture, runs

        @fixture
        async def late(emulator):
            yield
            emulator.world.holdings.window.limit = 1
            async with Eversince() as one, Eversince() as other:
                await one.account.credits()
                await other.account.credits()

        @runs
        async def test_it(late):
            pass
        """
    )

    assert {"passed": 1, "errors": 1} == run.outcomes
    assert "the emulator refused 1 request with 429:" in run.text


@pytest.mark.parametrize("began", ["started", "created"])
def test_a_production_that_goes_on_holds_a_slot(run_tests, began):
    how = {
        "started": "eversince.start('A film')",
        "created": "kept.append(asyncio.create_task(film(eversince)))",
    }
    run = run_tests(
        f"""
        import asyncio

        kept = []

        async def film(eversince):
            await eversince.produce("A film")

        async def test_leaves_it(eversince):
            {how[began]}
            await asyncio.sleep(1)

        async def test_cancels_it(eversince):
            task = asyncio.create_task(film(eversince))
            await asyncio.sleep(1)
            task.cancel()
        """
    )

    assert {"passed": 2, "errors": 1} == run.outcomes
    assert "1 project slot still held after the test:" in run.text
    assert "for proj_" in run.text
    assert '@pytest.mark.eversince(allow="slots")' in run.text


def test_a_lease_that_is_not_released_is_an_error(run_tests):
    """This includes a governor that outlives its client."""
    run = run_tests(
        """
        from eversince_async import Eversince

        async def test_lease(emulator):
            async with Eversince() as client:
                await client.governor.slots.acquire("mug-7")
        """
    )

    assert {"passed": 1, "errors": 1} == run.outcomes
    assert "by 'mug-7', for a project not yet created" in run.text


def test_an_open_client_is_an_error_that_says_where_it_was_made(run_tests):
    run = run_tests(
        """
        from eversince_async import Eversince

        async def test_forgets(emulator):
            client = Eversince()
            await client.account.credits()

        async def test_never_uses_it(emulator):
            client = Eversince()
        """
    )

    assert {"passed": 2, "errors": 1} == run.outcomes
    assert "1 client left open:" in run.text
    assert "made at test_theirs.py:4" in run.text
    assert '@pytest.mark.eversince(allow="clients")' in run.text


SINNERS = """
    import asyncio, pytest
    from eversince_async import Eversince

    async def test_sins(emulator):
        one, other = Eversince(), Eversince()
        await one.governor.slots.acquire("mug-7")
        await asyncio.gather(*(each.account.credits() for each in (one, other) for _ in range(20)))
    """


def test_all_complaints_come_together(run_on_anyio):
    run = run_on_anyio(SINNERS, ini="eversince_allow = 429")

    assert {"passed": 1, "errors": 1} == run.outcomes
    assert "slot still held" in run.text
    assert "2 clients left open" in run.text


def test_everything_can_be_allowed_to_all(run_on_anyio):
    assert {"passed": 1} == run_on_anyio(SINNERS, ini="eversince_allow = 429 slots clients").outcomes


@pytest.mark.parametrize(
    "allow", [['"429"', '"slots"', '"clients"'], ['["429", "clients"]', '"slots"']], ids=["each", "lists"]
)
def test_what_markers_allow_adds_up(run_on_anyio, allow):
    markers = "".join(f"@pytest.mark.eversince(allow={each})\n    " for each in allow)
    run = run_on_anyio(SINNERS.replace("async def", f"{markers}async def"))

    assert {"passed": 1} == run.outcomes


def test_a_test_that_failed_gets_no_complaints(run_tests):
    """The test had no chance to clean up."""
    run = run_tests(
        """
        from eversince_async import Eversince

        async def test_fails(emulator):
            client = Eversince()
            await client.account.credits()
            assert not "true"
        """
    )

    assert {"failed": 1} == run.outcomes


def test_a_test_that_is_not_async_is_told_so(run_tests):
    run = run_tests("def test_it(emulator): pass")

    assert {"errors": 1} == run.outcomes
    assert "Make it `async def`" in run.text


@pytest.mark.parametrize(
    ("marker", "problem"),
    [
        ("scenaro=None", "there is no 'scenaro'; there is revision, scenario, "),
        ('allow="403"', "there is no '403'; there is 429, slots, clients"),
        ("{}", "takes options by name only"),
    ],
)
def test_a_marker_that_cannot_be_meant_is_an_error(run_on_anyio, marker, problem):
    run = run_on_anyio(
        f"""
        import pytest

        @pytest.mark.eversince({marker})
        async def test_it(): pass
        """
    )

    assert {"errors": 1} == run.outcomes
    assert problem in run.text
