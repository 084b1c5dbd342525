"""`eversince emulator`: a local Eversince to try things out."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from eversince_async.cli._exit_codes import ExitCode
from eversince_async.cli._loop import parse_speed, warn_of_crowding
from eversince_async.cli._options import Debug
from eversince_async.cli._output import warn, write_line
from eversince_async.emulator.command import loop_of, serve
from eversince_async.emulator.setting_errors import SettingRefused


def emulator_(
    *,
    port: int = 8021,
    host: str = "127.0.0.1",
    speed: float | None = None,
    revision: Literal["2026-04", "2026-05"] = "2026-04",
    limits: bool = True,
    requests_per_minute: int | None = None,
    active_projects: int | None = None,
    state: Path | None = None,
    key: Sequence[str] = (),
    pro: bool = False,
    credits: float = 1450,  # noqa: A002 - the server's word
    seed: int = 0,
    failures: float = 0.0,
    webhook_secret: str | None = None,
    allow_loopback_webhooks: Annotated[bool, Parameter(negative=())] = False,
    allow_webhooks_to: Annotated[Sequence[str], Parameter(negative=())] = (),
    allow_host: Annotated[Sequence[str], Parameter(negative=())] = (),
    debug: Debug = False,
) -> ExitCode:
    """Run a local Eversince until Ctrl-C.

    The emulator prints the line that points other commands and programs at it. With --speed, they share its
    compressed time.

    Args:
        port: Port of the API, 0 for a free one; media are on the next port if that is free.
        host: Address to listen on.
        speed: Seconds that pass in one real second; at 60, a minute passes each second.
        revision: Public revision of the API.
        limits: Keep the account's limits.
        requests_per_minute: Requests allowed per minute, instead of the documented limit.
        active_projects: Projects allowed at once, instead of the documented five.
        state: File that keeps the state and the time; without it, both are lost in the end.
        key: A further key to accept; may be given several times.
        pro: Give the account the Pro plan.
        credits: Balance to start with.
        seed: Seed of everything random.
        failures: Share of projects that fail, from 0 to 1.
        webhook_secret: Secret to sign webhooks with.
        allow_loopback_webhooks: Accept plain HTTP to this machine as a webhook address.
        allow_webhooks_to: An internal host or network that webhooks may go to, also by plain HTTP, such as
            receiver or 10.0.0.0/8; may be given several times.
        allow_host: A further host name for the emulator, such as that of its container; may be given several
            times.
        debug: Show tracebacks and the requests.
    """
    del debug  # the dispatcher reads it when it prints errors
    factor = None if speed is None else parse_speed(speed, "--speed")

    try:
        with asyncio.Runner(loop_factory=loop_of(factor, state)) as runner:
            runner.run(
                _serve(
                    port=port,
                    host=host,
                    revision=revision,
                    limits=limits,
                    requests_per_minute=requests_per_minute,
                    active_projects=active_projects,
                    state=state,
                    keys=key,
                    pro=pro,
                    credits=credits,
                    seed=seed,
                    failures=failures,
                    webhook_secret=webhook_secret,
                    allow_loopback_webhooks=allow_loopback_webhooks,
                    allow_webhooks_to=allow_webhooks_to,
                    allow_hosts=allow_host,
                    announce=write_line,
                )
            )
    except SettingRefused as error:
        warn(f"eversince: {error}")
        return ExitCode.USAGE
    return ExitCode.DONE


async def _serve(**options: Any) -> None:
    with warn_of_crowding():
        await serve(**options)
