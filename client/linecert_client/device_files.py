"""The files of one device in an output folder, and what may be overwritten there.

    <id>.key.pem        the private key, of `linecert make` alone
    <id>.csr.pem        the CSR made with it
    <id>.request.json   the request_id (see `journal`)
    <id>.chain.pem      the device's certificate, intermediates, root

All but the chain are on the disk before the service is called, so that a repeat after a crash or a lost answer asks
for the same certificate with the same key.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.x509.oid import NameOID

from linecert_client import keys, outputs
from linecert_client.errors import MOVE_AWAY, OutputError
from linecert_client.journal import Journal
from linecert_client.keys import DeviceKey, KeyType
from linecert_client.results import IssuedDevice


class DeviceFiles:
    """The files of one device.

    Args:
        folder: where they are; made when it is not there.
        registration_id: whose they are.

    Attributes:
        key_path, csr_path, journal_path, chain_path: where each is.

    Raises:
        RegistrationIdError: `registration_id` is none.
        OutputError: the folder cannot be made.
    """

    def __init__(self, folder: Path, registration_id: str) -> None:
        stem = outputs.safe_stem(registration_id)
        self._registration_id = registration_id
        self.key_path = folder / f"{stem}.key.pem"
        self.csr_path = folder / f"{stem}.csr.pem"
        self.journal_path = folder / f"{stem}.request.json"
        self.chain_path = folder / f"{stem}.chain.pem"
        outputs.make_folder(folder)

    def existing_key(self, key_type: KeyType | None) -> DeviceKey | None:
        """The device's key; None when there is none yet.

        Args:
            key_type: the kind that it must be; None for any.

        Raises:
            OutputError: the file holds no key, or one of another kind.
        """
        pem = outputs.read(self.key_path)
        if pem is None:
            return None
        try:
            key = keys.key_from_pem(pem)
        except ValueError as error:
            raise OutputError(self.key_path, str(error), advice=MOVE_AWAY) from None
        if key_type not in (None, keys.key_type_of(key)):
            raise OutputError(self.key_path, f"is there already, and is no {key_type} key", advice=MOVE_AWAY)
        return key

    def key(self, key_type: KeyType | None) -> DeviceKey:
        """The device's key, made and on the disk when there was none.

        Args:
            key_type: the kind; None for the one that is there, else P-256.

        Raises:
            OutputError: the file holds no key or one of another kind, or cannot be written.
        """
        key = self.existing_key(key_type)
        if key is None:
            key = keys.generate(key_type or KeyType.P256)
            outputs.write_private(self.key_path, keys.key_to_pem(key))
        return key

    def csr(self, key: DeviceKey) -> bytes:
        """The CSR of the device's key, made and on the disk unless it is there. PEM.

        Raises:
            OutputError: the file holds another CSR, or cannot be written.
        """
        csr = outputs.read(self.csr_path)
        if csr is None:
            csr = keys.make_csr(key, self._registration_id)
            outputs.write(self.csr_path, csr)
            return csr
        match keys.read_csr(csr):
            case (self._registration_id, public_key) if keys.spki(public_key) == keys.spki(key.public_key()):
                return csr
            case _:
                raise OutputError(self.csr_path, "is not the CSR of the device's key", advice=MOVE_AWAY)

    def request_id(self, public_key: PublicKeyTypes, wishes: Mapping[str, str], wanted: str | None) -> str:
        """The request_id for the device's key and the caller's wishes; on the disk when this returns.

        Args:
            public_key: to be certified.
            wishes: profile, work order and the like, as far as given.
            wanted: a request_id that the caller insists on.

        Raises:
            OutputError: the journal cannot be read or written.
        """
        return Journal(self.journal_path).request_id(self._request(public_key, wishes), wanted)

    def was_asked(self, public_key: PublicKeyTypes, wishes: Mapping[str, str]) -> bool:
        """Whether the journal holds this very request: the call is a repeat."""
        return Journal(self.journal_path).knows(self._request(public_key, wishes))

    def check_chain(self, public_key: PublicKeyTypes, *, replacing: bool) -> None:
        """Pass when a chain for `public_key` may be written.

        Args:
            public_key: that will be certified.
            replacing: the device is known to get another certificate, maybe with another key.

        Raises:
            OutputError: the file holds the certificate of another device, or of another key without `replacing`.
        """
        pem = outputs.read(self.chain_path)
        if pem is None:
            return
        try:
            leaf = x509.load_pem_x509_certificates(pem)[0]
        except ValueError:
            raise OutputError(self.chain_path, "is there already and holds no certificate", advice=MOVE_AWAY) from None
        if _common_names(leaf) != [self._registration_id]:
            raise OutputError(self.chain_path, "holds the certificate of another device", advice=MOVE_AWAY)
        if not replacing and keys.spki(leaf.public_key()) != keys.spki(public_key):
            raise OutputError(self.chain_path, "holds the device's certificate for another key", advice=MOVE_AWAY)

    def is_done(self, public_key: PublicKeyTypes, wishes: Mapping[str, str]) -> bool:
        """Whether what this very request asks for is here: the first certificate of the device and key, with its chain.

        Of a replacement nobody can tell: the chain may be that of the certificate before.

        Raises:
            OutputError: a file cannot be read, or is no journal.
        """
        pem = outputs.read(self.chain_path)
        if pem is None or "replacement_reason" in wishes or not self.was_asked(public_key, wishes):
            return False
        try:
            leaf, issuer, *_ = x509.load_pem_x509_certificates(pem)
            leaf.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return _common_names(leaf) == [self._registration_id] and keys.spki(leaf.public_key()) == keys.spki(public_key)

    def write_chain(self, device: IssuedDevice, *, replacing: bool) -> None:
        """Write the full chain; nothing is written where it stands already.

        Raises:
            OutputError: as `check_chain`, or the file cannot be written.
        """
        chain = device.full_chain_pem().encode()
        if outputs.read(self.chain_path) == chain:
            return
        self.check_chain(x509.load_der_x509_certificate(device.certificate).public_key(), replacing=replacing)
        outputs.write(self.chain_path, chain)

    def _request(self, public_key: PublicKeyTypes, wishes: Mapping[str, str]) -> dict[str, str]:
        digest = hashlib.sha256(keys.spki(public_key)).hexdigest()
        return {"registration_id": self._registration_id, "public_key_sha256": digest, **wishes}


def _common_names(certificate: x509.Certificate) -> list[str | bytes]:
    return [name.value for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
