"""The client of the certificate service."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self, TypeVar

import grpc

from linecert.v1.audit_pb2 import GetIssuedCertificateRequest, IssuanceFilter, ListIssuedCertificatesRequest
from linecert.v1.signing_pb2 import GetIssuersRequest, SignDeviceRequest
from linecert_client import errors, retry, tls_probe
from linecert_client.channels import Server, Servers
from linecert_client.config import ClientConfig
from linecert_client.credentials import Credential
from linecert_client.errors import Refused
from linecert_client.refusals import refused
from linecert_client.results import IssuedDevice, Issuers, Page, ReplacementReason

_NO_ATTRIBUTES: Final[Mapping[str, str]] = MappingProxyType({})
_Answer = TypeVar("_Answer")


class Client:
    """Asks the service for device certificates, and for what was issued. A context manager; safe for threads.

        with Client.from_folder("clients/station-01") as client:
            device = client.sign(csr)
            print(device.full_chain_pem())

    Every method raises the errors of `linecert_client.errors` and no others on purpose. `deadline` is in seconds and
    holds for a call with all its retries; without it, that of `client.toml` holds.

    Args:
        config: where the service is and which files to use.

    Attributes:
        credential: the client certificate in use.

    Raises:
        ConfigurationError: a file is missing or wrong.
        TlsError: the client certificate has expired.
    """

    def __init__(self, config: ClientConfig) -> None:
        self._config = config
        self.credential = Credential.load(config)
        self.credential.check_time()
        self._servers = Servers(config.addresses, self.credential)

    @classmethod
    def from_folder(cls, folder: Path | str) -> Self:
        """A client from a folder with `client.toml`, as `linecert-server init` and `station add` make it.

        Raises:
            ConfigurationError: `client.toml` or a file that it names is missing or wrong.
            TlsError: the client certificate has expired.
        """
        return cls(ClientConfig.from_folder(folder))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connections."""
        self._servers.close()

    def sign(
        self,
        csr: bytes,
        *,
        request_id: str | None = None,
        registration_id: str | None = None,
        profile: str | None = None,
        work_order: str | None = None,
        lot: str | None = None,
        attributes: Mapping[str, str] = _NO_ATTRIBUTES,
        validity: timedelta | None = None,
        replacement_reason: ReplacementReason | None = None,
        validate_only: bool = False,
        deadline: float | None = None,
    ) -> IssuedDevice:
        """Ask for one device certificate; its record is on the service's disk before the answer comes.

        Args:
            csr: PKCS#10 (RFC 2986), PEM or DER; its common name is the registration ID.
            request_id: a UUID in lower case. Asking again with the same one gives the same certificate, so keep it
                where a crash may come between. Without it, one is made for this call and its retries.
            registration_id: when given, it must be the CSR's.
            profile: without it, the station's default.
            work_order: the order that the device is made for.
            lot: the lot within it.
            attributes: what is to be traced with the certificate: at most 16, keys of `[a-z0-9_]{1,32}`.
            validity: without it, the profile's.
            replacement_reason: needed when the device already has a certificate.
            validate_only: run every check and issue nothing.
            deadline: seconds, retries included.

        Raises:
            Refused: with the reason, such as `CSR_MALFORMED` or `REGISTRATION_ID_TAKEN`.
            TlsError: TLS itself fails.
            Unavailable: no server could serve it in time; the error carries the request_id.
            DeadlineExceeded: no answer in time; the error carries the request_id.
        """
        _refuse_private_key(csr)
        request_id = request_id or str(uuid.uuid4())
        request = SignDeviceRequest(
            request_id=request_id,
            csr=csr,
            registration_id=registration_id or "",
            profile=profile or "",
            work_order=work_order or "",
            lot=lot or "",
            attributes=dict(attributes),
            validity=validity,
            replacement_reason=replacement_reason.to_proto() if replacement_reason else None,
            validate_only=validate_only,
        )
        answer = self._call(lambda server: server.signing.SignDevice, request, deadline, request_id)
        return IssuedDevice.from_answer(answer.issued, answer.chain, replayed=answer.replayed)

    def get(
        self, *, serial_number: str | None = None, registration_id: str | None = None, deadline: float | None = None
    ) -> IssuedDevice:
        """Read one certificate by its serial number, or a device's newest. Give exactly one of the two.

        Args:
            serial_number: hex, with or without colons.
            registration_id: compared without case.
            deadline: seconds, retries included.

        Raises:
            ValueError: none or both are given.
            Refused: `CERTIFICATE_UNKNOWN` where there is none that this caller may see.
        """
        if (serial_number is None) == (registration_id is None):
            raise ValueError("give either serial_number or registration_id")
        request = GetIssuedCertificateRequest(serial_number=serial_number, registration_id=registration_id)
        answer = self._call(lambda server: server.audit.GetIssuedCertificate, request, deadline)
        return IssuedDevice.from_answer(answer.issued, answer.chain)

    def list(
        self,
        *,
        registration_id: str | None = None,
        station: str | None = None,
        line: str | None = None,
        work_order: str | None = None,
        lot: str | None = None,
        profile: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        page_size: int = 100,
        deadline: float | None = None,
    ) -> Iterator[Page]:
        """Read what was issued, newest first, page by page; the next page is fetched when it is asked for.

        Args:
            registration_id: compared without case, as a whole.
            station: of the station that asked.
            line: of that station.
            work_order: of the request.
            lot: of the request.
            profile: by which it was issued.
            since: issued at or after this time; aware.
            until: issued before this time; aware.
            page_size: at most 1,000.
            deadline: seconds for each page, retries included.

        Yields:
            Pages, of which any may be empty.

        Raises:
            Refused: `FIELD_INVALID` for a filter that the service does not serve.
        """
        criteria = IssuanceFilter(
            registration_id=registration_id or "",
            station=station or "",
            line=line or "",
            work_order=work_order or "",
            lot=lot or "",
            profile=profile or "",
            start_time=since,
            end_time=until,
        )
        token = ""
        while True:
            request = ListIssuedCertificatesRequest(filter=criteria, page_size=page_size, page_token=token)
            answer = self._call(lambda server: server.audit.ListIssuedCertificates, request, deadline)
            yield Page.from_proto(answer)
            token = answer.next_page_token
            if not token:
                return

    def issuers(self, *, deadline: float | None = None) -> Issuers:
        """The chains that device certificates end in, this caller's profiles, and who the service takes it for.

        Args:
            deadline: seconds, retries included.
        """
        return Issuers.from_proto(
            self._call(lambda server: server.signing.GetIssuers, GetIssuersRequest(), deadline),
        )

    def _call(
        self,
        method: Callable[[Server], Any],
        request: Any,
        deadline: float | None,
        request_id: str | None = None,
    ) -> Any:
        return retry.call(
            lambda timeout: _attempt(method(self._servers.next()), request, timeout),
            deadline=self._config.deadline if deadline is None else deadline,
            examine_transport=lambda left: tls_probe.examine(self._config.addresses, self.credential, left),
            request_id=request_id,
        )


def _attempt(method: Callable[..., _Answer], request: Any, timeout: float) -> _Answer:
    try:
        return method(request, timeout=timeout)
    except grpc.RpcError as error:
        raise refused(error) from error


def _refuse_private_key(csr: bytes) -> None:
    # The service refuses it too, but then the key has already left the station.
    if b"PRIVATE KEY" in csr.upper():
        raise Refused(
            "the CSR holds a private key: it was not sent; send the CSR alone",
            status="INVALID_ARGUMENT",
            reason="CSR_NOT_ALONE",
            action=errors.FIX_STATION,
            field="csr",
        )
