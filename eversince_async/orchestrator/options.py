"""What a caller asked for when they asked for a production."""

import os
from collections.abc import Callable
from typing import Final, Literal

import attrs

from eversince_async.errors import ConfigurationError, InvalidRequest
from eversince_async.models._base import UNSET, Unset
from eversince_async.models._repr import format_value

OnCancel = Literal["leave", "cancel"]
"""What becomes of the project when the wait for it is cancelled: it goes on, or is cancelled, too."""


@attrs.frozen(kw_only=True)
class Timeouts:
    """How long a workflow waits, in seconds; None waits as long as it takes.

    Waiting for the account (a slot, the request budget, another day's renders) does not count.

    Attributes:
        settle: For the agent to finish its run. Videos take 3 to 15 minutes by the vendor's words, and
            there are several to a project.
        render: For a render, which takes 1 to 5 minutes by the vendor's words.
    """

    settle: float | None = 2 * 3600.0
    render: float | None = 3600.0

    def __attrs_post_init__(self) -> None:
        for seconds in (self.settle, self.render):
            if seconds is not None and not seconds > 0:
                raise ConfigurationError(f"a timeout is seconds and must be positive, not {seconds!r}")


@attrs.frozen(kw_only=True)
class WaitPolicy:
    """On which terms a workflow waits.

    Attributes:
        timeouts: How long for each stage.
        wait_for_quota: Whether to wait for another day when today's projects or renders are used up, or to
            raise `QuotaExhausted`.
        on_cancel: What becomes of the project when the workflow is cancelled.
        has_rivals: Whether other machines may see to the same project, so that it is looked at right before
            it is rendered.
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
"""For everybody who says nothing else: thousands of productions share them."""


def wait_policy(
    timeouts: Timeouts | None,
    wait_for_quota: bool,  # noqa: FBT001 - as the users' argument it stands for
    on_cancel: OnCancel,
    on_credits_warning: Callable[[str], object] | None,
) -> WaitPolicy:
    """From what users pass."""
    policy = WaitPolicy(
        timeouts=timeouts or DEFAULT_WAIT_POLICY.timeouts,
        wait_for_quota=wait_for_quota,
        on_cancel=on_cancel,
        on_credits_warning=on_credits_warning,
    )
    return DEFAULT_WAIT_POLICY if policy == DEFAULT_WAIT_POLICY else policy


@attrs.frozen(kw_only=True)
class ShareOptions:
    """What to show on the public page.

    Attributes:
        title: Title of the shared page.
        description: Its description.
    """

    title: str | Unset = UNSET
    description: str | Unset = UNSET

    def to_json(self) -> dict[str, str]:
        """What is set, as plain values."""
        return {name: value for name, value in attrs.asdict(self).items() if value is not UNSET}


DEFAULT_SHARE: Final = ShareOptions()
"""A public page without title and description of its own."""


@attrs.frozen(kw_only=True)
class DeliveryOptions:
    """What is to be done with a project once the agent is done.

    Attributes:
        render: Quality of the video; None for no render.
        share: What to show on the public page; None for no page.
        download: A file or a folder, as `Production.download` takes it; None for no download.
        replaces: Whether a file that is there already, and is none of ours, is replaced.
    """

    render: str | None = "1080p"
    share: ShareOptions | None = None
    download: str | None = None
    replaces: bool = True


DEFAULT_DELIVERY: Final = DeliveryOptions(share=DEFAULT_SHARE)
"""What `produce` does by itself; thousands of productions share it."""


class Unchecked(str):
    """A word newer than this version, which is sent as it is: `render=Unchecked("8k")`."""

    __slots__ = ()


Quality = Literal["1080p", "4k"] | Unchecked
"""How to render; 4k needs a Pro subscription."""

QUALITIES: Final = ("1080p", "4k")
"""The documented ones."""


def quality_of(given: object, name: str = "render") -> str | None:
    """A quality as it is sent; what any server would refuse is refused before the agent is paid.

    Args:
        given: What the caller asks for; None for no render.
        name: What the caller calls it.

    Raises:
        InvalidRequest: It is no documented word, and not `Unchecked`.
    """
    if given is None or given in QUALITIES or (isinstance(given, Unchecked) and given):
        return None if given is None else str(given)
    raise InvalidRequest({name: f"must be 1080p or 4k, not {format_value(given, text=40)}; {_newer(given)}"})


def _newer(given: object) -> str:
    word = format_value(given, text=40) if isinstance(given, str) else "'8k'"
    return f"a word newer than this version is Unchecked({word})"


def delivery_options(
    render: str | None,
    share: bool | ShareOptions,  # noqa: FBT001 - as the users' argument it stands for
    download: str | os.PathLike[str] | None,
) -> DeliveryOptions:
    """From what users pass. For `share`, True is a page without title and description of its own.

    Raises:
        InvalidRequest: `render` is no word that we know.
    """
    delivery = DeliveryOptions(
        render=quality_of(render),
        share=share if isinstance(share, ShareOptions) else DEFAULT_SHARE if share else None,
        download=None if download is None else os.fspath(download),
    )
    return DEFAULT_DELIVERY if delivery == DEFAULT_DELIVERY else delivery


CANCEL_TIMEOUT: Final = 10.0
"""Seconds a remote cancel may take while the caller is being cancelled."""
