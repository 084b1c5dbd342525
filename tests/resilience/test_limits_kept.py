"""The account's limits are kept under any number of workflows.

The server refuses no request.
"""

import pytest

from helpers.crowd import SEEDS, WORKFLOWS, Stranger, account, refused, run_mixed

pytestmark = [pytest.mark.usefixtures("no_long_hold"), pytest.mark.slow]


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_crowd_of_workflows_is_never_refused(seed: int) -> None:
    """At most five are active, and all finish without a 429.

    No minute has more than 30 requests.
    """
    async with account(seed=seed) as (emulator, eversince):
        outcomes = await run_mixed(eversince, WORKFLOWS, seed)
        world = emulator.world

    assert outcomes["made"] + outcomes["failed"] == WORKFLOWS == world.counts["projects"]
    assert outcomes["made"] > 0.85 * WORKFLOWS
    assert 0 == refused(emulator)
    assert world.most_active == 5
    assert world.log.most_requests_in_window(60.0) <= 30


@pytest.mark.parametrize("seed", SEEDS)
async def test_another_client_of_the_account_goes_on_beside_a_crowd(seed: int) -> None:
    """Hardly a request of either client is refused.

    The other client uses two slots and a third of the requests.
    """
    async with account(seed=seed) as (emulator, eversince):
        async with Stranger(emulator).at_work() as stranger:
            outcomes = await run_mixed(eversince, WORKFLOWS, seed)
        world = emulator.world

    assert outcomes["made"] + outcomes["failed"] == WORKFLOWS
    assert refused(emulator) <= 5 + WORKFLOWS // 50
    assert stranger.refusals <= 2 + WORKFLOWS // 100
    assert world.most_active == 5
