"""The devices that have no certificate yet, as a CSV that is a manifest again."""

import csv
import io
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from linecert_client import outputs
from linecert_client.batch.manifest import ATTRIBUTE_PREFIX, COLUMNS, REFUSAL_COLUMNS
from linecert_client.batch.results import Failed
from linecert_client.csv_files import Cells
from linecert_client.errors import Refused, Unavailable
from linecert_client.exports.formats import harmless

_KEPT_IN_MEMORY: Final = 1 << 20
_FIRST_COLUMN: Final = "registration_id"


class Failures:
    """Collects them and writes the file at the end. A context manager.

    Rows wait in a temporary file, since any number may come and the columns are known at the end only.

    Args:
        path: of the CSV; None where none is wanted.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._columns = {_FIRST_COLUMN}
        self._rows = tempfile.SpooledTemporaryFile(_KEPT_IN_MEMORY, "w+", encoding="utf-8")  # noqa: SIM115 - closed below

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._rows.close()

    def add(self, failed: Failed) -> None:
        """Keep one."""
        if self._path is None:
            return
        cells = failed.device.cells() | _refusal(failed)
        if failed.registration_id:
            cells[_FIRST_COLUMN] = failed.registration_id
        self._columns.update(cells)
        self._rows.write(json.dumps(cells) + "\n")

    def write(self) -> None:
        """Write the file, a heading alone where nothing failed.

        Raises:
            OutputError: it cannot be written.
        """
        if self._path is not None:
            outputs.make_folder(self._path.parent)
            outputs.write_lines(self._path, self._lines())

    def _lines(self) -> Iterator[bytes]:
        own = [*(column.name for column in COLUMNS), *REFUSAL_COLUMNS]
        attributes = sorted(name for name in self._columns if name.startswith(ATTRIBUTE_PREFIX))
        columns = [name for name in own if name in self._columns] + attributes
        yield _row(columns)
        self._rows.seek(0)
        for line in self._rows:
            cells: Cells = json.loads(line)
            yield _row([harmless(cells.get(name, "")) for name in columns])


def reason(failed: Failed) -> str:
    """The reason of the service, where it gave one."""
    refusal = failed.error.last if isinstance(failed.error, Unavailable) else failed.error
    return refusal.reason if isinstance(refusal, Refused) else ""


def _refusal(failed: Failed) -> Cells:
    return dict(zip(REFUSAL_COLUMNS, (reason(failed), failed.error.action, failed.error.message), strict=True))


def _row(cells: list[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()
