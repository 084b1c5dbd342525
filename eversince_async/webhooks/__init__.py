"""Webhooks: verify them, receive them, hear of them."""

from eversince_async.webhooks.inbox import Subscription
from eversince_async.webhooks.reading import read_event
from eversince_async.webhooks.receiver import ReceiverStatistics, WebhookReceiver
from eversince_async.webhooks.signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, sign, verify_signature
from eversince_async.webhooks.verdict import Verdict

__all__ = [
    "SIGNATURE_HEADER",
    "TIMESTAMP_HEADER",
    "ReceiverStatistics",
    "Subscription",
    "Verdict",
    "WebhookReceiver",
    "read_event",
    "sign",
    "verify_signature",
]
