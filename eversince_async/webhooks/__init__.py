"""Webhooks: verifying them, receiving them, and subscribing to their events."""

from eversince_async.webhooks.inbox import Subscription
from eversince_async.webhooks.parsing import parse_event
from eversince_async.webhooks.receiver import ReceiverStatistics, WebhookReceiver
from eversince_async.webhooks.result import DeliveryResult
from eversince_async.webhooks.signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, sign, verify_signature

__all__ = [
    "SIGNATURE_HEADER",
    "TIMESTAMP_HEADER",
    "DeliveryResult",
    "ReceiverStatistics",
    "Subscription",
    "WebhookReceiver",
    "parse_event",
    "sign",
    "verify_signature",
]
