"""`@pipeline`: the attributes it keeps, and the functions it refuses."""

from __future__ import annotations

import inspect
import traceback
from functools import partial
from typing import Any

import pytest

from eversince_async import ConfigurationError, Eversince, Pipeline, Production, Run, pipeline
from eversince_async.journal import MemoryJournal
from eversince_async.pipelines.serialization import return_type


@pipeline
async def campaign(run: Run, brief: str, *, takes: int = 1) -> list[str]:
    """Make a campaign."""
    return [brief] * takes


@pipeline(name="other", version="2")
async def named(run: Run) -> None:
    """Do nothing."""


@pipeline
async def stumbling(run: Run) -> None:
    raise KeyError("mug")


def test_it_keeps_name_docstring_and_signature() -> None:
    assert ("campaign", "Make a campaign.", __name__) == (
        campaign.__name__,
        campaign.__doc__,
        campaign.__module__,
    )
    assert ["run", "brief", "takes"] == list(inspect.signature(campaign).parameters)


def test_its_name_is_the_functions_and_its_version_1() -> None:
    assert ("campaign", "1") == (campaign.name, campaign.version)


def test_name_and_version_may_be_given() -> None:
    assert ("other", "2") == (named.name, named.version)
    assert "<Pipeline other>" == repr(named)


async def test_tracebacks_are_ordinary(eversince, journal):
    """The last line of the traceback is the function's own."""
    with pytest.raises(KeyError) as raised:
        await eversince.run(stumbling, key="mug", journal=journal)
    frames = traceback.extract_tb(raised.value.__traceback__)

    assert 'raise KeyError("mug")' == frames[-1].line
    assert raised.value.__cause__ is None


def not_async(run: Run) -> None:
    """No pipeline."""


async def yields(run: Run) -> Any:
    yield 1


async def takes_nothing() -> None:
    """No pipeline."""


async def takes_a_key(run: Run, key: str) -> None:
    """No pipeline."""


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (not_async, r"not_async is no async function: a pipeline is `async def not_async\(run, …\)`"),
        (yields, "yields: a pipeline is an async function that returns"),
        (takes_nothing, "takes no argument: the first of a pipeline is its run"),
        (takes_a_key, "an argument 'key', which `eversince.run` takes for itself"),
        (Production, "Production is no async function"),
        (3, "3 is no async function"),
    ],
)
def test_what_cannot_be_one_is_refused(function: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        pipeline(function)


async def lost_type(run: Run) -> NowhereDefined:  # type: ignore[name-defined]  # noqa: F821 - the point
    """Return nothing."""


async def test_an_annotation_that_means_nothing_is_told(eversince, journal):
    with pytest.raises(
        ConfigurationError, match=r"the return annotation of .*lost_type cannot be resolved: name"
    ):
        await eversince.run(pipeline(lost_type), key="mug", journal=journal)


async def unknown_argument(run: Run, value: NowhereDefined) -> int:  # type: ignore[name-defined]  # noqa: F821
    return 1


async def test_the_types_of_arguments_may_be_there_for_type_checkers_alone(eversince, journal):
    assert 1 == await eversince.run(pipeline(unknown_argument), 2, key="mug", journal=journal)


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (campaign.function, list[str]),
        (partial(campaign.function, brief="a"), list[str]),
        (campaign, list[str]),
        (named.function, type(None)),
        (len, Any),
        (lambda: 3, Any),
    ],
)
def test_what_functions_return(function: Any, kind: Any) -> None:
    assert kind == return_type(function)


def test_a_pipeline_is_one() -> None:
    assert isinstance(campaign, Pipeline)


async def _film(run: Run, brief: str, *, loud: bool = False) -> str:
    return f"{brief} {loud}"


class Studio:
    async def film(self, run: Run, brief: str) -> str:
        return brief


def test_a_partial_function_has_the_name_of_the_function_in_it() -> None:
    """A key stands for the same pipeline, however it is bound."""
    assert "_film" == pipeline(partial(partial(_film), loud=True)).name


async def test_partial_functions_and_bound_methods_run_like_others(eversince: Eversince) -> None:
    async with MemoryJournal() as journal:
        loud, bound = pipeline(partial(_film, loud=True)), pipeline(Studio().film)

        assert "x True" == await eversince.run(loud, "x", key="a", journal=journal)
        assert "x" == await eversince.run(bound, "x", key="b", journal=journal)
