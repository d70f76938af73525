"""The one way into this room: bytes in, a `DeviceCsr` out, or a refusal."""

from collections.abc import Collection
from hashlib import sha256
from typing import Final

from linecert.v1 import error_reason_pb2 as reasons
from linecert_service.csr import certification_request, encoding, library, public_keys, signatures, weak_keys
from linecert_service.csr.certification_request import CertificationRequest
from linecert_service.csr.public_keys import PublicKey
from linecert_service.csr.refusals import refused
from linecert_service.csr.subject import registration_id_of
from linecert_service.domain.requests import DeviceCsr

_NONE: Final[frozenset[bytes]] = frozenset()


class CsrChecker:
    """Judges CSRs. It keeps nothing of them, and any thread may call it, also while `refuse` exchanges the lists.

    Args:
        taken: SHA-256 of the SubjectPublicKeyInfo of each key that is the service's own or a station's.
        denied: the same of keys on the operator's deny list (see `deny_list.read`).
        callers: the same of keys that callers were seen to have: whoever fills it goes on filling it.
    """

    __slots__ = ("_callers", "_denied", "_taken")

    def __init__(
        self,
        *,
        taken: frozenset[bytes] = _NONE,
        denied: frozenset[bytes] = _NONE,
        callers: Collection[bytes] = _NONE,
    ) -> None:
        self._callers = callers
        self._taken = taken
        self._denied = denied

    def refuse(self, *, taken: frozenset[bytes], denied: frozenset[bytes]) -> None:
        """Refuse these keys from now on, in place of those before; as for the constructor."""
        self._taken = taken
        self._denied = denied

    def check(self, data: bytes, caller_spki_sha256: bytes | None = None) -> DeviceCsr:
        """Judge one CSR. Which key types a profile allows, and what the request says beside, is for the caller.

        The order makes the reason right: a CSR is refused for the first rule in it that it breaks, and what is wrong
        with the key comes before a signature that cannot be right with such a key.

        Args:
            data: PKCS#10 as sent, DER or PEM.
            caller_spki_sha256: SHA-256 of the SubjectPublicKeyInfo of the caller's own certificate.

        Raises:
            Refused: for a reason of INVALID_ARGUMENT, or PUBLIC_KEY_TAKEN; `field` is `csr`.
        """
        der = encoding.to_der(data)
        request = certification_request.parse(der)
        key = public_keys.recognise(request.spki)
        algorithm = signatures.recognise(request.signature_algorithm)
        spki_sha256 = sha256(request.spki).digest()
        self._refuse_known(spki_sha256, caller_spki_sha256)
        _refuse_weak(key)
        _check_structure(der, request)
        signatures.verify(library.load_public_key(request.spki), algorithm, request.signature, request.info)
        return DeviceCsr(
            registration_id=registration_id_of(request.subject),
            key_type=key.key_type,
            spki=request.spki,
            spki_sha256=spki_sha256,
            csr_sha256=sha256(der).digest(),
        )

    def _refuse_known(self, spki_sha256: bytes, caller_spki_sha256: bytes | None) -> None:
        if spki_sha256 == caller_spki_sha256 or spki_sha256 in self._taken or spki_sha256 in self._callers:
            raise refused(
                reasons.ERROR_REASON_PUBLIC_KEY_TAKEN,
                "the CSR's key is this service's or a station's own: make a key on the device, for the device alone",
            )
        if spki_sha256 in self._denied:
            raise refused(
                reasons.ERROR_REASON_PUBLIC_KEY_WEAK,
                "the CSR's key is on the operator's list of keys that must not be used: make a new key",
            )


def _refuse_weak(key: PublicKey) -> None:
    if key.family == "RSA":
        weak_keys.check_modulus(key.modulus)


def _check_structure(der: bytes, request: CertificationRequest) -> None:
    """Hold that the library can read the rest: what this room drops must be well-formed, too."""
    if not library.can_parse(der):
        # It looks into strings while parsing. When the common name is to blame, that has a reason of its own.
        registration_id_of(request.subject)
        raise refused(
            reasons.ERROR_REASON_CSR_MALFORMED,
            "the CSR's subject or attributes are not DER of the form of RFC 2986, or hold characters that their types"
            " do not allow: make the CSR again, with the common name alone",
        )
