"""`make bench`: the service's speed, beside a bare gRPC server and bare cryptography of the same run.

Ratios to those two say how good the service is on any machine; rates and times say how fast this machine is. Which
figures are to be reached stands in `bench.figures`.
"""

import argparse
import sys
from pathlib import Path
from typing import get_args

if not __package__:
    # Run as a script: the modules beside it are the package `bench`, here and in the processes that it starts.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench import report
from bench.benchmark import Options, run
from linecert_service.installation.authorities import CaKeyType


def options(arguments: list[str] | None = None) -> Options:
    """What the command line asks for; argparse says what is wrong with it and exits with status 2."""
    parser = argparse.ArgumentParser(
        prog="make bench", usage='make bench ARGS="[options]"', description="Measure a server on this machine."
    )
    parser.add_argument("--issuer", choices=get_args(CaKeyType), default="p256", help="key of the issuer (p256)")
    parser.add_argument("--callers", type=int, nargs="+", default=[1, 16, 64], help="so many at once (1 16 64)")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of a measurement (4)")
    parser.add_argument("--rounds", type=int, default=2, help="measurements of each point; the fastest counts (2)")
    asked = parser.parse_args(arguments)
    if min(*asked.callers, asked.seconds, asked.rounds) <= 0:
        parser.error("callers, seconds and rounds must be more than 0")
    return Options(asked.issuer, tuple(asked.callers), asked.seconds, asked.rounds)


def main() -> int:
    """Measure, print and write. The status is 1 when a call failed: then the figures are worth nothing."""
    console = report.console()
    asked = options()
    report.FOLDER.mkdir(exist_ok=True)
    # The store is measured on the disk of the checkout: temporary folders are often in memory.
    try:
        results = run(asked, report.FOLDER, console)
    except RuntimeError as error:
        console.print(f"error: {error}", markup=False)
        return 1
    report.show(results, console)
    console.print(f"Written to {report.write(results)}")
    return 1 if results.failures() else 0


if __name__ == "__main__":
    sys.exit(main())
