"""`linecert sign` and `linecert make`: one device, one certificate. Both are safe to repeat after a crash."""

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from linecert import registration_id as registration_ids
from linecert_client import keys, preparation
from linecert_client.cli import options, report
from linecert_client.cli.answers import print_issued
from linecert_client.cli.session import session
from linecert_client.client import Client
from linecert_client.device_files import DeviceFiles
from linecert_client.device_requests import MAX_CSR_SIZE
from linecert_client.errors import ConfigurationError, Refused
from linecert_client.keys import KeyType
from linecert_client.results import IssuedDevice
from linecert_client.wishes import Wishes


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(sign)
    app.command()(make)


def sign(
    context: typer.Context,
    *,
    csr: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="PKCS#10, PEM or DER.")],
    out: options.Out = Path(),
    registration_id: options.RegistrationId = None,
    profile: options.Profile = None,
    work_order: options.WorkOrder = None,
    lot: options.Lot = None,
    attribute: options.Attributes = None,
    validity: options.Validity = None,
    reason: options.Reason = None,
    validate_only: options.ValidateOnly = False,
    request_id: options.RequestId = None,
    deadline: options.Deadline = None,
    as_json: options.Json = False,
) -> None:
    """Get a certificate for the CSR of a device; writes <id>.chain.pem: certificate, intermediates, root.

    <id>.request.json stays beside it: the journal of what was asked for. With it the same command, given again after
    a crash or a lost answer, asks for the same certificate.
    """
    wishes = Wishes(
        profile=profile,
        work_order=work_order,
        lot=lot,
        attributes=options.read_attributes(attribute or ()),
        validity=validity,
        reason=reason,
    )
    with session(context, as_json=as_json) as client:
        data = _read_csr(csr)
        if not validate_only:
            request_id = _journaled(out, data, wishes, request_id)
        with _naming(csr):
            answer = _ask(
                client, data, wishes, request_id, registration_id, deadline=deadline, validate_only=validate_only
            )
        files = None if validate_only else DeviceFiles(out, answer.registration_id)
        _deliver(answer, files, wishes, as_json=as_json)


def make(
    context: typer.Context,
    *,
    registration_id: Annotated[str, typer.Option("--registration-id", help="The device's ID.")],
    key_type: Annotated[
        KeyType | None, typer.Option("--key-type", help="Of a new key; p256 when not given.", show_default=False)
    ] = None,
    out: options.Out = Path(),
    profile: options.Profile = None,
    work_order: options.WorkOrder = None,
    lot: options.Lot = None,
    attribute: options.Attributes = None,
    validity: options.Validity = None,
    reason: options.Reason = None,
    validate_only: options.ValidateOnly = False,
    request_id: options.RequestId = None,
    deadline: options.Deadline = None,
    as_json: options.Json = False,
) -> None:
    """Make a key and get a certificate for it; writes <id>.key.pem and <id>.chain.pem.

    <id>.csr.pem and <id>.request.json stay beside them: the CSR, and the journal of what was asked for. With them the
    same command, given again after a crash or a lost answer, asks for the same certificate.
    """
    _check_registration_id(registration_id)
    wishes = Wishes(
        profile=profile,
        work_order=work_order,
        lot=lot,
        attributes=options.read_attributes(attribute or ()),
        validity=validity,
        reason=reason,
    )
    with session(context, as_json=as_json) as client:
        if validate_only:
            csr = keys.make_csr(keys.generate(key_type or KeyType.P256), registration_id)
            answer = _ask(client, csr, wishes, request_id, registration_id, deadline=deadline, validate_only=True)
            _deliver(answer, None, wishes, as_json=as_json)
            return
        files = DeviceFiles(out, registration_id)
        ready = preparation.with_key(files, key_type, wishes, request_id)
        answer = _ask(client, ready.csr, wishes, ready.request_id, registration_id, deadline=deadline)
        _deliver(answer, files, wishes, as_json=as_json)


def _read_csr(path: Path) -> bytes:
    """The content, as far as it can be a CSR's: what is one octet too long is refused, whatever follows."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_CSR_SIZE + 1)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Refusals of the CSR name its file."""
    try:
        yield
    except Refused as refused:
        if refused.field == "csr":
            refused.message = f"{path}: {refused.message}"
        raise


def _check_registration_id(registration_id: str) -> None:
    try:
        registration_ids.check(registration_id)
    except registration_ids.RegistrationIdError as error:
        raise typer.BadParameter(str(error), param_hint="--registration-id") from None


def _journaled(out: Path, csr: bytes, wishes: Wishes, wanted: str | None) -> str | None:
    """The request_id for a CSR, noted on the disk. A CSR that cannot be read here is refused, so it needs none."""
    read = keys.read_csr(csr)
    if read is None:
        return wanted
    registration_id, public_key = read
    files = DeviceFiles(out, registration_id)
    return preparation.with_csr(files, csr, public_key, wishes, wanted).request_id


def _ask(
    client: Client,
    csr: bytes,
    wishes: Wishes,
    request_id: str | None,
    registration_id: str | None,
    *,
    deadline: timedelta | None,
    validate_only: bool = False,
) -> IssuedDevice:
    return client.sign(
        csr,
        request_id=request_id,
        registration_id=registration_id,
        profile=wishes.profile,
        work_order=wishes.work_order,
        lot=wishes.lot,
        attributes=wishes.attributes,
        validity=wishes.validity,
        replacement_reason=wishes.reason,
        validate_only=validate_only,
        deadline=options.seconds(deadline),
    )


def _deliver(answer: IssuedDevice, files: DeviceFiles | None, wishes: Wishes, *, as_json: bool) -> None:
    if files:
        files.write_chain(answer, replacing=wishes.reason is not None)
    if files and answer.replayed and wishes.reason:
        report.warning(
            "this is the answer to the earlier request, given again; for one more replacement give a new --request-id",
            as_json=as_json,
        )
    print_issued(answer, files, as_json=as_json)
