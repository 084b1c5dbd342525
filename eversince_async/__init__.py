"""Asyncio client for the Eversince creative agent.

```python
async with Eversince() as eversince:  # key from EVERSINCE_API_KEY
    film = await eversince.produce("15-second launch film for a ceramic mug", aspect_ratio="9:16")
    await film.download("mug.mp4")
    print(film.share_url)
```

Importing this package is cheap: a name is imported from its module when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from eversince_async.batch.batch import Batch
    from eversince_async.batch.outcome import Outcome, Progress
    from eversince_async.batch.plan import Cost, Days, Plan, PlannedItem
    from eversince_async.batch.report import Report
    from eversince_async.client import Eversince
    from eversince_async.errors import (
        ApiError,
        ApprovalExpired,
        ApprovalPending,
        BelongsToAnother,
        ClientClosed,
        ConfigurationError,
        ConnectionFailed,
        DownloadFailed,
        EversinceError,
        Forbidden,
        GovernorError,
        InDoubt,
        InsufficientCredits,
        InternalError,
        InvalidProjectState,
        InvalidRequest,
        InvalidResponse,
        JournalError,
        JournalLocked,
        LifecycleError,
        MalformedEvent,
        NotFound,
        NotSerializable,
        OtherAccount,
        OutcomeUnknown,
        PayloadTooLarge,
        PipelineChanged,
        PipelineError,
        ProjectCancelled,
        ProjectFailed,
        ProjectLimitReached,
        QualityRefused,
        QuotaExhausted,
        RateLimited,
        RecordedFailure,
        RenderProducedNothing,
        RequestTimedOut,
        ResponseTooLarge,
        ServerError,
        ServiceUnavailable,
        SignatureMismatch,
        SleepPending,
        SpecChanged,
        StatusConflict,
        TimestampOutsideTolerance,
        TooManyRequests,
        TransportError,
        Unauthorized,
        UnexpectedCancellation,
        UploadRejected,
        ValidationFailed,
        WaitTimedOut,
        WebhookError,
        WouldWait,
        WrongStatus,
    )
    from eversince_async.governor import Governor, Lane, Limits
    from eversince_async.lifecycle import ProjectStatus
    from eversince_async.models._unset import UNSET
    from eversince_async.models.discovery import Operation
    from eversince_async.models.projects import Brief, Project
    from eversince_async.models.receipt import RateLimit, Receipt
    from eversince_async.models.references import UploadReference, UrlReference
    from eversince_async.models.webhooks import WebhookEvent
    from eversince_async.orchestrator.conversation import Conversation, Turn
    from eversince_async.orchestrator.events import (
        CreditsWarning,
        Event,
        StageCompleted,
        StageStarted,
        StatusChanged,
        Waiting,
    )
    from eversince_async.orchestrator.handle import Handle
    from eversince_async.orchestrator.options import Quality, ShareOptions, Timeouts, Unchecked
    from eversince_async.orchestrator.production import Production
    from eversince_async.orchestrator.workflow import Workflow
    from eversince_async.pipelines import (
        Approval,
        ApprovalRequested,
        Pipeline,
        Run,
        StepCompleted,
        StepStarted,
        pipeline,
    )
    from eversince_async.polling.schedule import PollSchedule
    from eversince_async.report.stages import Stage
    from eversince_async.session.hooks import RequestSent, ResponseReceived, RetryScheduled
    from eversince_async.session.retry import RetryPolicy
    from eversince_async.webhooks import WebhookReceiver, verify_signature

_HOMES: Final = {
    "client": ("Eversince",),
    "errors": (
        "RequestTimedOut",
        "ApiError",
        "ApprovalExpired",
        "ApprovalPending",
        "BelongsToAnother",
        "ClientClosed",
        "ConfigurationError",
        "ConnectionFailed",
        "DownloadFailed",
        "RecordedFailure",
        "EversinceError",
        "Forbidden",
        "GovernorError",
        "InDoubt",
        "InsufficientCredits",
        "InternalError",
        "InvalidRequest",
        "JournalError",
        "JournalLocked",
        "LifecycleError",
        "MalformedEvent",
        "InvalidProjectState",
        "NotFound",
        "NotSerializable",
        "OtherAccount",
        "OutcomeUnknown",
        "PayloadTooLarge",
        "PipelineChanged",
        "PipelineError",
        "ProjectCancelled",
        "ProjectFailed",
        "ProjectLimitReached",
        "QualityRefused",
        "QuotaExhausted",
        "RateLimited",
        "RenderProducedNothing",
        "ResponseTooLarge",
        "ServerError",
        "ServiceUnavailable",
        "SignatureMismatch",
        "SleepPending",
        "SpecChanged",
        "StatusConflict",
        "TimestampOutsideTolerance",
        "TooManyRequests",
        "TransportError",
        "Unauthorized",
        "UnexpectedCancellation",
        "InvalidResponse",
        "UploadRejected",
        "ValidationFailed",
        "WaitTimedOut",
        "WebhookError",
        "WouldWait",
        "WrongStatus",
    ),
    "governor": ("Governor", "Lane", "Limits"),
    "lifecycle": ("ProjectStatus",),
    "models._unset": ("UNSET",),
    "models.discovery": ("Operation",),
    "models.projects": ("Brief", "Project"),
    "models.receipt": ("RateLimit", "Receipt"),
    "models.references": ("UploadReference", "UrlReference"),
    "models.webhooks": ("WebhookEvent",),
    "batch.batch": ("Batch",),
    "orchestrator.conversation": ("Conversation", "Turn"),
    "orchestrator.events": (
        "CreditsWarning",
        "Event",
        "StageCompleted",
        "StageStarted",
        "StatusChanged",
        "Waiting",
    ),
    "orchestrator.handle": ("Handle",),
    "orchestrator.options": ("Quality", "ShareOptions", "Timeouts", "Unchecked"),
    "batch.outcome": ("Outcome", "Progress"),
    "batch.report": ("Report",),
    "batch.plan": ("Cost", "Days", "Plan", "PlannedItem"),
    "orchestrator.production": ("Production",),
    "polling.schedule": ("PollSchedule",),
    "orchestrator.workflow": ("Workflow",),
    "pipelines": (
        "Approval",
        "ApprovalRequested",
        "Pipeline",
        "Run",
        "StepStarted",
        "StepCompleted",
        "pipeline",
    ),
    "report.stages": ("Stage",),
    "session.hooks": ("ResponseReceived", "RequestSent", "RetryScheduled"),
    "session.retry": ("RetryPolicy",),
    "webhooks": ("WebhookReceiver", "verify_signature"),
}
"""The module of each public name."""

_HOME_OF: Final = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "UNSET",
    "ApiError",
    "Approval",
    "ApprovalExpired",
    "ApprovalPending",
    "ApprovalRequested",
    "Batch",
    "BelongsToAnother",
    "Brief",
    "ClientClosed",
    "ConfigurationError",
    "ConnectionFailed",
    "Conversation",
    "Cost",
    "CreditsWarning",
    "Days",
    "DownloadFailed",
    "Event",
    "Eversince",
    "EversinceError",
    "Forbidden",
    "Governor",
    "GovernorError",
    "Handle",
    "InDoubt",
    "InsufficientCredits",
    "InternalError",
    "InvalidProjectState",
    "InvalidRequest",
    "InvalidResponse",
    "JournalError",
    "JournalLocked",
    "Lane",
    "LifecycleError",
    "Limits",
    "MalformedEvent",
    "NotFound",
    "NotSerializable",
    "Operation",
    "OtherAccount",
    "Outcome",
    "OutcomeUnknown",
    "PayloadTooLarge",
    "Pipeline",
    "PipelineChanged",
    "PipelineError",
    "Plan",
    "PlannedItem",
    "PollSchedule",
    "Production",
    "Progress",
    "Project",
    "ProjectCancelled",
    "ProjectFailed",
    "ProjectLimitReached",
    "ProjectStatus",
    "Quality",
    "QualityRefused",
    "QuotaExhausted",
    "RateLimit",
    "RateLimited",
    "Receipt",
    "RecordedFailure",
    "RenderProducedNothing",
    "Report",
    "RequestSent",
    "RequestTimedOut",
    "ResponseReceived",
    "ResponseTooLarge",
    "RetryPolicy",
    "RetryScheduled",
    "Run",
    "ServerError",
    "ServiceUnavailable",
    "ShareOptions",
    "SignatureMismatch",
    "SleepPending",
    "SpecChanged",
    "Stage",
    "StageCompleted",
    "StageStarted",
    "StatusChanged",
    "StatusConflict",
    "StepCompleted",
    "StepStarted",
    "Timeouts",
    "TimestampOutsideTolerance",
    "TooManyRequests",
    "TransportError",
    "Turn",
    "Unauthorized",
    "Unchecked",
    "UnexpectedCancellation",
    "UploadReference",
    "UploadRejected",
    "UrlReference",
    "ValidationFailed",
    "WaitTimedOut",
    "Waiting",
    "WebhookError",
    "WebhookEvent",
    "WebhookReceiver",
    "Workflow",
    "WouldWait",
    "WrongStatus",
    "pipeline",
    "verify_signature",
]


if not TYPE_CHECKING:  # a type checker would accept every name as one of the package

    def __getattr__(name: str) -> Any:
        try:
            home = _HOME_OF[name]
        except KeyError:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
        value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
        return value


def __dir__() -> list[str]:
    return __all__
