"""Test helpers for applications: virtual time, signed webhooks, a pytest plugin.

pytest loads the plugin wherever this package is installed, so importing this package must cost next to
nothing: each name is imported from its module on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from eversince_async.testing.virtual_time import VirtualTimeLoop, run
    from eversince_async.testing.webhooks import sign_webhook

_HOME_OF: Final = {"VirtualTimeLoop": "virtual_time", "run": "virtual_time", "sign_webhook": "webhooks"}
"""The module of each name."""

__all__ = ["VirtualTimeLoop", "run", "sign_webhook"]


if not TYPE_CHECKING:  # a type checker would accept any name

    def __getattr__(name: str) -> Any:
        try:
            home = _HOME_OF[name]
        except KeyError:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
        value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
        return value
