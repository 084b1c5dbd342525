"""A local Eversince server over real HTTP, for tests and development.

It serves every documented operation, with project lifecycle, limits, credits and faults. It is written from
the documents alone. From the client package it imports the clock and the rules that judge hosts, but nothing
that knows the API: a shared mistake would go unnoticed.
"""

from eversince_async.emulator.emulator import API_KEY, Emulator
from eversince_async.emulator.faults import (
    ErrorAnswer,
    Fault,
    Faults,
    Latency,
    NotJson,
    RateLimit,
    Reset,
    StaleRead,
    Stall,
    Truncated,
    Unavailable,
)
from eversince_async.emulator.limits import DOCUMENTED, Limits
from eversince_async.emulator.project import Project
from eversince_async.emulator.revision import Revision
from eversince_async.emulator.scenario import Scenario, Span, Walk
from eversince_async.emulator.setting_errors import SettingRefused
from eversince_async.emulator.state_file import StateFileError
from eversince_async.emulator.world import World

__all__ = [
    "API_KEY",
    "DOCUMENTED",
    "Emulator",
    "ErrorAnswer",
    "Fault",
    "Faults",
    "Latency",
    "Limits",
    "NotJson",
    "Project",
    "RateLimit",
    "Reset",
    "Revision",
    "Scenario",
    "SettingRefused",
    "Span",
    "StaleRead",
    "Stall",
    "StateFileError",
    "Truncated",
    "Unavailable",
    "Walk",
    "World",
]
