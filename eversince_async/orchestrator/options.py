"""The caller's options for a production."""

import os
from collections.abc import Callable
from typing import Final, Literal

import attrs

from eversince_async.errors import ConfigurationError, InvalidRequest
from eversince_async.models._base import UNSET, Unset
from eversince_async.models._repr import format_value

OnCancel = Literal["leave", "cancel"]
"""The fate of the project when the wait is cancelled.

The project goes on, or is cancelled, too.
"""


@attrs.frozen(kw_only=True)
class Timeouts:
    """The time that a workflow waits for each stage, in seconds.

    None waits without a limit. Waiting for the account (a slot, the request budget, the daily reset of
    renders) does not count.

    Attributes:
        settle: Time for the agent to finish its run. Videos take 3 to 15 minutes by the vendor's words, and
            there are several to a project.
        render: Time for a render, which takes 1 to 5 minutes by the vendor's words.
    """

    settle: float | None = 2 * 3600.0
    render: float | None = 3600.0

    def __attrs_post_init__(self) -> None:
        for seconds in (self.settle, self.render):
            if seconds is not None and not seconds > 0:
                raise ConfigurationError(f"a timeout is seconds and must be positive, not {seconds!r}")


@attrs.frozen(kw_only=True)
class WaitPolicy:
    """The policy by which a workflow waits.

    Attributes:
        timeouts: The time to wait for each stage.
        wait_for_quota: True to wait for the daily reset when today's projects or renders are used up; False
            to raise `QuotaExhausted`.
        on_cancel: What happens to the project when the workflow is cancelled.
        has_rivals: True if other machines may work on the same project, so that the project is polled right
            before it is rendered.
        on_credits_warning: Called with the server's words when credits run low, once for each text.
    """

    timeouts: Timeouts = attrs.field(factory=Timeouts)
    wait_for_quota: bool = True
    on_cancel: OnCancel = "leave"
    has_rivals: bool = False
    on_credits_warning: Callable[[str], object] | None = None

    def __attrs_post_init__(self) -> None:
        if self.on_cancel not in {"leave", "cancel"}:
            raise ConfigurationError(f'on_cancel must be "leave" or "cancel", not {self.on_cancel!r}')


DEFAULT_WAIT_POLICY: Final = WaitPolicy()
"""The policy without options of the caller's; thousands of productions share it."""


def wait_policy(
    timeouts: Timeouts | None,
    wait_for_quota: bool,  # noqa: FBT001 - named and passed like the public argument
    on_cancel: OnCancel,
    on_credits_warning: Callable[[str], object] | None,
) -> WaitPolicy:
    """Build the policy from the caller's arguments."""
    policy = WaitPolicy(
        timeouts=timeouts or DEFAULT_WAIT_POLICY.timeouts,
        wait_for_quota=wait_for_quota,
        on_cancel=on_cancel,
        on_credits_warning=on_credits_warning,
    )
    return DEFAULT_WAIT_POLICY if policy == DEFAULT_WAIT_POLICY else policy


@attrs.frozen(kw_only=True)
class ShareOptions:
    """The texts of the public page.

    Attributes:
        title: Title of the shared page.
        description: Description of the shared page.
    """

    title: str | Unset = UNSET
    description: str | Unset = UNSET

    def to_json(self) -> dict[str, str]:
        """Return the texts that are set, as plain values."""
        return {name: value for name, value in attrs.asdict(self).items() if value is not UNSET}


DEFAULT_SHARE: Final = ShareOptions()
"""A public page without title and description of its own."""


@attrs.frozen(kw_only=True)
class DeliveryOptions:
    """The work to do with a project once the agent is done.

    Attributes:
        render: Quality of the video; None for no render.
        share: The texts of the public page; None for no page.
        download: A file or a folder, as `Production.download` takes it; None for no download.
        replaces: True to replace an existing file that this library did not write.
    """

    render: str | None = "1080p"
    share: ShareOptions | None = None
    download: str | None = None
    replaces: bool = True


DEFAULT_DELIVERY: Final = DeliveryOptions(share=DEFAULT_SHARE)
"""The delivery of `produce` without options; thousands of productions share it."""


class Unchecked(str):
    """A word newer than this version, sent unchanged: `render=Unchecked("8k")`."""

    __slots__ = ()


Quality = Literal["1080p", "4k"] | Unchecked
"""Quality of a render; 4k needs a Pro subscription."""

QUALITIES: Final = ("1080p", "4k")
"""The documented qualities."""


def quality_of(given: object, name: str = "render") -> str | None:
    """Return the quality as it is sent to the server.

    A word that any server would refuse is refused here, before the agent is paid.

    Args:
        given: The quality that the caller passed; None for no render.
        name: The caller's name for the argument.

    Raises:
        InvalidRequest: The word is not documented, and not `Unchecked`.
    """
    if given is None or given in QUALITIES or (isinstance(given, Unchecked) and given):
        return None if given is None else str(given)
    raise InvalidRequest({name: f"must be 1080p or 4k, not {format_value(given, text=40)}; {_newer(given)}"})


def _newer(given: object) -> str:
    word = format_value(given, text=40) if isinstance(given, str) else "'8k'"
    return f"a word newer than this version is Unchecked({word})"


def delivery_options(
    render: str | None,
    share: bool | ShareOptions,  # noqa: FBT001 - named and passed like the public argument
    download: str | os.PathLike[str] | None,
) -> DeliveryOptions:
    """Build the delivery options from the caller's arguments.

    True for `share` stands for a page without title and description of its own.

    Raises:
        InvalidRequest: `render` is not a known quality.
    """
    delivery = DeliveryOptions(
        render=quality_of(render),
        share=share if isinstance(share, ShareOptions) else DEFAULT_SHARE if share else None,
        download=None if download is None else os.fspath(download),
    )
    return DEFAULT_DELIVERY if delivery == DEFAULT_DELIVERY else delivery


CANCEL_TIMEOUT: Final = 10.0
"""Seconds for cancelling a project while its caller is cancelled."""
