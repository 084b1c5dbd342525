"""What users write, for type checkers alone: nothing in here runs."""

from typing import assert_type

from eversince_async import Eversince


async def a_client_is_itself_inside_its_with() -> None:
    async with Eversince() as eversince:
        assert_type(eversince, Eversince)
