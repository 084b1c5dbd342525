"""One account: credits, plan, keys, skills, memories, preferences, uploads and shares."""

from collections import deque
from typing import Any, Literal

import attrs

from eversince_async.emulator.errors import Json
from eversince_async.emulator.limits import DayCount


@attrs.define(kw_only=True)
class Key:
    """An API key. Of the key itself only a digest is kept, as one should.

    Attributes:
        id: Its ID.
        name: Its name.
        digest: SHA-256 of the key, hex.
        prefix: Its first twelve characters.
        created_at: Unix seconds.
        last_used_at: Unix seconds.
    """

    id: str
    name: str
    digest: str
    prefix: str
    created_at: float
    last_used_at: float | None = None


@attrs.define(kw_only=True)
class Skill:
    """A skill, of the account's own or of the platform.

    Attributes:
        id: Its ID.
        name: Its name.
        instructions: What the agent reads.
        is_active: Whether the agent reads it.
        category: "craft", "technique" or "workflow" for platform skills.
        description: Of platform skills.
        sort_order: Its place in the list.
        slug: Name in a project's `skills` (May); None for a custom skill, which goes by its ID.
        platform: Whether it comes from Eversince.
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
        """Its size in May's unit: about four characters a token."""
        return -(-len(self.instructions) // 4)


@attrs.define(kw_only=True)
class Memory:
    """A short fact by the user (May)."""

    id: str
    title: str
    body: str
    is_active: bool
    sort_order: int
    created_at: float
    updated_at: float


@attrs.define(kw_only=True)
class Upload:
    """A file on its way, or here.

    Attributes:
        r2_key: Its place in the storage.
        file_name: Its name.
        content_type: Its announced type.
        file_size: Its announced size, bytes.
        expires_at: Unix seconds when the presigned URL stops working.
        stored_size: Bytes that were PUT; None before.
        sha256: Digest of these bytes, hex.
        upload_id: Once confirmed.
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
        """`image`, `video` or `audio`."""
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
    """Everything of one account but its projects.

    Attributes:
        credits: The balance.
        plan: None without a subscription; 4K needs "pro".
        confirmed: Place in the storage by upload ID.
        active_platform: Platform skills a saved account had active, until it is let in.
        created_today: Creates that count towards the day's 500.
        rendered_today: Renders that count towards the day's 50.
        feedback: What was reported, newest last.
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
        """Whether it has the Pro plan."""
        return self.plan == "pro"

    def spend(self, amount: float) -> None:
        """Take credits; the balance stops at nothing."""
        self.credits = max(0, self.credits - amount)

    def upload(self, upload_id: str) -> Upload | None:
        """A confirmed upload."""
        r2_key = self.confirmed.get(upload_id)
        return None if r2_key is None else self.uploads[r2_key]

    def to_json(self) -> Json:
        """Everything about it as JSON values; of the platform's skills only which are active."""
        values = attrs.asdict(self, filter=lambda attribute, _: attribute.name != "skills")
        skills = self.skills.values()
        values["skills"] = {skill.id: attrs.asdict(skill) for skill in skills if not skill.platform}
        values["active_platform"] = [skill.id for skill in skills if skill.platform and skill.is_active]
        for name in ("created_today", "rendered_today"):
            values[name] = list(getattr(self, name).stamps)
        return values

    @classmethod
    def from_json(cls, values: Json) -> "Account":
        """The account that `to_json` described."""
        known: dict[str, Any] = dict(values)
        for name, kind in (("keys", Key), ("skills", Skill), ("memories", Memory), ("uploads", Upload)):
            known[name] = {key: kind(**value) for key, value in known[name].items()}
        known["shares"] = [Share(**share) for share in known["shares"]]
        for name in ("created_today", "rendered_today"):
            known[name] = DayCount(deque(known[name]))
        return cls(**known)
