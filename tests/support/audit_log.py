"""The transparency log of an installation, read from its database and verified as an auditor would."""

import json
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, select

from linecert.transparency import (
    Checkpoint,
    VerifierKey,
    check_leaf_against_certificate,
    leaf_hash,
    open_checkpoint,
    parse_leaf,
    root_of,
)
from linecert_service.domain.records import CertificateRecord, EventRecord
from linecert_service.store.backends import backend_for
from linecert_service.store.leaves import leaf_of_certificate, leaf_of_event
from linecert_service.store.rows import record_of, split_chain
from linecert_service.store.schema import CERTIFICATES, CHECKPOINTS, EVENTS, ISSUERS, LOG_HEAD
from support.installations import Installation


@dataclass(frozen=True, slots=True)
class AuditLog:
    """What the log holds, in its order.

    Attributes:
        newest: the newest checkpoint; None before the first.
    """

    certificates: list[CertificateRecord]
    events: list[EventRecord]
    newest: Checkpoint | None

    @property
    def size(self) -> int:
        """How many leaves."""
        return len(self.certificates) + len(self.events)

    def of(self, registration_id: str) -> list[CertificateRecord]:
        """The certificates of a device, oldest first."""
        return [record for record in self.certificates if record.registration_id == registration_id]

    @property
    def signatures(self) -> tuple[int, int]:
        """How many signatures became certificates, and how many were thrown away."""
        return len(self.certificates), len(self.discarded())

    def discarded(self) -> list[str | None]:
        """Why signatures were not used."""
        return [event.reason for event in self.events if event.kind == "discarded"]


def verified(installation: Installation) -> AuditLog:
    """Read the log and prove it; a server may be running.

    There are no gaps, time is in order, root and checkpoints are those of the rows, and leaves those of certificates.
    """
    with (
        closing(backend_for(installation.settings().store.url)) as backend,
        # Its isolation makes all of it one state, on both databases.
        backend.engine.connect().execution_options(isolation_level="SERIALIZABLE") as connection,
    ):
        issuers = {row.id: (row.certificate_sha256, split_chain(row.chain)[0]) for row in _read(connection, ISSUERS)}
        certificates = [record_of(row, lambda key: issuers[key][0]) for row in _read(connection, CERTIFICATES)]
        events = [EventRecord(*row) for row in _read(connection, EVENTS)]
        notes = [row.note for row in _read(connection, CHECKPOINTS)]
        (head,) = _read(connection, LOG_HEAD)

    leaves = {record.log_index: (leaf_of_certificate(record), record.issued_at) for record in certificates}
    leaves |= {event.log_index: (leaf_of_event(event), event.at) for event in events}
    assert sorted(leaves) == list(range(len(certificates) + len(events))) == list(range(head.size))
    times = [leaves[index][1] for index in range(head.size)]
    assert times == sorted(times)
    assert not times or times[-1] == head.last_at
    hashes = [leaf_hash(leaves[index][0]) for index in range(head.size)]
    assert root_of(hashes) == head.root

    by_hash = dict(issuers.values())
    for record in certificates:
        stated = parse_leaf(leaves[record.log_index][0])
        check_leaf_against_certificate(stated, record.certificate, by_hash[record.issuer_sha256])

    key = VerifierKey.parse((installation.layout.pki / "log.pub").read_text().strip())
    checkpoints = [open_checkpoint(note, [key]) for note in notes]
    for checkpoint in checkpoints:
        assert checkpoint.origin == key.name
        assert checkpoint.root == root_of(hashes[: checkpoint.size])
    return AuditLog(certificates, events, checkpoints[-1] if checkpoints else None)


def ca_signatures(installation: Installation) -> list[tuple[str, str]]:
    """Issuer and purpose of what CA keys have signed beside certificates, by the log, which is proven."""
    events = [event for event in verified(installation).events if event.kind == "ca_signature"]
    details = [json.loads(event.detail or "") for event in events]
    return [(detail["issuer"], detail["purpose"]) for detail in details]


def _read(connection: Connection, table: Table) -> list[Any]:
    """The rows of a table, in the order of its key."""
    return list(connection.execute(select(table).order_by(*table.primary_key.columns)))
