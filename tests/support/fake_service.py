"""A real gRPC server over real mutual TLS that does as it is told: answers, refuses, hangs, loses its answer."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent import futures
from types import TracebackType
from typing import Any, Self

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from google.rpc import code_pb2, error_details_pb2, status_pb2

from linecert.v1 import audit_pb2, issuance_pb2, signing_pb2
from linecert.v1.audit_pb2_grpc import AuditServiceServicer, add_AuditServiceServicer_to_server
from linecert.v1.signing_pb2_grpc import SigningServiceServicer, add_SigningServiceServicer_to_server
from support.client_pki import Identity, sign

Step = Callable[["FakeService", Any, grpc.ServicerContext], Any]


class FakeService(SigningServiceServicer, AuditServiceServicer):
    """The server; a context manager.

    Each call takes the next step of the script; without one it is answered as the real service would.

    Args:
        identity: the server's certificate and key.
        client_ca: whom it trusts.

    Attributes:
        port: on 127.0.0.1.
        requests: every request that arrived, in order.
        issued: the answers by request_id.
        refuse_items: by registration ID, how the next tries of a device in batches are refused.
    """

    def __init__(self, identity: Identity, client_ca: Identity) -> None:
        self.requests: list[Any] = []
        self.issued: dict[str, signing_pb2.SignDeviceResponse] = {}
        self.refuse_items: dict[str, list[status_pb2.Status]] = {}
        self.ended = threading.Event()
        self._issuing = threading.Lock()
        self._script: deque[Step] = deque()
        self._root = Identity.authority("root")
        self._issuer = Identity.authority("issuer", self._root)
        self._pool = futures.ThreadPoolExecutor(8)
        self._server = grpc.server(self._pool)
        add_SigningServiceServicer_to_server(self, self._server)
        add_AuditServiceServicer_to_server(self, self._server)
        credentials = grpc.ssl_server_credentials(
            [(identity.key_pem, identity.pem)], client_ca.pem, require_client_auth=True
        )
        self.port = self._server.add_secure_port("127.0.0.1:0", credentials)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.ended.set()
        self._server.stop(0).wait()
        self._pool.shutdown()

    @property
    def address(self) -> str:
        """HOST:PORT under the name that the tests' server certificates have."""
        return f"localhost:{self.port}"

    def script(self, *steps: Step) -> None:
        """What the next calls meet, in order."""
        self._script.extend(steps)

    def issue(self, request: signing_pb2.SignDeviceRequest) -> signing_pb2.SignDeviceResponse:
        """Issue for a request, once a request_id."""
        with self._issuing:
            known = self.issued.get(request.request_id)
            if known:
                again = signing_pb2.SignDeviceResponse()
                again.CopyFrom(known)
                again.replayed = True
                return again
            answer = self._new(request)
            if not request.validate_only:
                self.issued[request.request_id] = answer
            return answer

    def SignDevice(self, request: Any, context: grpc.ServicerContext) -> Any:
        """As the contract says, or as the script says."""
        return self._next(request, context) or self.issue(request)

    def BatchSignDevices(self, request: Any, context: grpc.ServicerContext) -> Any:
        """As the contract says, or as the script says of the call or `refuse_items` of a device."""
        return self._next(request, context) or self.issue_batch(request)

    def issue_batch(self, request: signing_pb2.BatchSignDevicesRequest) -> signing_pb2.BatchSignDevicesResponse:
        """Issue for each item, or refuse it."""
        results = [self._item(item) for item in request.requests]
        return signing_pb2.BatchSignDevicesResponse(results=results, chains=[self._chain()])

    def GetIssuers(self, request: Any, context: grpc.ServicerContext) -> Any:
        """One chain and one profile."""
        answer = signing_pb2.GetIssuersResponse(
            chains=[self._chain()],
            profiles=[signing_pb2.GetIssuersResponse.Profile(name="device", key_types=["P-256", "RSA-2048"])],
            station="ict-07",
            line="smt-2",
        )
        answer.profiles[0].validity.seconds = 5 * 365 * 86400
        return self._next(request, context) or answer

    def GetIssuedCertificate(self, request: Any, context: grpc.ServicerContext) -> Any:
        """By serial number, or the newest of a device."""
        scripted = self._next(request, context)
        if scripted:
            return scripted
        for answer in reversed(self.issued.values()):
            if request.registration_id == answer.issued.registration_id or (
                request.serial_number == answer.issued.serial_number
            ):
                return audit_pb2.GetIssuedCertificateResponse(issued=answer.issued, chain=answer.chain)
        return refuse("CERTIFICATE_UNKNOWN", "NOT_FOUND", "fix_station")(self, request, context)

    def ListIssuedCertificates(self, request: Any, context: grpc.ServicerContext) -> Any:
        """All that was issued, newest first, an empty page between each two pages."""
        scripted = self._next(request, context)
        if scripted:
            return scripted
        if request.page_token.startswith("empty-"):
            return audit_pb2.ListIssuedCertificatesResponse(next_page_token=request.page_token.removeprefix("empty-"))
        start = int(request.page_token or 0)
        newest_first = [answer.issued for answer in reversed(self.issued.values())]
        end = start + request.page_size
        return audit_pb2.ListIssuedCertificatesResponse(
            issued=newest_first[start:end], next_page_token=f"empty-{end}" if end < len(newest_first) else ""
        )

    def _next(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.requests.append(request)
        return self._script.popleft()(self, request, context) if self._script else None

    def _item(self, request: signing_pb2.SignDeviceRequest) -> signing_pb2.BatchSignDevicesResponse.Result:
        refusals = self.refuse_items.get(request.registration_id)
        if refusals:
            return signing_pb2.BatchSignDevicesResponse.Result(error=refusals.pop(0))
        response = signing_pb2.SignDeviceResponse()
        response.CopyFrom(self.issue(request))
        response.ClearField("chain")
        return signing_pb2.BatchSignDevicesResponse.Result(response=response)

    def _chain(self) -> issuance_pb2.IssuerChain:
        return issuance_pb2.IssuerChain(
            issuer_certificate_sha256="ab" * 32, intermediates=[self._issuer.der], root=self._root.der
        )

    def _new(self, request: signing_pb2.SignDeviceRequest) -> signing_pb2.SignDeviceResponse:
        pem = request.csr.startswith(b"-----")
        csr = x509.load_pem_x509_csr(request.csr) if pem else x509.load_der_x509_csr(request.csr)
        name = str(csr.subject.rdns[0].rfc4514_string().removeprefix("CN="))
        certificate = sign(csr.public_key(), name, self._issuer)
        issued = issuance_pb2.IssuedCertificate(
            registration_id=name,
            generation=1,
            station="ict-07",
            line="smt-2",
            request_id=request.request_id,
            work_order=request.work_order,
            lot=request.lot,
            profile=request.profile or "device",
            attributes=request.attributes,
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            issue_time=certificate.not_valid_before_utc,
            state=issuance_pb2.IssuedCertificate.STATE_ACTIVE,
            replacement_reason=request.replacement_reason,
            issuer_certificate_sha256=self._chain().issuer_certificate_sha256,
        )
        if request.validate_only:
            return signing_pb2.SignDeviceResponse(issued=issued)
        issued.certificate = certificate.public_bytes(Encoding.DER)
        issued.serial_number = f"{certificate.serial_number:040x}"
        issued.log_index = len(self.issued)
        return signing_pb2.SignDeviceResponse(issued=issued, chain=self._chain())


def refuse(reason: str, status: str, action: str | None, **details: Any) -> Step:
    """A step that refuses as the service does; `details` are those of `refusal`."""
    written = refusal(reason, status, action, **details)
    return fail(status, written.message, written.SerializeToString())


def refusal(
    reason: str,
    status: str,
    action: str | None,
    *,
    message: str = "refused by the script",
    field: str | None = None,
    retry_after: float | None = None,
    domain: str = "linecert",
    **metadata: str,
) -> status_pb2.Status:
    """A refusal as the service writes it, with details."""
    details = status_pb2.Status(code=code_pb2.Code.Value(status), message=message)
    stated = metadata if action is None else {"action": action, **metadata}
    details.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain=domain, metadata=stated))
    if field:
        violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=message)
        details.details.add().Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    if retry_after is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromNanoseconds(int(retry_after * 1e9))
        details.details.add().Pack(retry)
    return details


def fail(status: str, message: str = "", details: bytes | None = None) -> Step:
    """A step that ends the call with a bare status, as a transport or a proxy does."""

    def step(_: FakeService, __: Any, context: grpc.ServicerContext) -> Any:
        if details is not None:
            context.set_trailing_metadata((("grpc-status-details-bin", details),))
        context.abort(grpc.StatusCode[status], message)

    return step


def lose_answer(status: str = "UNAVAILABLE") -> Step:
    """A step that issues the certificate, or those of a batch, but whose answer never arrives."""

    def step(service: FakeService, request: Any, context: grpc.ServicerContext) -> Any:
        if isinstance(request, signing_pb2.BatchSignDevicesRequest):
            service.issue_batch(request)
        else:
            service.issue(request)
        return fail(status)(service, request, context)

    return step


def hang(service: FakeService, _: Any, context: grpc.ServicerContext) -> Any:
    """A step that never answers; it ends with its call or the server."""
    over = threading.Event()
    if context.add_callback(over.set):
        while not (over.is_set() or service.ended.is_set()):
            over.wait(0.05)
    return signing_pb2.SignDeviceResponse()
