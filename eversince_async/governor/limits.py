"""The limits that a governor keeps, checked when they are set."""

import math
from typing import Any, Literal

import attrs

from eversince_async import limits as documented
from eversince_async.errors import ConfigurationError


def _check_count(_: Any, field: "attrs.Attribute[Any]", value: object) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigurationError(f"{field.name} must be a whole number or None (no limit), not {value!r}")
    if value < 1:
        raise ConfigurationError(f"{field.name} must be at least 1, not {value}; None lifts the limit")


def _check_requests(limits: Any, field: "attrs.Attribute[Any]", value: object) -> None:
    if isinstance(value, str):
        if value != "learned":
            raise ConfigurationError(f'{field.name} must be a whole number, None or "learned", not {value!r}')
        return
    _check_count(limits, field, value)


def _check_amount(_: Any, field: "attrs.Attribute[Any]", value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ConfigurationError(f"{field.name} must be a number from 0, not {value!r}")


def _check_window(limits: Any, field: "attrs.Attribute[Any]", value: float) -> None:
    _check_amount(limits, field, value)
    if value == 0:
        raise ConfigurationError(f"{field.name} must be longer than 0 s")


@attrs.frozen(kw_only=True)
class Limits:
    """The account's limits, by default the documented ones.

    None lifts a limit.

    Attributes:
        active_projects: Projects queued, running, generating or rendering at once.
        requests_per_minute: Requests in any `window`. `"learned"` begins with the documented 30 and follows
            the limit that the server announces, up and down. A number is pinned: it is never exceeded and
            does not change when the server announces another limit. A number above the announced limit is
            used as it stands, and the server's count of remaining requests is ignored.
        window: Length of the request window, in seconds.
        guard: Seconds added to the window, against clocks and networks that jitter. Half a second costs
            0.8 % of the pace.
        projects_per_day: Projects created in any 24 hours.
        renders_per_day: Renders started in any 24 hours.
        credits_reserve: Credits that should be left; `Governor.credits` tells when a balance is below. A
            batch begins nothing more then; before, it begins no more items than the credits carry to their
            end.

    Raises:
        ConfigurationError: A limit cannot be kept, such as 0 projects.
    """

    active_projects: int | None = attrs.field(default=documented.ACTIVE_PROJECTS, validator=_check_count)
    requests_per_minute: int | Literal["learned"] | None = attrs.field(
        default="learned", validator=_check_requests
    )
    window: float = attrs.field(default=documented.REQUEST_WINDOW, validator=_check_window)
    guard: float = attrs.field(default=0.5, validator=_check_amount)
    projects_per_day: int | None = attrs.field(default=documented.PROJECTS_PER_DAY, validator=_check_count)
    renders_per_day: int | None = attrs.field(default=documented.RENDERS_PER_DAY, validator=_check_count)
    credits_reserve: float = attrs.field(default=0.0, validator=_check_amount)

    @property
    def pinned(self) -> bool:
        """True if the request limit ignores what the server announces."""
        return self.requests_per_minute != "learned"

    @property
    def requests(self) -> int | None:
        """The number of requests in a window at the beginning."""
        if isinstance(self.requests_per_minute, str):
            return documented.REQUESTS_PER_MINUTE
        return self.requests_per_minute
