"""The whole manifest, looked at before anything is made or sent."""

from linecert import registration_id as registration_ids
from linecert_client.batch import csrs
from linecert_client.batch.devices import Device
from linecert_client.batch.manifest import Manifest
from linecert_client.csv_files import PROBLEMS_KEPT
from linecert_client.errors import InputFileError
from linecert_client.progress import Progress


def check(manifest: Manifest, progress: Progress) -> int:
    """How many devices there are, all of them right as far as that can be told here.

    Args:
        manifest: to be looked at.
        progress: is told how many more are done.

    Raises:
        InputFileError: something is wrong; each wrong line is named, the first 20 at least.
    """
    check_device = _Check()
    count = wrong = 0
    problems: list[tuple[Device, str]] = []
    for device in manifest.read():
        count += 1
        progress(1)
        try:
            check_device(device)
        except ValueError as error:
            wrong += 1
            if len(problems) < PROBLEMS_KEPT:
                problems.append((device, str(error)))
    if problems:
        raise _error(manifest, problems, wrong)
    if not count:
        raise InputFileError(manifest.path, "there is no device in it")
    return count


class _Check:
    """Checks one device after the other, and against those before. Keeps a few dozen bytes of each."""

    def __init__(self) -> None:
        self._places: dict[str, int | str] = {}
        self._request_ids: dict[str, int | str] = {}
        self._with_csrs: bool | None = None

    def __call__(self, device: Device) -> None:
        """Raise ValueError for what is wrong with the device."""
        with_csr = device.csr is not None
        self._with_csrs = with_csr if self._with_csrs is None else self._with_csrs
        if with_csr != self._with_csrs:
            raise ValueError("has a csr where the first line has none, or none where it has one")
        registration_id = device.registration_id
        if device.csr:
            registration_id = csrs.read(device.csr, device.registration_id).registration_id
        if registration_id is None:
            raise ValueError("registration_id is missing: without a CSR nothing else names the device")
        _only_once(self._places, registration_ids.key(registration_id), device, "device")
        if device.request_id:
            _only_once(self._request_ids, device.request_id, device, "request_id")


def _only_once(places: dict[str, int | str], key: str, device: Device, what: str) -> None:
    place = device.line or str(device.file)
    first = places.setdefault(key, place)
    if first != place:
        raise ValueError(f"the same {what} as in {f'line {first}' if device.line else first}")


def _error(manifest: Manifest, problems: list[tuple[Device, str]], wrong: int) -> InputFileError:
    if wrong == 1:
        device, problem = problems[0]
        return InputFileError(device.file, _short(device, problem), line=device.line)
    texts = [f"{device.where}: {_short(device, problem)}" for device, problem in problems]
    if wrong > len(texts):
        texts.append(f"{manifest.path}: and {wrong - len(texts)} more")
    what = "lines" if problems[0][0].line else "CSRs"
    return InputFileError(manifest.path, f"{wrong} {what} are wrong", problems=texts)


def _short(device: Device, problem: str) -> str:
    # A CSR that is no line of a manifest is itself the place.
    return problem if device.line else problem.removeprefix(f"{device.file}: ")
