"""The account: credits, what the agent has learned, shared videos."""

from datetime import datetime

import attrs

from eversince_async.models._base import UNSET, Model, Request, Response, Unset


@attrs.frozen(kw_only=True, repr=False, eq=False)
class PreferencesChange(Request):
    """What to change about the learned preferences; whatever stays UNSET is left alone.

    Attributes:
        content: The whole new text. April 2026 names a capacity of 4,000 characters; the server judges.
        enabled: Whether the agent learns.
    """

    content: str | Unset = UNSET
    enabled: bool | Unset = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class LearnedPreferences(Response):
    """Patterns the agent picked up over all projects.

    Attributes:
        content: The patterns.
        enabled: Whether the agent learns.
        characters: Size of the content.
        max_characters: April 2026: 4,000.
    """

    content: str | None = None
    enabled: bool | None = None
    characters: int | None = None
    max_characters: int | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Credits(Response):
    """What is left.

    Attributes:
        credits_balance: Credits; may be a fraction.
    """

    credits_balance: float


@attrs.frozen(kw_only=True, repr=False, eq=False)
class CreditPackage(Model):
    """Credits to buy.

    Attributes:
        id: The package.
        credits: How many.
        price: For people, such as `$15`.
        price_cents: The same in cents; the currency is not documented.
        purchase_url: Where to buy it. In `repr` without its query, like every URL.
    """

    id: str | None = None
    credits: float | None = None
    price: str | None = None
    price_cents: int | None = None
    purchase_url: str | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class CreditPackages(Response):
    """What can be bought.

    Attributes:
        packages: The packages.
        credits_balance: Credits left.
        has_subscription: Whether the account has one.
        subscription_required: Whether one is needed to buy credits.
    """

    packages: tuple[CreditPackage, ...] = ()
    credits_balance: float | None = None
    has_subscription: bool | None = None
    subscription_required: bool | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class SharedVideo(Model):
    """A public page with a video.

    Attributes:
        share_url: The page.
        video_url: The video itself; it does not expire.
        title: Its title; optional when the share was made.
        aspect_ratio: Such as `16:9`.
        view_count: How often it was seen.
        created_at: When it was shared.
    """

    share_url: str
    video_url: str | None = None
    title: str | None = None
    aspect_ratio: str | None = None
    view_count: int | None = None
    created_at: datetime | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class SharePage(Response):
    """One page of `GET /account/shares`.

    Attributes:
        shares: At most 50; 10 if no limit is given, where other lists have 20.
        total: Shares in all pages.
        total_views: Views of them all.
        has_more: Whether there is a next page.
    """

    shares: tuple[SharedVideo, ...]
    total: int | None = None
    total_views: int | None = None
    has_more: bool | None = None
