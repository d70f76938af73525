"""The way of a batch's devices: prepared on the disk, sent, written. Each step is ahead of the next one by a few."""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from linecert_client import keys, preparation
from linecert_client.batch import csrs
from linecert_client.batch.devices import Device
from linecert_client.batch.results import AlreadyThere, Failed, Issued, Result
from linecert_client.batch_sender import Outcome
from linecert_client.client import Client
from linecert_client.device_files import DeviceFiles
from linecert_client.device_requests import DeviceRequest
from linecert_client.errors import CALL_OPERATOR, InputFileError, LinecertError, Refused
from linecert_client.keys import KeyType
from linecert_client.preparation import Prepared

_THREADS: Final = 16
"""What takes time here is the disk: files that are forced to it together share its work."""
_AHEAD: Final = 64


@dataclass(frozen=True, slots=True)
class _Ready:
    """A device that is on the disk and may be sent."""

    device: Device
    registration_id: str
    files: DeviceFiles
    prepared: Prepared

    def request(self) -> DeviceRequest:
        wishes = self.device.wishes
        return DeviceRequest(
            csr=self.prepared.csr,
            request_id=self.prepared.request_id,
            registration_id=self.registration_id,
            profile=wishes.profile,
            work_order=wishes.work_order,
            lot=wishes.lot,
            attributes=wishes.attributes,
            validity=wishes.validity,
            replacement_reason=wishes.reason,
        )


class Run:
    """One run over the devices of a batch.

    Args:
        client: of the station.
        out: the folder for what each device gets.
        key_type: of keys that are made; None for P-256.
        devices: that have passed `checks`.
        report: is told what became of each device, as that comes.
    """

    def __init__(
        self,
        client: Client,
        out: Path,
        key_type: KeyType | None,
        devices: Iterator[Device],
        report: Callable[[Result], None],
    ) -> None:
        self._client = client
        self._out = out
        self._key_type = key_type
        self._devices = devices
        self._report = report
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="linecert-files")
        self._preparing: deque[tuple[Device, Future[_Ready | Result]]] = deque()
        self._sent: deque[_Ready] = deque()
        self._delivering: deque[Future[Result]] = deque()

    def run(self, *, deadline: float | None, parallel: int) -> None:
        """Work through the devices.

        Args:
            deadline: as in `Client.sign_batch`.
            parallel: as in `Client.sign_batch`.

        Raises:
            LinecertError: no device can be served; `left` has those that were not.
        """
        try:
            with contextlib.closing(
                self._client.sign_batch(self._requests(), deadline=deadline, parallel=parallel)
            ) as outcomes:
                for outcome in outcomes:
                    self._delivering.append(self._pool.submit(self._deliver, self._sent.popleft(), outcome))
                    self._report_delivered(_AHEAD)
        finally:
            # What was issued is written, whatever ends the batch.
            self._report_delivered(0)
            self._pool.shutdown(cancel_futures=True)

    def left(self, error: LinecertError) -> Iterator[Failed]:
        """The devices without an outcome after `run` has raised.

        Args:
            error: that it raised.
        """
        for ready in self._sent:
            yield Failed(ready.device, ready.registration_id, error, reached=False)
        for device, _ in self._preparing:
            yield Failed(device, device.registration_id, error, reached=False)
        for device in self._devices:
            yield Failed(device, device.registration_id, error, reached=False)

    def _requests(self) -> Iterator[DeviceRequest]:
        for ready in self._prepared():
            self._sent.append(ready)
            yield ready.request()

    def _prepared(self) -> Iterator[_Ready]:
        more = True
        while more or self._preparing:
            while more and len(self._preparing) < _AHEAD:
                device = next(self._devices, None)
                more = device is not None
                if device:
                    self._preparing.append((device, self._pool.submit(self._prepare, device)))
            if self._preparing:
                done = self._preparing[0][1].result()
                self._preparing.popleft()
                if isinstance(done, _Ready):
                    yield done
                else:
                    self._report(done)

    def _prepare(self, device: Device) -> _Ready | Result:
        try:
            return self._with_csr(device, device.csr) if device.csr else self._with_key(device)
        except LinecertError as error:
            return Failed(device, device.registration_id, error)

    def _with_csr(self, device: Device, path: Path) -> _Ready | Result:
        try:
            csr = csrs.read(path, device.registration_id)
        except ValueError as error:
            # It was right when the manifest was checked.
            raise InputFileError(device.file, str(error), line=device.line) from None
        files = DeviceFiles(self._out, csr.registration_id)
        if files.is_done(csr.public_key, device.wishes.journal_fields()):
            return AlreadyThere(device, files, csr.registration_id)
        prepared = preparation.with_csr(files, csr.data, csr.public_key, device.wishes, device.request_id)
        return _Ready(device, csr.registration_id, files, prepared)

    def _with_key(self, device: Device) -> _Ready | Result:
        registration_id = device.registration_id or ""
        files = DeviceFiles(self._out, registration_id)
        key = files.existing_key(self._key_type)
        if key and files.is_done(key.public_key(), device.wishes.journal_fields()):
            return AlreadyThere(device, files, registration_id)
        prepared = preparation.with_key(files, self._key_type, device.wishes, device.request_id)
        return _Ready(device, registration_id, files, prepared)

    def _deliver(self, ready: _Ready, outcome: Outcome) -> Result:
        try:
            if isinstance(outcome, Refused):
                raise outcome
            _check_answer(outcome.certificate, ready.registration_id, ready.prepared.public_key)
            ready.files.write_chain(outcome, replacing=ready.device.wishes.reason is not None)
        except LinecertError as error:
            return Failed(ready.device, ready.registration_id, error)
        return Issued(ready.device, ready.files, outcome)

    def _report_delivered(self, kept: int) -> None:
        while len(self._delivering) > kept:
            self._report(self._delivering.popleft().result())


def _check_answer(der: bytes, registration_id: str, public_key: PublicKeyTypes) -> None:
    """A certificate under another device's name would pass for that device."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        found = certificate.subject.rfc4514_string(), keys.spki(certificate.public_key())
    except ValueError:
        found = None
    # No registration ID holds a character that RFC 4514 escapes.
    if found != (f"CN={registration_id}", keys.spki(public_key)):
        raise Refused(
            f"the service answered the request for {registration_id} with another device's certificate",
            status="INTERNAL",
            action=CALL_OPERATOR,
        )
