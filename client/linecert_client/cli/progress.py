"""A progress bar on stderr, where a person looks at it."""

import contextlib
import sys
from collections.abc import Iterator

from linecert_client.progress import Progress, silent


@contextlib.contextmanager
def bar(what: str, total: int | None, *, as_json: bool, unit: str = "") -> Iterator[Progress]:
    """A function that is told how many more are done.

    Args:
        what: is under way.
        total: how many there are; None where nobody knows.
        as_json: a script reads along: no bar.
        unit: `bytes`, or nothing for plain counts.
    """
    if as_json or not sys.stderr.isatty():
        yield silent
        return
    from rich import progress  # noqa: PLC0415 - rich costs start-up time that scripts need not pay
    from rich.console import Console  # noqa: PLC0415 - as above

    amount = progress.DownloadColumn() if unit == "bytes" else progress.MofNCompleteColumn()
    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        amount,
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=total)
        yield lambda more: shown.advance(task, more)
