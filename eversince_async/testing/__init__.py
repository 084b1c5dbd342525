"""What helps to test an application that talks to Eversince: virtual time, signed webhooks, a pytest plugin.

pytest loads the plugin wherever this package is installed, so importing this costs next to nothing: a name
is imported from its module when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from eversince_async.testing.virtual_time import VirtualTimeLoop, run
    from eversince_async.testing.webhooks import sign_webhook

_HOME_OF: Final = {"VirtualTimeLoop": "virtual_time", "run": "virtual_time", "sign_webhook": "webhooks"}
"""Where each name lives."""

__all__ = ["VirtualTimeLoop", "run", "sign_webhook"]


if not TYPE_CHECKING:  # which would take any name for one of ours

    def __getattr__(name: str) -> Any:
        try:
            home = _HOME_OF[name]
        except KeyError:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
        value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
        return value
