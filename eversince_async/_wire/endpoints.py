"""All operations of the API, each defined once.

Source: "Operations at a glance" in the contract (the endpoint catalogue of 16 April 2026) and the memories of
May 2026. The class of an operation's response is named in the resource that returns it, so that importing
this table builds no class that is not needed.
"""

from enum import Enum
from typing import Final

import attrs


class Idempotency(Enum):
    """The effect of sending a request again if its outcome is unknown."""

    IDEMPOTENT = "safe"
    """A repetition changes nothing, or returns 200.

    The 200 then means "already adopted" or "already confirmed".
    """
    KEYED = "keyed"
    """A repetition changes nothing, because the body carries the same idempotency key."""
    DELETE = "gone"
    """A repetition is harmless; a 404 means that the first request succeeded."""
    UNSAFE = "observe"
    """A repetition could have the effect twice, so there is none.

    `OutcomeUnknown` is raised instead, and names what to look at.
    """


@attrs.frozen
class Endpoint:
    """One operation.

    Attributes:
        name: The resource and the verb, for errors, logs and spans.
        method: The HTTP method.
        path: The path below the base URL; `{name}` stands for a percent-encoded parameter.
        success: The statuses that mean success; any other status is an error.
        resend: The effect of sending the request again if its outcome is unknown.
        how_to_check: For `Idempotency.UNSAFE`, the place to look at.
        deleted_field: For `Idempotency.DELETE`, the field of the response that confirms the deletion.
        unwrap: The one key of the response that holds what the caller wants; None for the whole response.
        by_status: True if a 400 that names no field concerns the project's status.
        holds_secret: True if a response holds a new secret or a signed address, so that no error may quote
            it.
    """

    name: str
    method: str
    path: str
    success: tuple[int, ...] = (200,)
    resend: Idempotency = Idempotency.IDEMPOTENT
    how_to_check: str = ""
    deleted_field: str = ""
    unwrap: str | None = None
    by_status: bool = False
    holds_secret: bool = False

    @property
    def is_documented(self) -> bool:
        """True if the operation stands in this table.

        An operation that a caller defined is named by method and path.
        """
        return " " not in self.name


# -- Projects ---------------------------------------------------------------------------------------------
CREATE_PROJECT: Final = Endpoint("projects.create", "POST", "/projects", (202, 200), Idempotency.KEYED)
LIST_PROJECTS: Final = Endpoint("projects.list", "GET", "/projects")
GET_PROJECT: Final = Endpoint("projects.get", "GET", "/projects/{project_id}")
CHANGE_SETTINGS: Final = Endpoint(
    "projects.settings", "PATCH", "/projects/{project_id}/settings", by_status=True
)
CANCEL_PROJECT: Final = Endpoint(
    "projects.cancel",
    "POST",
    "/projects/{project_id}/cancel",
    resend=Idempotency.UNSAFE,
    how_to_check="read the project: status `cancelled` says that it happened",
    by_status=True,
)
DISCOVER_PROJECTS: Final = Endpoint("projects.discover", "GET", "/projects/discover")
ADOPT_PROJECT: Final = Endpoint("projects.adopt", "POST", "/projects/adopt", (201, 200))

# -- Messages ---------------------------------------------------------------------------------------------
LIST_MESSAGES: Final = Endpoint("messages.list", "GET", "/projects/{project_id}/messages")
SEND_MESSAGE: Final = Endpoint(
    "messages.send",
    "POST",
    "/projects/{project_id}/messages",
    (202,),
    Idempotency.UNSAFE,
    "list the project's messages after the last one you know: yours is there if it was taken",
    by_status=True,
)

# -- Content ----------------------------------------------------------------------------------------------
GET_TIMELINE: Final = Endpoint(
    "content.timeline", "GET", "/projects/{project_id}/timeline", unwrap="timeline"
)
LIST_ASSETS: Final = Endpoint("content.assets", "GET", "/projects/{project_id}/assets")
LIST_VARIATIONS: Final = Endpoint(
    "content.variations", "GET", "/projects/{project_id}/variations", unwrap="variations"
)
GET_AGENT_MEMORY: Final = Endpoint("content.memory", "GET", "/projects/{project_id}/memory")

# -- Output -----------------------------------------------------------------------------------------------
RENDER: Final = Endpoint(
    "output.render",
    "POST",
    "/projects/{project_id}/render",
    (202,),
    Idempotency.UNSAFE,
    "read the project: status `rendering`, or an assembled_url other than before, says that it was taken",
    by_status=True,
)
SHARE: Final = Endpoint(
    "output.share",
    "POST",
    "/projects/{project_id}/share",
    (201,),
    Idempotency.UNSAFE,
    "list the account's shares: a new one with your title says that it was made",
    by_status=True,
)

# -- Uploads ----------------------------------------------------------------------------------------------
REQUEST_UPLOAD: Final = Endpoint(  # an unused ticket is harmless, but its address is access
    "uploads.request", "POST", "/uploads", holds_secret=True
)
CONFIRM_UPLOAD: Final = Endpoint("uploads.confirm", "POST", "/uploads/confirm", (201, 200))

# -- Account ----------------------------------------------------------------------------------------------
GET_CREDITS: Final = Endpoint("account.credits", "GET", "/account/credits")
LIST_PACKAGES: Final = Endpoint("account.credit_packages", "GET", "/account/credit-packages")
GET_PREFERENCES: Final = Endpoint("account.learned_preferences", "GET", "/account/learned-preferences")
PUT_PREFERENCES: Final = Endpoint("account.update_learned_preferences", "PUT", "/account/learned-preferences")
LIST_SHARES: Final = Endpoint("account.shares", "GET", "/account/shares")

# -- Skills -----------------------------------------------------------------------------------------------
LIST_SKILLS: Final = Endpoint("skills.list", "GET", "/account/skills")
CREATE_SKILL: Final = Endpoint(
    "skills.create",
    "POST",
    "/account/skills",
    (201,),
    Idempotency.UNSAFE,
    "list the skills: names are unique, so yours is there if it was made",
)
GET_SKILL: Final = Endpoint("skills.get", "GET", "/account/skills/{skill_id}", unwrap="skill")
UPDATE_SKILL: Final = Endpoint("skills.update", "PATCH", "/account/skills/{skill_id}")
DELETE_SKILL: Final = Endpoint(
    "skills.delete",
    "DELETE",
    "/account/skills/{skill_id}",
    resend=Idempotency.DELETE,
    deleted_field="deleted",
)

# -- Memories (May 2026) ----------------------------------------------------------------------------------
LIST_MEMORIES: Final = Endpoint("memories.list", "GET", "/account/memories")
CREATE_MEMORY: Final = Endpoint(
    "memories.create",
    "POST",
    "/account/memories",
    (201,),
    Idempotency.UNSAFE,
    "list the memories: yours is there if it was made",
)
GET_MEMORY: Final = Endpoint("memories.get", "GET", "/account/memories/{memory_id}", unwrap="memory")
UPDATE_MEMORY: Final = Endpoint("memories.update", "PATCH", "/account/memories/{memory_id}")
DELETE_MEMORY: Final = Endpoint(
    "memories.delete",
    "DELETE",
    "/account/memories/{memory_id}",
    resend=Idempotency.DELETE,
    deleted_field="deleted",
)

# -- Discovery --------------------------------------------------------------------------------------------
LIST_MODELS: Final = Endpoint("discovery.models", "GET", "/models", unwrap="models")
LIST_VOICES: Final = Endpoint("discovery.voices", "GET", "/voices", unwrap="voices")
ESTIMATE_COST: Final = Endpoint("discovery.estimate_cost", "POST", "/estimate-cost")

# -- Keys and feedback ------------------------------------------------------------------------------------
CREATE_KEY: Final = Endpoint(
    "keys.create",
    "POST",
    "/keys",
    (201,),
    Idempotency.UNSAFE,
    "list the keys: one with your name says that it was made, but its secret is shown only once, so "
    "revoke it and create another",
    holds_secret=True,
)
LIST_KEYS: Final = Endpoint("keys.list", "GET", "/keys", unwrap="keys")
REVOKE_KEY: Final = Endpoint(
    "keys.revoke", "DELETE", "/keys/{key_id}", resend=Idempotency.DELETE, deleted_field="revoked"
)
SEND_FEEDBACK: Final = Endpoint(
    "feedback.send",
    "POST",
    "/feedback",
    (201,),
    Idempotency.UNSAFE,
    "feedback cannot be read back; a second copy does little harm",
)

ENDPOINTS: Final[tuple[Endpoint, ...]] = tuple(
    value for value in list(globals().values()) if isinstance(value, Endpoint)
)
"""All operations, in the order above."""
