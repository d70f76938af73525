"""The floor: what the cryptography of a certificate costs by itself, and with the service's own code around it.

One thread, no gRPC, no store. CPU time, the best of several passes: what disturbs a pass only makes it slower.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import Encoding

from bench.figures import Floor
from linecert.v1.signing_pb2 import SignDeviceRequest
from linecert_service.csr.checker import CsrChecker
from linecert_service.domain.ports import CaPrivateKey
from linecert_service.installation import trust
from linecert_service.installation.trust import Trust
from linecert_service.issuance.certificate import make
from linecert_service.issuance.issuer import Issuer
from linecert_service.issuance.planning import Caller, Planner
from linecert_service.issuance.profile import Profile
from linecert_service.observability.metrics import Metrics
from linecert_service.rpc import fields
from linecert_service.signers.local import LocalSigner
from support.installations import Installation

REQUESTS: Final = 100
PASSES: Final = 7

Pass = Callable[[], None]
"""Does the work of all requests, one after the other."""


def measure(installation: Installation, requests: Sequence[bytes]) -> Floor:
    """Both floors, with the first REQUESTS of `requests`."""
    trusted = trust.check(installation.settings(), time.time())
    messages = [SignDeviceRequest.FromString(request) for request in requests[:REQUESTS]]
    (issuer,) = trusted.issuers.values()
    raw = _raw(issuer.private_key, [x509.load_pem_x509_csr(message.csr) for message in messages])
    issue = _issue(installation, trusted, messages)
    # In turn, so that a machine that changes its pace changes both.
    seconds = [(_cpu(raw), _cpu(issue)) for _ in range(PASSES)]
    return Floor(*(min(column) / len(messages) for column in zip(*seconds, strict=True)))


def _cpu(work: Pass) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def _raw(issuer: CaPrivateKey, csrs: Sequence[x509.CertificateSigningRequest]) -> Pass:
    sign, verify = _operations(issuer)
    # As they come from a device: their keys are new to the library, and reading them is part of verifying.
    ders = [csr.public_bytes(Encoding.DER) for csr in csrs]
    tbs = csrs[0].tbs_certrequest_bytes

    def one_pass() -> None:
        for der in ders:
            if not x509.load_der_x509_csr(der).is_signature_valid:
                raise ValueError("a CSR of the benchmark does not verify")
            # A certificate has about the length of a request.
            verify(sign(tbs), tbs)

    return one_pass


def _operations(key: CaPrivateKey) -> tuple[Callable[[bytes], bytes], Callable[[bytes, bytes], None]]:
    """Sign data, and verify a signature over data, as the issuer with this key does."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        ecdsa = ec.ECDSA(hashes.SHA384() if key.key_size == ec.SECP384R1.key_size else hashes.SHA256())
        ec_key = key.public_key()
        return lambda data: key.sign(data, ecdsa), lambda signature, data: ec_key.verify(signature, data, ecdsa)
    pkcs1, sha256 = padding.PKCS1v15(), hashes.SHA256()
    rsa_key = key.public_key()
    return (
        lambda data: key.sign(data, pkcs1, sha256),
        lambda signature, data: rsa_key.verify(signature, data, pkcs1, sha256),
    )


def _issue(installation: Installation, trusted: Trust, messages: Sequence[SignDeviceRequest]) -> Pass:
    planner = Planner(CsrChecker(taken=trusted.taken_keys), _profiles(installation, trusted))
    peer = installation.peer("station-01")
    now = time.time()
    caller = Caller(installation.stations().admit(peer, now), peer.spki_sha256)
    meter = Metrics()

    def one_pass() -> None:
        for message in messages:
            make(planner.plan(fields.sign_request(message), caller, now), meter)

    return one_pass


def _profiles(installation: Installation, trusted: Trust) -> dict[str, Profile]:
    issuers = {
        name: Issuer(name, files.chain, LocalSigner(files.private_key)) for name, files in trusted.issuers.items()
    }
    issuing = {"issuer", "next_issuer", "switch_at"}
    return {
        name: Profile(name, issuers[profile.issuer], **profile.model_dump(exclude=issuing))
        for name, profile in installation.settings().profiles.items()
    }
