"""What helps to test an application that talks to Eversince: virtual time, signed webhooks."""

from eversince_async.testing.virtual_time import VirtualTimeLoop, run
from eversince_async.testing.webhooks import sign_webhook

__all__ = ["VirtualTimeLoop", "run", "sign_webhook"]
