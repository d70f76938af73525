"""`make bench`: the service's speed, beside a bare gRPC server and bare cryptography of the same run.

Ratios to those two say how good the service is on any machine; rates and times say how fast this machine is. Which
figures are to be reached stands in `bench.goals`.
"""

import argparse
import sys
from pathlib import Path
from typing import get_args

if not __package__:
    # Run as a script: the modules beside it are the package `bench`, here and in the processes that it starts.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench import comparison, plot, report
from bench.benchmark import Options, run
from bench.document import document
from linecert_service.installation.authorities import CaKeyType
from linecert_service.rpc.batch import MAX_BATCH
from support.databases import DATABASES


def arguments(given: list[str] | None = None) -> tuple[Options, Path | None]:
    """What the command line asks for, and the file to compare with; argparse exits with status 2 on what is wrong."""
    parser = argparse.ArgumentParser(
        prog="make bench",
        usage='make bench [COMPARE=OLD.json] [ARGS="options"]',
        description="Measure the service on this machine.",
    )
    parser.add_argument(
        "--issuers", choices=get_args(CaKeyType), nargs="+", default=["p256", "rsa-4096"], help="keys of the issuer"
    )
    parser.add_argument("--databases", choices=DATABASES, nargs="+", default=list(DATABASES), help="of the audit store")
    parser.add_argument("--callers", type=int, nargs="+", default=[1, 16, 64, 256], help="at once (1 16 64 256)")
    parser.add_argument("--batch", type=int, default=50, help="size of batches (50)")
    parser.add_argument("--seconds", type=float, default=2.5, help="length of a measurement (2.5)")
    parser.add_argument("--rounds", type=int, default=1, help="measurements of each point; the fastest counts (1)")
    parser.add_argument("--compare", type=Path, metavar="FILE", help="JSON of an earlier run")
    asked = parser.parse_args(given)
    if min(*asked.callers, asked.seconds, asked.rounds) <= 0:
        parser.error("callers, seconds and rounds must be more than 0")
    if not 1 < asked.batch <= MAX_BATCH:
        parser.error(f"a batch has 2 to {MAX_BATCH} requests")
    options = Options(
        issuers=tuple(dict.fromkeys(asked.issuers)),
        databases=tuple(dict.fromkeys(asked.databases)),
        callers=tuple(dict.fromkeys(asked.callers)),
        batch=asked.batch,
        seconds=asked.seconds,
        rounds=asked.rounds,
    )
    return options, asked.compare


def main() -> int:
    """Measure, print and write. The status is 1 when a call failed: then the figures are worth nothing."""
    console = report.console()
    options, old = arguments()
    report.FOLDER.mkdir(exist_ok=True)
    try:
        # Read first: a name that is mistyped is not to cost minutes.
        earlier = comparison.read(old) if old else None
        # The store is measured on the disk of the checkout: temporary folders are often in memory.
        results = run(options, report.FOLDER, console)
    except (RuntimeError, comparison.NotComparable) as error:
        console.print(f"error: {error}", markup=False)
        return 1
    written = document(results)
    report.show(written, console)
    if earlier:
        comparison.show(earlier, written, console)
    path = report.write(written)
    console.print(f"Written to {path} and {plot.write(written, path.with_suffix('.svg'))}", soft_wrap=True)
    return 1 if results.failures() else 0


if __name__ == "__main__":
    sys.exit(main())
