"""The one write transaction: what it leaves on disk, and what it leaves out."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from linecert.transparency import EMPTY_ROOT, Frontier, leaf_hash, root_of
from linecert_service.domain.errors import Refused
from linecert_service.domain.events import NewEvent
from linecert_service.domain.records import EventRecord
from linecert_service.store.append import Appended, Attempt, Entry, append
from linecert_service.store.backend import Backend, Writer
from linecert_service.store.classify import Answered
from linecert_service.store.issuers import Issuers
from linecert_service.store.leaves import leaf_of_certificate, leaf_of_event
from linecert_service.store.rows import record_of
from linecert_service.store.schema import CERTIFICATES, EVENTS, LOG_HEAD, LOG_NODES, WORK_ORDERS
from support.claims import NOW, claim, request_id, sha256, signed


class Log:
    """A log under test: appends, and what is on disk afterwards."""

    def __init__(self, backend: Backend, issuers: Issuers) -> None:
        self.backend = backend
        self.issuers = issuers
        self.writer: Writer = backend.writer()

    def append(self, *entries: Entry, now: float = NOW) -> Appended:
        """Append in one transaction."""
        return append(self.writer, self.issuers, entries, now)

    def head(self) -> tuple[int, int, bytes, bytes]:
        """Size, last_at, frontier and root as another connection reads them."""
        with self.backend.engine.begin() as connection:
            query = select(LOG_HEAD.c.size, LOG_HEAD.c.last_at, LOG_HEAD.c.frontier, LOG_HEAD.c.root)
            return tuple(connection.execute(query).one())

    def leaves(self) -> dict[int, bytes]:
        """The leaves by index, made anew from the rows."""
        with self.backend.engine.begin() as connection:
            rows = connection.execute(select(CERTIFICATES)).all()
            events = connection.execute(select(EVENTS)).all()
        certificates = {row.log_index: leaf_of_certificate(record_of(row, self.issuers.sha256_of)) for row in rows}
        return certificates | {row.log_index: leaf_of_event(EventRecord(*row)) for row in events}

    def assert_verifies(self) -> None:
        """Indexes without a gap, and a root that is the tree's over the rows."""
        leaves = self.leaves()
        size, _, frontier, root = self.head()
        assert sorted(leaves) == list(range(size))
        assert root == root_of(leaf_hash(leaves[index]) for index in range(size))
        assert Frontier.from_bytes(size, frontier).root() == root


@pytest.fixture
def log(backend: Backend, issuers: Issuers) -> Iterator[Log]:
    """An empty log."""
    log = Log(backend, issuers)
    yield log
    log.writer.close()


def test_empty_log_has_the_empty_root(log: Log) -> None:
    """A new database holds the log of size 0."""
    assert log.head() == (0, 0, b"", EMPTY_ROOT)


def test_burst_becomes_leaves_in_its_order(log: Log) -> None:
    """Each certificate is a row, a leaf and an answer; indexes follow the order of the burst."""
    burst = [signed(registration_id=f"device-{number}") for number in range(5)]
    outcomes = log.append(*burst).outcomes
    records = [outcome.stand.record for outcome in outcomes if isinstance(outcome, Answered)]
    assert [record.log_index for record in records] == [0, 1, 2, 3, 4]
    assert [record.serial for record in records] == [entry.serial for entry in burst]
    log.assert_verifies()


def test_answer_is_what_is_on_disk(log: Log) -> None:
    """The record in the answer equals the row, field by field."""
    asked = claim(attributes='{"board":"B7"}', lot="L1", work_order=None)
    outcome = log.append(signed(asked)).outcomes[0]
    assert isinstance(outcome, Answered)
    with log.backend.engine.begin() as connection:
        row = connection.execute(select(CERTIFICATES)).one()
    assert record_of(row, log.issuers.sha256_of) == outcome.stand.record


def test_same_device_twice_in_a_burst_is_one_certificate(log: Log) -> None:
    """The second is answered with the first, and its signature stands as discarded."""
    first = claim()
    again = signed(replace(first, request_id=request_id(10**6)))
    one, other = log.append(signed(first), again).outcomes
    assert isinstance(one, Answered)
    assert isinstance(other, Answered)
    assert (one.replayed, other.replayed) == (False, True)
    assert one.stand.record == other.stand.record
    with log.backend.engine.begin() as connection:
        event = connection.execute(select(EVENTS)).one()
    assert (event.kind, event.reason, event.serial) == ("discarded", "REPLAYED", again.serial)
    log.assert_verifies()


def test_refused_claim_leaves_a_discarded_event_and_no_certificate(log: Log) -> None:
    """What loses is never recorded as issued."""
    log.append(signed(claim("device-01")))
    loser = signed(claim("device-02", spki_sha256=sha256("key of device-01")))
    outcome = log.append(loser).outcomes[0]
    assert isinstance(outcome, Refused)
    with log.backend.engine.begin() as connection:
        assert connection.execute(select(CERTIFICATES).where(CERTIFICATES.c.serial == loser.serial)).first() is None
        event = connection.execute(select(EVENTS)).one()
    assert (event.reason, event.registration_key) == ("PUBLIC_KEY_TAKEN", "device-02")
    log.assert_verifies()


def test_same_entries_again_are_issued_once(log: Log) -> None:
    """After a lost reply to a COMMIT the same entries give the same answers, and nothing more is recorded."""
    burst = [signed(registration_id=f"device-{number}") for number in range(3)]
    first = log.append(*burst)
    second = log.append(*burst)
    assert first.outcomes == second.outcomes
    assert second.head.size == first.head.size == 3
    log.assert_verifies()


@pytest.mark.parametrize("with_certificate", [False, True])
def test_nothing_is_repeated_when_another_server_went_on(log: Log, with_certificate: bool) -> None:
    """A COMMIT is made and its reply lost, another server appends: the same entries again leave nothing more."""
    entries: list[Entry] = [NewEvent("rejected", reason="CSR_MALFORMED"), *[signed()] * with_certificate]
    attempt = Attempt()
    first = append(log.writer, log.issuers, entries, NOW, attempt=attempt)
    log.append(NewEvent("rejected", reason="CSR_MALFORMED"))
    before = log.head()
    assert append(log.writer, log.issuers, entries, NOW + 1, attempt=attempt) == first
    assert log.head() == before


def test_what_was_not_committed_is_appended(log: Log) -> None:
    """A COMMIT that was not made, and another server's events in its place: the same entries are appended then."""
    attempt = Attempt()
    event = NewEvent("rejected", reason="CSR_MALFORMED")
    with pytest.raises(RuntimeError):
        append(cast("Writer", Failing(log.writer)), log.issuers, [event], NOW, attempt=attempt)
    log.append(NewEvent("rejected", reason="CSR_NOT_ALONE"), NewEvent("rejected", reason="CSR_NOT_ALONE"))
    assert append(log.writer, log.issuers, [event], NOW, attempt=attempt).head.size == 3
    log.assert_verifies()


class Failing:
    """A writer whose COMMIT fails."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)

    def commit(self) -> None:
        """Not made."""
        raise RuntimeError("no COMMIT")


def test_time_never_goes_back(log: Log) -> None:
    """With a clock that went back, issue times stand still: time order is log order."""
    log.append(signed(claim("device-01")), now=NOW)
    outcome = log.append(signed(claim("device-02")), now=NOW - 100).outcomes[0]
    assert isinstance(outcome, Answered)
    assert outcome.stand.record.issued_at == NOW * 1_000_000


def test_replacement_links_both_ways(log: Log) -> None:
    """Generation 2 names the serial that it replaces, and the look-up finds what replaced generation 1."""
    first = signed()
    log.append(first)
    second = signed(claim(replacement_reason="LOST"))
    outcome = log.append(second).outcomes[0]
    assert isinstance(outcome, Answered)
    assert (outcome.stand.record.generation, outcome.stand.record.replaces) == (2, first.serial)
    again = log.append(signed(first.claim)).outcomes[0]
    assert isinstance(again, Answered)
    assert again.stand.replaced_by == second.serial
    log.assert_verifies()


def test_two_replacements_in_one_burst_one_after_the_other(log: Log) -> None:
    """The second of a burst sees the first: it is generation 3, not another generation 2."""
    log.append(signed())
    outcomes = log.append(*(signed(claim(replacement_reason="LOST")) for _ in range(2))).outcomes
    assert [outcome.stand.record.generation for outcome in outcomes if isinstance(outcome, Answered)] == [2, 3]


def test_work_order_is_counted_with_the_certificate(log: Log) -> None:
    """The count moves in the same transaction, and the one too many is refused."""
    with log.backend.engine.begin() as connection:
        connection.execute(
            WORK_ORDERS.insert().values(
                name="WO-17",
                lines="[]",
                profile="device",
                quantity=2,
                issued=0,
                replacement_limit=0,
                replacements=0,
                registration_id_patterns='["device-*"]',
                expected_devices=0,
                state="OPEN",
                open_time=0,
                revision=1,
            )
        )
    burst = [signed(claim(f"device-{number}", work_order="WO-17")) for number in range(3)]
    *fine, refused = log.append(*burst).outcomes
    assert all(isinstance(outcome, Answered) for outcome in fine)
    assert isinstance(refused, Refused)
    with log.backend.engine.begin() as connection:
        assert connection.scalar(select(WORK_ORDERS.c.issued)) == 2


def test_events_are_leaves_too(log: Log) -> None:
    """An event has a position, and the root covers it."""
    log.append(NewEvent("issuer_added", detail='{"name":"issuer"}'), signed())
    assert log.head()[0] == 2
    log.assert_verifies()


def test_complete_subtrees_are_kept(log: Log) -> None:
    """Every 256 leaves a node of level 8 is stored, and it is the root over them."""
    for start in range(0, 600, 200):
        log.append(*(signed(claim(f"device-{number}")) for number in range(start, start + 200)))
    leaves = log.leaves()
    with log.backend.engine.begin() as connection:
        nodes = connection.execute(select(LOG_NODES).order_by(LOG_NODES.c.idx)).all()
    assert [(node.level, node.idx) for node in nodes] == [(8, 0), (8, 1)]
    assert nodes[1].hash == root_of(leaf_hash(leaves[index]) for index in range(256, 512))
    log.assert_verifies()


@pytest.mark.parametrize("step", ["stands", "insert", "write_head", "commit"])
def test_failure_at_any_step_leaves_nothing(log: Log, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever step fails, neither row nor leaf nor head changes, and the next append works."""
    log.append(signed(claim("device-01")))
    before = log.head()
    with monkeypatch.context() as patched:
        patched.setattr(log.writer, step, _fail)
        with pytest.raises(OSError, match="disk"):
            log.append(signed(claim("device-02")))
    assert log.head() == before
    log.append(signed(claim("device-02")))
    log.assert_verifies()


def test_guards_refuse_alteration(log: Log) -> None:
    """UPDATE, DELETE, INSERT OR REPLACE and TRUNCATE on certificates and events fail, whoever tries."""
    log.append(signed(), NewEvent("service_started"))
    replace_rows = {
        "sqlite": "INSERT OR REPLACE INTO certificates SELECT * FROM certificates",
        "postgresql": "TRUNCATE certificates CASCADE",
    }
    statements = [
        "UPDATE certificates SET station = 'x'",
        "DELETE FROM certificates",
        replace_rows[log.backend.engine.name],
        "UPDATE events SET kind = 'x'",
        "DELETE FROM events",
    ]
    for statement in statements:
        with pytest.raises(DBAPIError, match="append-only"), log.backend.engine.begin() as connection:
            connection.exec_driver_sql(statement)
    log.assert_verifies()


def test_unique_constraints_guard_what_classification_would_miss(log: Log) -> None:
    """Should a rule fail, the database still holds one certificate a generation, and one a request."""
    log.append(signed())
    with log.backend.engine.begin() as connection:
        row = dict(connection.execute(select(CERTIFICATES)).one()._mapping)
    for change in (
        {"request_id": request_id(10**6)},
        {"generation": 2, "replaces": b"x", "replacement_reason": "LOST"},
    ):
        other = row | {"log_index": 99, "serial": b"s" * 20} | change
        with pytest.raises(IntegrityError), log.backend.engine.begin() as connection:
            connection.execute(CERTIFICATES.insert().values(other))


def test_altered_row_does_not_verify(log: Log) -> None:
    """A row that was changed behind the guards no longer gives the root: the check of these tests can fail."""
    log.append(signed(claim("device-01")), signed(claim("device-02")))
    with log.backend.engine.begin() as connection:
        unguard = {
            "sqlite": "DROP TRIGGER certificates_no_update",
            "postgresql": "ALTER TABLE certificates DISABLE TRIGGER USER",
        }
        connection.exec_driver_sql(unguard[log.backend.engine.name])
        connection.execute(update(CERTIFICATES).where(CERTIFICATES.c.log_index == 0).values(station="station-99"))
    with pytest.raises(AssertionError):
        log.assert_verifies()


def _fail(*_arguments: object) -> None:
    raise OSError("disk I/O error")
