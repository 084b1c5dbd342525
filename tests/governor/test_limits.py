from typing import Any

import pytest

from eversince_async.errors import ConfigurationError
from eversince_async.governor import Limits


def test_the_documented_limits_are_the_defaults() -> None:
    limits = Limits()

    assert (5, 30, 60.0, 500, 50) == (
        limits.active_projects,
        limits.requests,
        limits.window,
        limits.projects_per_day,
        limits.renders_per_day,
    )


def test_the_request_limit_is_learned_unless_a_number_is_given() -> None:
    assert not Limits().pinned
    assert Limits(requests_per_minute=30).pinned


@pytest.mark.parametrize(
    "name", ["active_projects", "requests_per_minute", "projects_per_day", "renders_per_day"]
)
def test_none_lifts_a_limit(name: str) -> None:
    lifted: dict[str, Any] = {name: None}

    assert getattr(Limits(**lifted), name) is None


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("active_projects", 0, "active_projects must be at least 1, not 0; None lifts the limit"),
        ("renders_per_day", -3, "renders_per_day must be at least 1, not -3; None lifts the limit"),
        ("projects_per_day", 2.5, "projects_per_day must be a whole number or None (no limit), not 2.5"),
        ("projects_per_day", True, "projects_per_day must be a whole number or None (no limit), not True"),
        ("requests_per_minute", 0, "requests_per_minute must be at least 1, not 0; None lifts the limit"),
        (
            "requests_per_minute",
            "many",
            "requests_per_minute must be a whole number, None or \"learned\", not 'many'",
        ),
        ("window", 0, "window must be longer than 0 s"),
        ("guard", -1, "guard must be a number from 0, not -1"),
        ("guard", float("nan"), "guard must be a number from 0, not nan"),
        ("credits_reserve", "all", "credits_reserve must be a number from 0, not 'all'"),
    ],
)
def test_a_limit_that_cannot_be_kept_is_refused_in_words(name: str, value: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        Limits(**{name: value})

    assert problem == str(refusal.value)
