"""The account: credits, what the agent has learned, shared videos."""

from datetime import datetime

import attrs

from eversince_async.models._base import UNSET, Model, Request, Response, Unset


@attrs.frozen(kw_only=True, repr=False, eq=False)
class PreferencesChange(Request):
    """A change of the learned preferences; UNSET fields stay unchanged.

    Attributes:
        content: The whole new text. April 2026 names a capacity of 4,000 characters; the server judges.
        enabled: True if the agent learns.
    """

    content: str | Unset = UNSET
    enabled: bool | Unset = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class LearnedPreferences(Response):
    """The patterns that the agent has learned over all projects.

    Attributes:
        content: The patterns.
        enabled: True if the agent learns.
        characters: The size of the content.
        max_characters: The greatest size of the content; April 2026: 4,000.
    """

    content: str | None = None
    enabled: bool | None = None
    characters: int | None = None
    max_characters: int | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Credits(Response):
    """The credit balance.

    Attributes:
        credits_balance: The remaining credits; may be a fraction.
    """

    credits_balance: float


@attrs.frozen(kw_only=True, repr=False, eq=False)
class CreditPackage(Model):
    """A package of credits to buy.

    Attributes:
        id: The package's id.
        credits: The number of credits.
        price: The price for people, such as `$15`.
        price_cents: The price in cents; the currency is not documented.
        purchase_url: The page that sells the package. `repr` omits its query, as for every URL.
    """

    id: str | None = None
    credits: float | None = None
    price: str | None = None
    price_cents: int | None = None
    purchase_url: str | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class CreditPackages(Response):
    """The credit packages for sale.

    Attributes:
        packages: The packages.
        credits_balance: The remaining credits.
        has_subscription: True if the account has a subscription.
        subscription_required: True if buying credits needs a subscription.
    """

    packages: tuple[CreditPackage, ...] = ()
    credits_balance: float | None = None
    has_subscription: bool | None = None
    subscription_required: bool | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class SharedVideo(Model):
    """A public page with a video.

    Attributes:
        share_url: The address of the page.
        video_url: The address of the video file; it does not expire.
        title: The page's title; optional when the share was made.
        aspect_ratio: The video's aspect ratio, such as `16:9`.
        view_count: The number of views.
        created_at: The time at which the video was shared.
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
        shares: At most 50 shares; 10 if the request has no limit, although other lists then have 20.
        total: The number of shares on all pages.
        total_views: The number of views of all shares.
        has_more: True if there is a next page.
    """

    shares: tuple[SharedVideo, ...]
    total: int | None = None
    total_views: int | None = None
    has_more: bool | None = None
