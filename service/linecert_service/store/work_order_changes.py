"""The transaction that changes a work order: the order, the devices that it names and the event become one, or nothing.

It runs under the same lock as the append of certificates: what is issued and what may be issued never miss each other,
on whichever server either happens.
"""

from dataclasses import dataclass, replace

from linecert_service.domain.errors import Refused
from linecert_service.domain.records import EventRecord
from linecert_service.domain.work_orders import ExpectDevices, OrderChange, OrderChanged, OrderOutcome, WorkOrder
from linecert_service.store.backend import Writer
from linecert_service.store.growth import Growth, Head, event_row
from linecert_service.store.rows import work_order_of, work_order_row
from linecert_service.store.work_order_events import event_of
from linecert_service.store.work_order_rules import settle, unlisted


@dataclass(frozen=True, slots=True)
class Settled:
    """What a transaction did.

    Attributes:
        outcome: for the planner.
        head: the log afterwards.
    """

    outcome: OrderOutcome
    head: Head


@dataclass(slots=True)
class OrderAttempt:
    """What a transaction was about to commit when it failed: a reply to the COMMIT may have been lost.

    Attributes:
        event: of the change; None before the first attempt.
        settled: its outcome, if the commit was made.
    """

    event: EventRecord | None = None
    settled: Settled | None = None

    def found(self, writer: Writer) -> Settled | None:
        """The outcome, if the commit was made: then its event stands at its place in the log."""
        if self.event is None or writer.event(self.event.log_index) != event_row(self.event):
            return None
        return self.settled


def change_order(
    writer: Writer,
    change: OrderChange,
    actor: str,
    now: float,
    *,
    seen: Head | None = None,
    attempt: OrderAttempt | None = None,
) -> Settled:
    """Make a change, in one transaction, and return when it is on disk. May be called again after it raised.

    Args:
        writer: the connection.
        change: what is asked for.
        actor: who asks; as the log tells it.
        now: seconds since 1970, UTC.
        seen: the log as this process saw it last; it must not have gone back since.
        attempt: at the same change before; filled in for the next one.

    Raises:
        LogInconsistent: it has.
        Exception: the driver's errors.
    """
    attempt = attempt or OrderAttempt()
    try:
        growth = Growth.begin(writer, seen)
        if done := attempt.found(writer):
            writer.rollback()
            return done
        growth.date(now)
        before = _order(writer, change.name)
        try:
            changed = _write(writer, change, before, growth.at)
        except Refused as refused:
            writer.rollback()
            return Settled(refused, growth.found)
        if changed.order == before:
            writer.rollback()
            return Settled(changed, growth.found)
        attempt.event = growth.add_event(event_of(change, before, changed, actor))
        attempt.settled = Settled(changed, growth.write(writer))
        writer.commit()
    except BaseException:
        writer.rollback()
        raise
    return attempt.settled


def _order(writer: Writer, name: str) -> WorkOrder | None:
    row = next(iter(writer.orders([name])), None)
    return work_order_of(row) if row else None


def _write(writer: Writer, change: OrderChange, before: WorkOrder | None, at: int) -> OrderChanged:
    """Write what changes of the order and of what it expects.

    Raises:
        Refused: the change is against the rules; nothing was written.
    """
    after = settle(change, before, at)
    devices = _unlisted(writer, change) if isinstance(change, ExpectDevices) else {}
    after = replace(after, expected_devices=after.expected_devices + len(devices))
    if before is None:
        writer.insert("work_orders", [work_order_row(after)])
    elif after != before:
        writer.update_order(work_order_row(after))
    if devices:
        writer.insert("expected_devices", [(change.name, *device) for device in devices.items()])
    return OrderChanged(after, len(devices))


def _unlisted(writer: Writer, change: ExpectDevices) -> dict[str, bytes | None]:
    asked = [(change.name, device.registration_key) for device in change.devices]
    known = {key: spki for _, key, spki in writer.expected(asked)} if asked else {}
    return unlisted(change, known)
