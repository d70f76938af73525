"""`make bench-store`: the audit store beside a log of a million entries or more, on SQLite and on PostgreSQL.

The entries are made up, but lie in the database as appends would have left them: the log verifies. Which figures are to
be reached stands in `bench.store_figures`.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Final, get_args

if not __package__:
    # Run as a script: the modules beside it are the package `bench`, here and in the processes that it starts.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench import report, store_report
from bench.store_databases import Database
from bench.store_run import Options, run

_FEWEST_ROWS: Final = 10_000


def options(arguments: list[str] | None = None) -> Options:
    """What the command line asks for; argparse says what is wrong with it and exits with status 2."""
    parser = argparse.ArgumentParser(
        prog="make bench-store",
        usage="make bench-store [ROWS=1000000] [DATABASE=sqlite|postgresql|both]",
        description="Measure the audit store on this machine.",
    )
    databases: tuple[Database, ...] = get_args(Database)
    parser.add_argument("--rows", type=int, default=1_000_000, help="entries of the log (1000000)")
    parser.add_argument("--database", choices=[*databases, "both"], default="both", help="which one (both)")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a measurement (3)")
    asked = parser.parse_args(arguments)
    if asked.rows < _FEWEST_ROWS or asked.seconds <= 0:
        parser.error(f"ROWS must be {_FEWEST_ROWS} or more, and seconds more than 0")
    return Options(asked.rows, databases if asked.database == "both" else (asked.database,), asked.seconds)


def main() -> int:
    """Measure, print and write. The status is 1 when the log does not verify: then the figures are worth nothing."""
    console = report.console()
    asked = options()
    report.FOLDER.mkdir(exist_ok=True)
    problems = 0
    for database in asked.databases:
        # The store is measured on the disk of the checkout: temporary folders are often in memory.
        with tempfile.TemporaryDirectory(dir=report.FOLDER, prefix="run.") as scratch:
            results = run(asked, database, Path(scratch), console)
        store_report.show(results, console)
        console.print(f"Written to {store_report.write(results)}")
        problems += len(results.problems())
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
