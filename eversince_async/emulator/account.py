"""One account: credits, plan, keys, skills, memories, preferences, uploads and shares."""

from collections import deque
from typing import Any, Literal

import attrs

from eversince_async.emulator.errors import Json
from eversince_async.emulator.limits import DayCount


@attrs.define(kw_only=True)
class Key:
    """An API key.

    Only a digest of the key itself is stored, as is good practice.

    Attributes:
        id: ID of the key.
        name: Name of the key.
        digest: SHA-256 of the key, hex.
        prefix: First twelve characters of the key.
        created_at: Time of its creation, in Unix seconds.
        last_used_at: Time of its last use, in Unix seconds; None if it was never used.
    """

    id: str
    name: str
    digest: str
    prefix: str
    created_at: float
    last_used_at: float | None = None


@attrs.define(kw_only=True)
class Skill:
    """A skill of the account or of the platform.

    Attributes:
        id: ID of the skill.
        name: Name of the skill.
        instructions: Text that the agent reads.
        is_active: True if the agent reads the skill.
        category: "craft", "technique" or "workflow" for platform skills.
        description: Description; platform skills only.
        sort_order: Position in the list.
        slug: Name in a project's `skills` (May); None for a custom skill, which is referred to by its ID.
        platform: True if the skill comes from Eversince.
    """

    id: str
    name: str
    instructions: str
    is_active: bool
    category: str | None = None
    description: str | None = None
    sort_order: int = 0
    slug: str | None = None
    platform: bool = False
    created_at: float = 0.0
    updated_at: float = 0.0

    @property
    def tokens(self) -> int:
        """The size in May's unit: about four characters a token."""
        return -(-len(self.instructions) // 4)


@attrs.define(kw_only=True)
class Memory:
    """A short fact that the user recorded (May)."""

    id: str
    title: str
    body: str
    is_active: bool
    sort_order: int
    created_at: float
    updated_at: float


@attrs.define(kw_only=True)
class Upload:
    """A file that is announced or stored.

    Attributes:
        r2_key: Storage key.
        file_name: Name of the file.
        content_type: Announced MIME type.
        file_size: Announced size, in bytes.
        expires_at: Unix seconds when the presigned URL stops working.
        stored_size: Bytes received by PUT; None before the PUT.
        sha256: Digest of these bytes, hex.
        upload_id: ID of the upload once it is confirmed.
    """

    r2_key: str
    file_name: str
    content_type: str
    file_size: int
    expires_at: float
    stored_size: int | None = None
    sha256: str | None = None
    upload_id: str | None = None

    @property
    def kind(self) -> str:
        """The kind of the file: `image`, `video` or `audio`."""
        return self.content_type.partition("/")[0]


@attrs.define(kw_only=True)
class Share:
    """A public page for one render."""

    token: str
    project_id: str
    render: int
    title: str | None
    description: str | None
    aspect_ratio: str
    created_at: float
    view_count: int = 0


@attrs.define(kw_only=True, eq=False)
class Account:
    """Everything that belongs to one account except its projects.

    Attributes:
        credits: The balance.
        plan: The plan; None without a subscription. 4K needs "pro".
        confirmed: Storage keys by upload ID.
        active_platform: Platform skills that were active in a saved account; used until the account is
            opened.
        created_today: Creates that count towards the day's 500.
        rendered_today: Renders that count towards the day's 50.
        feedback: Reports sent to the feedback endpoint, newest last.
    """

    id: str
    credits: float = 1450
    plan: Literal["creator", "pro"] | None = "creator"
    keys: dict[str, Key] = attrs.field(factory=dict)
    skills: dict[str, Skill] = attrs.field(factory=dict)
    active_platform: list[str] = attrs.field(factory=list)
    memories: dict[str, Memory] = attrs.field(factory=dict)
    uploads: dict[str, Upload] = attrs.field(factory=dict)
    confirmed: dict[str, str] = attrs.field(factory=dict)
    shares: list[Share] = attrs.field(factory=list)
    feedback: list[Json] = attrs.field(factory=list)
    preferences: str = "Prefers warm color grading. Favors cinematic aspect ratios."
    preferences_enabled: bool = True
    created_today: DayCount = attrs.field(factory=DayCount)
    rendered_today: DayCount = attrs.field(factory=DayCount)

    @property
    def pro(self) -> bool:
        """True if the account has the Pro plan."""
        return self.plan == "pro"

    def spend(self, amount: float) -> None:
        """Take credits; the balance does not fall below zero."""
        self.credits = max(0, self.credits - amount)

    def upload(self, upload_id: str) -> Upload | None:
        """Return a confirmed upload, or None if the ID is unknown."""
        r2_key = self.confirmed.get(upload_id)
        return None if r2_key is None else self.uploads[r2_key]

    def to_json(self) -> Json:
        """Return the account as JSON values.

        Of the platform's skills only the IDs of the active ones are included.
        """
        values = attrs.asdict(self, filter=lambda attribute, _: attribute.name != "skills")
        skills = self.skills.values()
        values["skills"] = {skill.id: attrs.asdict(skill) for skill in skills if not skill.platform}
        values["active_platform"] = [skill.id for skill in skills if skill.platform and skill.is_active]
        for name in ("created_today", "rendered_today"):
            values[name] = list(getattr(self, name).stamps)
        return values

    @classmethod
    def from_json(cls, values: Json) -> "Account":
        """Build the account from the values of `to_json`."""
        known: dict[str, Any] = dict(values)
        for name, kind in (("keys", Key), ("skills", Skill), ("memories", Memory), ("uploads", Upload)):
            known[name] = {key: kind(**value) for key, value in known[name].items()}
        known["shares"] = [Share(**share) for share in known["shares"]]
        for name in ("created_today", "rendered_today"):
            known[name] = DayCount(deque(known[name]))
        return cls(**known)
