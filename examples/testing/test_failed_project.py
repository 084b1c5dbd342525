"""A test of a failed project, with one line in a marker."""

import pytest
from film_desk import film

from eversince_async import Eversince
from eversince_async.emulator import Scenario


@pytest.mark.eversince(scenario=Scenario(failure=1, error_message="There is no such mug."))
async def test_a_failed_project_is_told_to_the_customer(eversince: Eversince) -> None:
    assert await film(eversince, "A film about a mug") == "Sorry. There is no such mug."
