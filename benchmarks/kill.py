"""Kill a batch repeatedly with SIGKILL, and count the paid writes.

An emulator runs in a separate process, with its state on disk; one or more workers run the same batch in
others, sharing a journal. All live in the same compressed time. At random moments, from the first item to
after the last, a worker is killed and restarted, and in between the emulator, too; then all run to their
ends. After that there must be exactly one project, one render, one share and one whole file of each item, by
the emulator's own count. The journal must say the same, and each file must be the one that the emulator
serves.

    python benchmarks/kill.py --kills 100 --items 200 --workers 2
    python benchmarks/kill.py --kills 40 --items 200 --workers 1 --chaos 0.1 --outages 3

With `--chaos` a hostile proxy stands in between (`killing/proxy.py`), and no limit that a single worker could
have foreseen may refuse its requests.

Prints the violations, if any, and a summary; the exit code is 1 if there are violations.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from killing.audit import Journal, served, violations
from killing.killer import Killer, Stuck, free_port
from killing.processes import REQUESTS, Settings
from killing.proxy import fates, refusals


def measure(options: argparse.Namespace, root: Path) -> int:
    """Run one measurement, and return the number of violations."""
    settings = Settings(
        root=root,
        items=options.items,
        speed=options.speed,
        epoch=time.time(),
        port=free_port(),
        faults=options.faults,
        video_bytes=options.video_bytes,
        skew=options.skew,
        pipeline=options.pipeline,
        chaos=options.chaos,
        requests=options.requests,
        workers=options.workers,
    )
    killer = Killer(settings, options.workers, random.Random(options.seed), options.longest)
    began = time.monotonic()
    wrong: list[str] = []
    try:
        killer.start()
        killer.strike(
            {
                "kill": options.kills,
                "stop": options.stops,
                "kill server": options.server_kills,
                "outage": options.outages,
            }
        )
        killer.finish()
        journal = Journal.read(settings.journal)
        digests = served(settings, journal)
        server = killer.stop()
        wrong = list(violations(settings, server, digests))
        print(journal.fates())
        print(f"server: {server['counts']}")
        if settings.chaos is not None:
            print_proxy(settings.proxy_log)
    except Stuck as problem:
        wrong.append(str(problem))
    finally:
        killer.clean_up()
    took = time.monotonic() - began
    print(f"workers said: {killer.endings[-1] if killer.endings else None}")
    print("".join(f"WRONG: {each}\n" for each in wrong), end="")
    print(
        f"{killer.kills} kills of {options.workers} worker(s), {killer.early} of them before the last of "
        f"{options.items} items was done, {killer.stops} stopped for a while, {killer.server_kills} of the "
        f"server, {killer.outages} outages, {options.faults:.0%} faults, clocks {options.skew:g} s apart, "
        f"seed {options.seed}: {len(wrong)} violations in {took:.0f} s"
    )
    return len(wrong)


def print_proxy(log: Path) -> None:
    """Print what the proxy did, and the refusals that came through it."""
    print("proxy: " + ", ".join(f"{count} {fate}" for fate, count in fates(log)))
    refused = refusals(log)
    explained = sum(bool(each["orphans"]) for each in refused)
    print(f"refused for a limit: {len(refused)}, {explained} of them explained by requests of dead clients")


def main() -> int:
    """Read the arguments, run the measurement and return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--items", type=int, default=20)
    parser.add_argument("--pipeline", action="store_true", help="runs of a pipeline instead of a batch")
    parser.add_argument("--workers", type=int, default=1, help="processes that share the journal")
    parser.add_argument("--server-kills", type=int, default=0, help="number of kills of the emulator")
    parser.add_argument("--stops", type=int, default=0, help="times a worker sleeps as a laptop does")
    parser.add_argument("--skew", type=float, default=0.0, help="seconds the workers' clocks are ahead")
    parser.add_argument("--faults", type=float, default=0.0, help="share of requests that go wrong")
    parser.add_argument("--chaos", type=float, help="put a proxy in between; share of requests it spoils")
    parser.add_argument("--outages", type=int, default=0, help="times the proxy spoils all for minutes")
    parser.add_argument("--requests", type=int, default=REQUESTS, help="requests a minute of the account")
    parser.add_argument("--speed", type=float, default=30.0, help="seconds of compressed time in a real one")
    parser.add_argument(
        "--longest", type=float, default=1.0, help="real seconds a kill that is due waits at most"
    )
    parser.add_argument("--video-bytes", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder to keep all files in")
    options = parser.parse_args()
    if options.keep is not None:
        options.keep.mkdir(parents=True)
        return 1 if measure(options, options.keep) else 0
    with tempfile.TemporaryDirectory() as root:
        return 1 if measure(options, Path(root)) else 0


if __name__ == "__main__":
    sys.exit(main())
