"""The client of the certificate service."""

import uuid
from collections.abc import Mapping
from datetime import timedelta

from linecert.v1.signing_pb2 import GetIssuersRequest
from linecert_client.audit_calls import AuditCalls
from linecert_client.batch_calls import BatchCalls
from linecert_client.device_requests import NO_ATTRIBUTES, DeviceRequest
from linecert_client.results import IssuedDevice, Issuers, ReplacementReason
from linecert_client.work_order_calls import WorkOrderCalls


class Client(BatchCalls, AuditCalls, WorkOrderCalls):
    """Asks the service for device certificates, for what was issued, and for work orders.

    A context manager; safe for threads.

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

    def sign(
        self,
        csr: bytes,
        *,
        request_id: str | None = None,
        registration_id: str | None = None,
        profile: str | None = None,
        work_order: str | None = None,
        lot: str | None = None,
        attributes: Mapping[str, str] = NO_ATTRIBUTES,
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
        request = DeviceRequest(
            csr=csr,
            request_id=request_id or str(uuid.uuid4()),
            registration_id=registration_id,
            profile=profile,
            work_order=work_order,
            lot=lot,
            attributes=attributes,
            validity=validity,
            replacement_reason=replacement_reason,
        )
        message = request.to_proto(validate_only=validate_only)
        answer = self._call(lambda server: server.signing.SignDevice, message, deadline, request.request_id)
        return IssuedDevice.from_answer(answer.issued, answer.chain, replayed=answer.replayed)

    def issuers(self, *, deadline: float | None = None) -> Issuers:
        """The chains that device certificates end in, this caller's profiles, and who the service takes it for.

        Args:
            deadline: seconds, retries included.
        """
        return Issuers.from_proto(
            self._call(lambda server: server.signing.GetIssuers, GetIssuersRequest(), deadline),
        )
