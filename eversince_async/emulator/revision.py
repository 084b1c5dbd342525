"""Differences between the public revisions of the API, in one table.

Everything else reads this table. Sources: contract section 14 and contradictions section 7. Where the
documents of one revision disagree with each other, the comment says which reading the emulator takes.
"""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import attrs

Revision: TypeAlias = Literal["2026-04", "2026-05"]
"""A public revision of the API, named by its month."""

ACTIVE: Final = frozenset({"queued", "running", "generating", "rendering"})
"""Statuses that hold one of the account's active-project slots."""

WORKING: Final = frozenset({"running", "generating", "rendering"})
"""Statuses in which settings are refused."""


@attrs.frozen(kw_only=True)
class RevisionRules:
    """Everything that depends on the revision.

    Attributes:
        name: The revision.
        requests_per_minute: Documented request limit of the account.
        credits_to_create: Credits `POST /projects` needs.
        crafts: True if projects have craft, craft_auto and expected_output; False if they have skills and
            reasoning_mode.
        messages_in: Statuses in which a message is accepted.
        render_in: Statuses in which a render is accepted.
        cancel_in: Statuses in which a cancellation is accepted.
        assets_page: Largest page of assets.
        memory_capacities: Capacity of each section of the agent's memory; None shows none.
        memories: True if `/account/memories` exists.
        preferences_characters: Longest learned preferences; None for no limit, and none shown.
        skills_stack: True if several platform crafts may be active together. The budget then counts the
            tokens of all active skills; otherwise it counts the characters of the active custom ones.
        skill_budget: That budget, in its unit.
        skill_characters: Longest instructions of one skill; None for no limit of its own.
        renders_per_day: Renders a day.
        renders_per_day_unsubscribed: Renders a day without a subscription.
    """

    name: Revision
    requests_per_minute: int
    credits_to_create: int
    crafts: bool
    messages_in: frozenset[str]
    render_in: frozenset[str]
    cancel_in: frozenset[str]
    assets_page: int
    memory_capacities: Mapping[str, int] | None
    memories: bool
    preferences_characters: int | None
    skills_stack: bool
    skill_budget: int
    skill_characters: int | None
    renders_per_day: int = 50
    renders_per_day_unsubscribed: int = 50
    credits_to_message: int = 10
    # The overview calls 1080p free, the catalogue says "minimum 10 credits"; the catalogue is the
    # reference, so ten must be there, and none are taken (contradictions 88).
    credits_to_render: int = 10


RULES: Final[Mapping[Revision, RevisionRules]] = {
    "2026-04": RevisionRules(
        name="2026-04",
        requests_per_minute=30,
        credits_to_create=50,
        crafts=True,
        messages_in=frozenset({"idle"}),
        render_in=frozenset({"idle"}),
        cancel_in=frozenset({"queued", "running", "generating", "idle"}),
        assets_page=50,
        memory_capacities={"creative": 4_000, "plan": 5_500, "assets": 5_000},
        memories=False,
        preferences_characters=4_000,
        skills_stack=False,
        skill_budget=8_000,
        skill_characters=8_000,
    ),
    "2026-05": RevisionRules(
        name="2026-05",
        requests_per_minute=120,
        credits_to_create=30,
        crafts=False,
        messages_in=frozenset({"idle", "completed", "cancelled", "failed"}),
        # May names `completed` as a settled status beside idle, in no table; it is taken to be idle's twin.
        render_in=frozenset({"idle", "completed"}),
        cancel_in=frozenset({"queued", "running", "generating", "idle", "completed"}),
        assets_page=200,
        memory_capacities=None,
        memories=True,
        preferences_characters=None,
        skills_stack=True,
        skill_budget=40_000,
        skill_characters=None,
        renders_per_day_unsubscribed=10,
    ),
}
"""The rules by revision."""
