"""A folder of PEM files, one a certificate."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from linecert_client import outputs
from linecert_client.errors import OutputError
from linecert_client.exports.partial import Source, begin
from linecert_client.progress import Progress
from linecert_client.results import IssuedCertificate

_NOTE: Final = ".export.json"
_PLACE: Final = ".export.index"
_NOTED_EVERY: Final = 1000


def file_name(issued: IssuedCertificate) -> str:
    """The name of a certificate's file: `<id>.pem`, or `<id>~<generation>.pem` for a replacement.

    No registration ID holds a tilde, so no two certificates have the same name; nor where case does not count, since
    IDs that differ in it are one device.
    """
    generation = "" if issued.generation == 1 else f"~{issued.generation}"
    return f"{outputs.safe_stem(issued.registration_id)}{generation}.pem"


def export_folder(folder: Path, question: dict[str, Any], source: Source, progress: Progress, *, restart: bool) -> int:
    """Write certificates into a folder, and return how many this run wrote.

    Args:
        folder: it is made where it is not there.
        question: what is asked for; an interrupted export goes on only with the same one.
        source: of the certificates.
        progress: told how many more were written.
        restart: forget an interrupted export.

    Raises:
        OutputError: the file system refuses, or an export of something else was interrupted here.
    """
    outputs.make_folder(folder)
    note, place = folder / _NOTE, folder / _PLACE
    if restart:
        _forget(note, place)
    again = begin(note, question)
    after = _noted(place) if again else None
    written = _write_all(folder, source(after), progress)
    _forget(note, place)
    return written


def _write_all(folder: Path, certificates: Iterable[IssuedCertificate], progress: Progress) -> int:
    written, index = 0, None
    try:
        for issued in certificates:
            _write(folder / file_name(issued), issued.certificate_pem())
            index = issued.log_index
            written += 1
            progress(1)
            if written % _NOTED_EVERY == 0:
                _note(folder, index)
    except BaseException:
        _note(folder, index)
        raise
    return written


def _note(folder: Path, index: int | None) -> None:
    """Note the place of an interrupted export; what came after it is written once more, which changes nothing."""
    if index is not None:
        outputs.write(folder / _PLACE, str(index).encode())


def _write(path: Path, pem: str) -> None:
    # Not forced to the disk one by one, which would take milliseconds each: an export can be made again.
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_text(pem, encoding="ascii", newline="\n")
        temporary.replace(path)
    except OSError as error:
        raise OutputError(path, (error.strerror or "cannot be written").lower()) from error


def _noted(place: Path) -> int | None:
    data = outputs.read(place)
    return int(data) if data and data.isdigit() else None


def _forget(*paths: Path) -> None:
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(path, (error.strerror or "cannot be removed").lower()) from error
