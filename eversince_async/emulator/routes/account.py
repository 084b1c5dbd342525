"""Operations on the account: credits, packages, learned preferences and shares."""

from eversince_async.emulator.call import Answer, Call
from eversince_async.emulator.fixtures import PACKAGES


def balance(call: Call) -> Answer:
    """Respond to GET /account/credits."""
    return Answer(body={"credits_balance": call.account.credits})


def packages(call: Call) -> Answer:
    """Respond to GET /account/credit-packages."""
    body = {
        "credits_balance": call.account.credits,
        "has_subscription": call.account.plan is not None,
        "subscription_required": False,
        "packages": list(PACKAGES),
    }
    return Answer(body=body)


def preferences(call: Call) -> Answer:
    """Respond to GET /account/learned-preferences."""
    return Answer(body=call.views.preferences(call.account))


def change_preferences(call: Call) -> Answer:
    """Respond to PUT /account/learned-preferences with content, enabled or both."""
    fields = call.fields()
    content = fields.text("content", longest=call.rules.preferences_characters)
    enabled = fields.flag("enabled")
    if "content" not in fields and "enabled" not in fields:
        fields.problem("content", "content or enabled is required")
    fields.check()
    if content is not None:
        call.account.preferences = content
    if enabled is not None:
        call.account.preferences_enabled = enabled
    call.world.touch(call.account)
    return Answer(body=call.views.preferences(call.account))


def shares(call: Call) -> Answer:
    """Respond to GET /account/shares with the shares, newest first.

    The default page size is ten; other lists have twenty.
    """
    query = call.query_params()
    limit, offset = query.page(50, default=10)
    query.check()
    newest_first = call.account.shares[::-1]
    body = {
        "shares": [call.views.share(share) for share in newest_first[offset : offset + limit]],
        "total": len(newest_first),
        "total_views": sum(share.view_count for share in newest_first),
        "has_more": offset + limit < len(newest_first),
    }
    return Answer(body=body)
