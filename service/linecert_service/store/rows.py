"""Between the rows of the store and the records of the domain."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from linecert_service.domain.records import CertificateRecord
from linecert_service.domain.work_orders import WorkOrder
from linecert_service.policy.patterns import RegistrationIdPatterns
from linecert_service.store.backend import Row
from linecert_service.store.schema import CERTIFICATES, WORK_ORDERS
from linecert_service.store.standing import Stand, WorkOrderStand

_NAMES: Final = tuple(column.name for column in CERTIFICATES.columns)
_ISSUER: Final = _NAMES.index("issuer_id")
OPEN: Final = "OPEN"
CLOSED: Final = "CLOSED"
"""The states of a work order in its row."""

_ORDER_NAMES: Final = tuple(column.name for column in WORK_ORDERS.columns)

IssuerHash = Callable[[int], bytes]
"""Gives the SHA-256 of an issuer's certificate by the store's number for it."""


def record_of(row: Sequence[Any], issuer_hash: IssuerHash) -> CertificateRecord:
    """The record that a row of `certificates` holds: its columns in their order, more may follow."""
    values = list(row[: len(_NAMES)])
    values[_ISSUER] = issuer_hash(values[_ISSUER])
    # The record has the columns' order, with the issuer's hash in place of its number.
    return CertificateRecord(*values)


def row_of(record: CertificateRecord, issuer_id: int) -> Row:
    """The row that holds `record`."""
    return (
        record.log_index,
        record.leaf_version,
        record.serial,
        record.registration_id,
        record.registration_key,
        record.generation,
        record.replacement_reason,
        record.replaces,
        record.station,
        record.line,
        record.request_id,
        record.request_sha256,
        record.work_order,
        record.lot,
        record.profile,
        record.attributes,
        issuer_id,
        record.not_before,
        record.not_after,
        record.issued_at,
        record.csr_sha256,
        record.spki_sha256,
        record.certificate_sha256,
        record.certificate,
    )


def stand_of(row: Sequence[Any], issuer_hash: IssuerHash) -> Stand:
    """What a row of the look-up says: the columns of `certificates`, replaced_by, replaced_for."""
    return Stand(record_of(row, issuer_hash), row[-2], row[-1])


def order_of(row: Sequence[Any], expects: Mapping[str, bytes | None]) -> WorkOrderStand:
    """The work order that a row of `work_orders` holds, with those of its devices that were asked for."""
    values = dict(zip(_ORDER_NAMES, row, strict=True))
    return WorkOrderStand(
        name=values["name"],
        lines=tuple(json.loads(values["lines"])),
        profile=values["profile"],
        quantity=values["quantity"],
        issued=values["issued"],
        replacement_limit=values["replacement_limit"],
        replacements=values["replacements"],
        patterns=_patterns(values["registration_id_patterns"]),
        open=values["state"] == OPEN,
        names_devices=values["expected_devices"] > 0,
        expects=dict(expects),
    )


def work_order_of(row: Sequence[Any]) -> WorkOrder:
    """The work order that a row of `work_orders` holds."""
    values = dict(zip(_ORDER_NAMES, row, strict=True))
    values["open"] = values.pop("state") == OPEN
    for field in ("lines", "registration_id_patterns"):
        values[field] = tuple(json.loads(values[field]))
    return WorkOrder(**values)


def work_order_row(order: WorkOrder) -> Row:
    """The row that holds `order`."""
    return (
        order.name,
        json.dumps(order.lines),
        order.profile,
        order.quantity,
        order.issued,
        order.replacement_limit,
        order.replacements,
        json.dumps(order.registration_id_patterns),
        order.expected_devices,
        OPEN if order.open else CLOSED,
        order.open_time,
        order.close_time,
        order.revision,
    )


@lru_cache(maxsize=1024)
def _patterns(text: str) -> RegistrationIdPatterns:
    return RegistrationIdPatterns(json.loads(text))


def issuer_row(number: int, chain: Sequence[x509.Certificate], added_at: int) -> Row:
    """The row of `issuers` that holds a chain, issuer first and root last."""
    key = chain[0].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return (number, chain[0].fingerprint(SHA256()), sha256(key).digest(), join_chain(chain), added_at)


def join_chain(chain: Sequence[x509.Certificate]) -> bytes:
    """A chain as the store keeps it: DER, one certificate after the other."""
    return b"".join(certificate.public_bytes(Encoding.DER) for certificate in chain)


def split_chain(data: bytes) -> tuple[bytes, ...]:
    """The certificates of a chain that `join_chain` joined."""
    certificates = []
    while data:
        # A certificate is a SEQUENCE of more than 255 octets: 30 82 and two octets of length.
        size = 4 + int.from_bytes(data[2:4], "big")
        certificates.append(data[:size])
        data = data[size:]
    return tuple(certificates)
