"""The command `python -m eversince_async.emulator`.

It needs only the core dependencies.
"""

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Sequence
from typing import get_args

from eversince_async.emulator.command import loop_of, serve
from eversince_async.emulator.revision import Revision
from eversince_async.emulator.setting_errors import SettingRefused


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m eversince_async.emulator", description="Run a local Eversince."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port of the API; 0 for a free one")
    parser.add_argument("--revision", choices=get_args(Revision), default="2026-04")
    parser.add_argument("--speed", type=float, default=1.0, help="emulated seconds in a real one")
    parser.add_argument("--no-limits", dest="limits", action="store_false", help="enforce no limits")
    parser.add_argument("--requests-per-minute", type=int, help="limit in place of the documented one")
    parser.add_argument("--active-projects", type=int, help="limit in place of the documented five")
    parser.add_argument("--state", metavar="FILE", help="file to save the state in")
    parser.add_argument("--key", dest="keys", action="append", default=[], help="further API key; repeatable")
    parser.add_argument("--pro", action="store_true", help="give the account the Pro plan")
    parser.add_argument("--credits", type=float, default=1450, help="balance to start with (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything random")
    parser.add_argument("--failures", type=float, default=0.0, help="share of runs that fail")
    parser.add_argument("--webhook-secret", help="secret that signs the webhooks")
    parser.add_argument("--allow-loopback-webhooks", action="store_true", help="accept http://127.0.0.1")
    parser.add_argument(
        "--allow-webhooks-to", metavar="HOST", action="append", default=[],
        help="an internal host or network that webhooks may go to; repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--allow-host", metavar="NAME", dest="allow_hosts", action="append", default=[],
        help="further host name to accept; repeatable",
    )  # fmt: skip
    return parser


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(argv: Sequence[str] | None = None) -> None:
    """Run an emulator until it is interrupted."""
    parser = _arguments()
    options = vars(parser.parse_args(argv))
    speed = options.pop("speed")
    try:
        loop = loop_of(speed, options["state"])
        with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=loop) as runner:
            runner.run(serve(announce=_say, **options))
    except SettingRefused as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
