"""The transaction that changes a work order: change and event together or neither, once however often it is tried."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from linecert import contract
from linecert_service.domain.errors import Refused
from linecert_service.domain.records import EventRecord
from linecert_service.domain.work_orders import (
    CloseOrder,
    ExpectDevices,
    ExpectedDevice,
    OpenOrder,
    OrderChange,
    OrderChanged,
    ReopenOrder,
    UpdateOrder,
    WorkOrder,
)
from linecert_service.store.append import append
from linecert_service.store.backend import Backend, Writer
from linecert_service.store.classify import Answered
from linecert_service.store.issuers import Issuers
from linecert_service.store.rows import work_order_of
from linecert_service.store.schema import EVENTS, EXPECTED_DEVICES, LOG_HEAD, WORK_ORDERS
from linecert_service.store.work_order_changes import OrderAttempt, change_order
from support.claims import NOW, claim, signed

OPEN = OpenOrder("WO-17", "device", 10)


class Book:
    """Work orders under test, and what is on disk."""

    def __init__(self, backend: Backend, issuers: Issuers) -> None:
        self.backend = backend
        self.issuers = issuers
        self.writer: Writer = backend.writer()

    def change(self, change: OrderChange, *, now: float = NOW, attempt: OrderAttempt | None = None) -> OrderChanged:
        """Make a change, or raise the refusal."""
        outcome = change_order(self.writer, change, "planner-01", now, attempt=attempt).outcome
        if isinstance(outcome, Refused):
            raise outcome
        return outcome

    def refused(self, change: OrderChange) -> str:
        """The reason of the refusal; it leaves nothing."""
        before = self.state()
        with pytest.raises(Refused) as caught:
            self.change(change)
        assert self.state() == before
        return contract.refusal(caught.value.reason).name

    def issue(self, *devices: str, **changes: object) -> int:
        """Ask for certificates of WO-17; how many were issued."""
        burst = [signed(claim(device, work_order="WO-17", **changes)) for device in devices]
        outcomes = append(self.writer, self.issuers, burst, NOW).outcomes
        return sum(isinstance(outcome, Answered) for outcome in outcomes)

    def order(self) -> WorkOrder:
        """WO-17 as another connection reads it."""
        with self.backend.engine.begin() as connection:
            return work_order_of(connection.execute(select(WORK_ORDERS)).one())

    def events(self) -> list[tuple[str, dict[str, str]]]:
        """Kind and detail of each event, oldest first."""
        with self.backend.engine.begin() as connection:
            rows = connection.execute(select(EVENTS).order_by(EVENTS.c.log_index)).all()
        return [(row.kind.removeprefix("work_order_"), json.loads(row.detail or "{}")) for row in rows]

    def state(self) -> tuple[object, ...]:
        """All that a change could touch."""
        with self.backend.engine.begin() as connection:
            orders = connection.execute(select(WORK_ORDERS)).all()
            devices = connection.scalar(select(func.count()).select_from(EXPECTED_DEVICES))
            size = connection.scalar(select(LOG_HEAD.c.size))
        return tuple(tuple(order) for order in orders), devices, size


@pytest.fixture
def book(backend: Backend, issuers: Issuers) -> Iterator[Book]:
    """No order."""
    book = Book(backend, issuers)
    yield book
    book.writer.close()


def expecting(*names: str, key: bytes | None = None) -> ExpectDevices:
    """WO-17 expects these devices."""
    return ExpectDevices("WO-17", [ExpectedDevice(name, key) for name in names])


CHANGES: list[OrderChange] = [
    UpdateOrder("WO-17", quantity=20),
    CloseOrder("WO-17"),
    ReopenOrder("WO-17"),
    expecting("device-1", "device-2"),
]


def test_a_change_gives_what_is_on_disk(book: Book) -> None:
    """The answer is the row, after each change."""
    for change in (OPEN, *CHANGES):
        assert book.change(change).order == book.order()
    assert [kind for kind, _ in book.events()] == ["opened", "updated", "closed", "reopened", "devices_imported"]


def test_a_change_that_is_there_changes_nothing(book: Book) -> None:
    """Neither row nor log; the answer is the order as it stands."""
    for change in (OPEN, *CHANGES):
        first = book.change(change)
        before = book.state()
        again = book.change(change)
        assert (again, book.state()) == (OrderChanged(first.order), before)


def test_lists_are_compared_without_their_order(book: Book) -> None:
    """The same lines and patterns turned round are no change, also beside one: the log tells of the quantity alone."""
    book.change(replace(OPEN, lines=("a", "b"), registration_id_patterns=("x-*", "y-*")))
    before = book.state()
    turned = UpdateOrder("WO-17", lines=("b", "a", "b"), registration_id_patterns=("y-*", "x-*"))
    assert book.change(turned) == OrderChanged(book.order())
    assert book.state() == before
    book.change(replace(turned, quantity=20))
    assert book.events()[-1] == ("updated", {"work_order": "WO-17", "quantity": "20", "quantity_before": "10"})
    book.change(UpdateOrder("WO-17", lines=("b",)))
    assert book.order().lines == ("b",)


@pytest.mark.parametrize(
    "change", [OPEN, UpdateOrder("WO-17", quantity=20), expecting("device-1")], ids=lambda c: type(c).__name__
)
@pytest.mark.parametrize("step", ["orders", "insert", "write_head", "commit"])
def test_failure_at_any_step_leaves_nothing(
    book: Book, change: OrderChange, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Change and event are one: a step that fails takes all back, and the next attempt makes all of it."""
    if change is not OPEN:
        book.change(OPEN)
    before = book.state()
    with monkeypatch.context() as patched:
        patched.setattr(book.writer, step, _fail)
        with pytest.raises(OSError, match="disk"):
            book.change(change)
    assert book.state() == before
    book.change(change)
    assert book.state() != before


@pytest.mark.parametrize("meanwhile", [False, True], ids=["alone", "others went on"])
def test_a_lost_reply_doubles_nothing(book: Book, monkeypatch: pytest.MonkeyPatch, *, meanwhile: bool) -> None:
    """A COMMIT that was made although it seemed to fail is found by its event, whatever was recorded since.

    An update that states an etag would otherwise be refused for its own sake, and an import count itself as there.
    """
    etag = book.change(OPEN).order.etag
    for change, added in ((UpdateOrder("WO-17", etag, quantity=20), 0), (expecting("device-1"), 1)):
        attempt = OrderAttempt()
        with monkeypatch.context() as patched:
            patched.setattr(book.writer, "commit", _commit_and_fail(book.writer))
            with pytest.raises(OSError, match="reply"):
                book.change(change, attempt=attempt)
        if meanwhile:
            append(book.writer, book.issuers, [signed(claim(f"other-{added}"))], NOW)
        before = book.state()
        changed = book.change(change, attempt=attempt)
        assert (changed.added, changed.order, book.state()) == (added, book.order(), before)


def test_a_commit_that_was_not_made_is_made_again(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another entry stands where its own would: it was not made, and is made now, once."""
    book.change(OPEN)
    attempt = OrderAttempt()
    with monkeypatch.context() as patched:
        patched.setattr(book.writer, "commit", _fail)
        with pytest.raises(OSError, match="disk"):
            book.change(CloseOrder("WO-17"), attempt=attempt)
    book.change(UpdateOrder("WO-17", quantity=11))
    assert not book.change(CloseOrder("WO-17"), attempt=attempt).order.open
    assert [kind for kind, _ in book.events()] == ["opened", "updated", "closed"]


def test_counts_and_changes_do_not_meet(book: Book) -> None:
    """An update keeps what was issued in between, and decides by it."""
    book.change(OPEN)
    assert book.issue("device-1", "device-2", "device-3") == 3
    assert book.refused(UpdateOrder("WO-17", quantity=2)) == "WORK_ORDER_BELOW_ISSUED"
    assert book.change(UpdateOrder("WO-17", quantity=3)).order.issued == 3
    assert book.issue("device-4") == 0
    book.change(UpdateOrder("WO-17", quantity=4))
    assert book.issue("device-4", "device-5") == 1
    assert book.order().issued == 4


def test_the_etag_changes_with_all_but_the_counts(book: Book) -> None:
    """Issuing and listing leave it; each change of the order makes a new one, also back to what it was."""
    etags = [book.change(OPEN).order.etag]
    book.change(expecting("device-1"))
    assert book.issue("device-1") == 1
    assert book.order().etag == etags[0]
    etags += [book.change(UpdateOrder("WO-17", quantity=quantity)).order.etag for quantity in (20, 10)]
    etags += [book.change(change("WO-17")).order.etag for change in (CloseOrder, ReopenOrder)]
    assert len(set(etags)) == 5


def test_refusals_leave_nothing(book: Book) -> None:
    """Each rule of an order, with its reason."""
    for change in CHANGES:
        assert book.refused(change) == "WORK_ORDER_UNKNOWN"
    book.change(OPEN)
    assert book.refused(replace(OPEN, quantity=11)) == "WORK_ORDER_EXISTS"
    assert book.refused(UpdateOrder("WO-17", "another", quantity=11)) == "WORK_ORDER_CHANGED"
    book.change(expecting("device-1"))
    assert book.refused(expecting("device-2", "device-1", key=b"k" * 32)) == "FIELD_INVALID"
    doubled = [ExpectedDevice("device-3", None), ExpectedDevice("device-3", b"k" * 32)]
    assert book.refused(ExpectDevices("WO-17", doubled)) == "FIELD_INVALID"
    book.change(CloseOrder("WO-17"))
    assert book.refused(OPEN) == "WORK_ORDER_EXISTS"


def test_a_device_that_comes_twice_is_listed_once(book: Book) -> None:
    """In one chunk or in two."""
    book.change(OPEN)
    assert book.change(expecting("device-1", "device-1", "device-2")).added == 2
    assert book.change(expecting("device-2", "device-3")).added == 1
    assert book.order().expected_devices == 3


def test_the_largest_event_fits(book: Book) -> None:
    """Long lists stand as their hashes: whatever an order holds, its changes can be told."""
    lists = [tuple(f"{letter * 60}{number}" for number in range(100)) for letter in "ab"]
    largest = 2**63 - 1
    order = OpenOrder('"' * 64, "p" * 64, largest, largest, lists[0], lists[0])
    book.change(order)
    book.change(UpdateOrder(order.name, None, largest - 1, largest - 1, lists[1], lists[1]))
    short = tuple("a" * 48 for _ in range(3))
    book.change(UpdateOrder(order.name, None, largest, largest, short, short))
    book.change(UpdateOrder(order.name, None, largest - 1, largest - 1, short[:1], short[:1]))
    opened, updated, *_ = (detail for _, detail in book.events())
    assert opened["lines"].startswith("sha256:")
    assert updated["lines_before"] == opened["lines"] != updated["lines"]


def test_events_are_leaves_of_the_log(book: Book) -> None:
    """They are rows like any other event's, with who did it."""
    book.change(OPEN)
    with book.backend.engine.begin() as connection:
        event = EventRecord(*connection.execute(select(EVENTS)).one())
    assert (event.log_index, event.actor, event.station, event.at) == (0, "planner-01", None, NOW * 1_000_000)


def _fail(*_: object) -> None:
    raise OSError("disk")


def _commit_and_fail(writer: Writer) -> object:
    commit = writer.commit

    def commit_and_fail() -> None:
        commit()
        raise OSError("the reply is lost")

    return commit_and_fail
