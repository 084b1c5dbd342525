"""Frozen, typed objects for every request and response of the API.

They cover both public revisions, with a module for each page of the API reference. Classes are made when they
are first used: building all of them would take longer than a program that only reads one project runs.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eversince_async.models._base import (
        UNSET,
        ItemList,
        Model,
        Request,
        Response,
        UnreadableValue,
        Unset,
    )
    from eversince_async.models.account import (
        CreditPackage,
        CreditPackages,
        Credits,
        LearnedPreferences,
        PreferencesChange,
        SharedVideo,
        SharePage,
    )
    from eversince_async.models.content import (
        AgentMemory,
        Asset,
        AssetPage,
        AssetType,
        Audio,
        CaptionPreset,
        Captions,
        MemorySection,
        Music,
        Overlay,
        OverlayType,
        Scene,
        SceneType,
        Timeline,
        Track,
        TrackType,
        Variation,
        Voiceover,
    )
    from eversince_async.models.discovery import (
        Estimate,
        EstimateItem,
        EstimateRequest,
        Gender,
        GenerationModel,
        ModelType,
        Operation,
        Tool,
        Voice,
    )
    from eversince_async.models.feedback import (
        Feedback,
        FeedbackReceipt,
        FeedbackType,
    )
    from eversince_async.models.keys import (
        Key,
        KeyDraft,
        NewKey,
        RevokedKey,
    )
    from eversince_async.models.memories import (
        Memory,
        MemoryAnswer,
        MemoryBudget,
        MemoryChange,
        MemoryDraft,
        MemoryList,
    )
    from eversince_async.models.messages import (
        Message,
        MessageDraft,
        MessagePage,
        Role,
        SentMessage,
    )
    from eversince_async.models.output import (
        Quality,
        RenderRequest,
        RenderStarted,
        Share,
        ShareRequest,
    )
    from eversince_async.models.projects import (
        AdoptedProject,
        Adoption,
        AgentModel,
        AspectRatio,
        Brief,
        CancelledProject,
        Craft,
        CreatedProject,
        ExpectedOutput,
        Mode,
        OutputType,
        Project,
        ProjectPage,
        ProjectSettings,
        ProjectSummary,
        ReasoningMode,
        SettingsChange,
        StudioProject,
        StudioProjectPage,
    )
    from eversince_async.models.receipt import (
        RateLimit,
        Receipt,
    )
    from eversince_async.models.references import (
        Reference,
        ReferenceType,
        UploadReference,
        UrlReference,
    )
    from eversince_async.models.skills import (
        Deleted,
        Skill,
        SkillAnswer,
        SkillBudget,
        SkillCategory,
        SkillChange,
        SkillDraft,
        SkillList,
        SkillSource,
    )
    from eversince_async.models.uploads import (
        Upload,
        UploadConfirmation,
        UploadRequest,
        UploadTicket,
        UploadType,
    )
    from eversince_async.models.webhooks import (
        WebhookEvent,
    )

_HOMES = {
    "_base": "ItemList Model Request Response UNSET UnreadableValue Unset",
    "account": (
        "CreditPackage CreditPackages Credits LearnedPreferences PreferencesChange SharePage SharedVideo"
    ),
    "content": (
        "AgentMemory Asset AssetPage AssetType Audio CaptionPreset Captions MemorySection Music "
        "Overlay OverlayType Scene SceneType Timeline Track TrackType Variation Voiceover"
    ),
    "discovery": (
        "Estimate EstimateItem EstimateRequest Gender GenerationModel ModelType Operation Tool Voice"
    ),
    "feedback": "Feedback FeedbackReceipt FeedbackType",
    "keys": "Key KeyDraft NewKey RevokedKey",
    "memories": "Memory MemoryAnswer MemoryBudget MemoryChange MemoryDraft MemoryList",
    "messages": "Message MessageDraft MessagePage Role SentMessage",
    "output": "Quality RenderRequest RenderStarted Share ShareRequest",
    "projects": (
        "AdoptedProject Adoption AgentModel AspectRatio Brief CancelledProject Craft "
        "CreatedProject ExpectedOutput Mode OutputType Project ProjectPage ProjectSettings "
        "ProjectSummary ReasoningMode SettingsChange StudioProject StudioProjectPage"
    ),
    "receipt": "RateLimit Receipt",
    "references": "Reference ReferenceType UploadReference UrlReference",
    "skills": (
        "Deleted Skill SkillAnswer SkillBudget SkillCategory SkillChange SkillDraft SkillList SkillSource"
    ),
    "uploads": "Upload UploadConfirmation UploadRequest UploadTicket UploadType",
    "webhooks": "WebhookEvent",
}
"""The module of each public name; a test compares this with the modules."""

_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}


if not TYPE_CHECKING:  # type checkers would accept any name because of this function

    def __getattr__(name: str) -> Any:
        home = _HOME_OF.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__all__ = [
    "UNSET",
    "AdoptedProject",
    "Adoption",
    "AgentMemory",
    "AgentModel",
    "AspectRatio",
    "Asset",
    "AssetPage",
    "AssetType",
    "Audio",
    "Brief",
    "CancelledProject",
    "CaptionPreset",
    "Captions",
    "Craft",
    "CreatedProject",
    "CreditPackage",
    "CreditPackages",
    "Credits",
    "Deleted",
    "Estimate",
    "EstimateItem",
    "EstimateRequest",
    "ExpectedOutput",
    "Feedback",
    "FeedbackReceipt",
    "FeedbackType",
    "Gender",
    "GenerationModel",
    "ItemList",
    "Key",
    "KeyDraft",
    "LearnedPreferences",
    "Memory",
    "MemoryAnswer",
    "MemoryBudget",
    "MemoryChange",
    "MemoryDraft",
    "MemoryList",
    "MemorySection",
    "Message",
    "MessageDraft",
    "MessagePage",
    "Mode",
    "Model",
    "ModelType",
    "Music",
    "NewKey",
    "Operation",
    "OutputType",
    "Overlay",
    "OverlayType",
    "PreferencesChange",
    "Project",
    "ProjectPage",
    "ProjectSettings",
    "ProjectSummary",
    "Quality",
    "RateLimit",
    "ReasoningMode",
    "Receipt",
    "Reference",
    "ReferenceType",
    "RenderRequest",
    "RenderStarted",
    "Request",
    "Response",
    "RevokedKey",
    "Role",
    "Scene",
    "SceneType",
    "SentMessage",
    "SettingsChange",
    "Share",
    "SharePage",
    "ShareRequest",
    "SharedVideo",
    "Skill",
    "SkillAnswer",
    "SkillBudget",
    "SkillCategory",
    "SkillChange",
    "SkillDraft",
    "SkillList",
    "SkillSource",
    "StudioProject",
    "StudioProjectPage",
    "Timeline",
    "Tool",
    "Track",
    "TrackType",
    "UnreadableValue",
    "Unset",
    "Upload",
    "UploadConfirmation",
    "UploadReference",
    "UploadRequest",
    "UploadTicket",
    "UploadType",
    "UrlReference",
    "Variation",
    "Voice",
    "Voiceover",
    "WebhookEvent",
]
