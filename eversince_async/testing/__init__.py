"""What helps to test an application that talks to Eversince: virtual time."""

from eversince_async.testing.virtual_time import VirtualTimeLoop, run

__all__ = ["VirtualTimeLoop", "run"]
