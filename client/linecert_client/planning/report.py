"""The report of one work order: its numbers, and what differs between plan, record and production."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from linecert_client.filters import Filter
from linecert_client.planning.comparison import Comparison
from linecert_client.planning.differences import Code, Difference, Kind
from linecert_client.planning.files import read_built, read_expected
from linecert_client.progress import Progress
from linecert_client.results import IssuedCertificate
from linecert_client.work_orders import ExpectedDevice, WorkOrder

Bars = Callable[[str, int | None], AbstractContextManager[Progress]]
"""Makes a progress bar for something and its total."""

_READING: Final = "reading"


class Source(Protocol):
    """What the report asks of a client; planners and auditors may."""

    def get_work_order(self, name: str, *, deadline: float | None = None) -> WorkOrder:
        """The order with its counts."""
        ...

    def expected_devices(self, name: str, *, deadline: float | None = None) -> Iterator[ExpectedDevice]:
        """The devices that it lists."""
        ...

    def export(self, criteria: Filter, *, deadline: float | None = None) -> Iterator[IssuedCertificate]:
        """What was issued, oldest first."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReport:
    """The numbers, and how many findings there are.

    Attributes:
        order: as it stood when all was read.
        devices: that hold a certificate of it, by the records.
        replacements: of their certificates, by the records.
        expected: devices on the list of expected ones, the service's or a file's; None without a list.
        built: lines on the list of built ones; None without a list.
        of_order: findings about the order as a whole.
        counts: how many findings there are of each code.
        comparison: gives the others.
    """

    order: WorkOrder
    devices: int
    replacements: int
    expected: int | None
    built: int | None
    of_order: tuple[Difference, ...]
    counts: Mapping[Code, int]
    comparison: Comparison

    @property
    def agrees(self) -> bool:
        """Whether nothing differs, lawful replacements aside."""
        return not self.of_order and not (self.counts.keys() - {Code.REPLACED})

    def count(self, kind: Kind) -> int:
        """How many findings are of a kind."""
        return sum(number for code, number in self.counts.items() if Difference.of_kind(code) is kind)

    def differences(self) -> Iterator[Difference]:
        """Every finding, those about the order as a whole first."""
        yield from self.of_order
        yield from self.comparison.differences()


def compare(
    source: Source,
    name: str,
    comparison: Comparison,
    bars: Bars,
    *,
    expected: Path | None = None,
    built: Path | None = None,
    deadline: float | None = None,
) -> OrderReport:
    """Compare an order, the devices that it lists, its records, and what was built.

    Args:
        source: of the order, its list and the records.
        name: of the order.
        comparison: takes the lists; the report reads from it as long as it is open.
        bars: show how far it is.
        expected: a CSV of expected devices, in place of those that the service has.
        built: a CSV of what was built.
        deadline: seconds for the order, and without a record or device.

    Raises:
        Refused: the order is unknown, or the caller may not read.
        InputFileError: a list is wrong.
    """
    before = source.get_work_order(name, deadline=deadline)
    if expected:
        with bars(f"{_READING} {expected.name}", None) as done:
            lines = read_expected(expected, other_columns=True)
            comparison.add_expected((line.content for line in lines), done)
    with bars(f"{_READING} what was issued", before.issued + before.replacements) as done:
        comparison.add_issued(source.export(Filter(work_order=name), deadline=deadline), done)
    if before.expected_devices and not expected:
        # After the records: a device that is listed meanwhile may have its certificate at once.
        with bars(f"{_READING} what is expected", before.expected_devices) as done:
            comparison.add_expected(source.expected_devices(name, deadline=deadline), done)
    if built:
        with bars(f"{_READING} {built.name}", None) as done:
            comparison.add_built(read_built(built), done)
    after = source.get_work_order(name, deadline=deadline)
    return OrderReport(
        order=after,
        devices=comparison.devices,
        replacements=comparison.replacements,
        expected=comparison.expected,
        built=comparison.built,
        of_order=tuple(_of_order(before, after, comparison)),
        counts=Counter(difference.code for difference in comparison.differences()),
        comparison=comparison,
    )


def _of_order(before: WorkOrder, after: WorkOrder, comparison: Comparison) -> Iterator[Difference]:
    devices = comparison.devices
    if devices < after.quantity:
        yield Difference.of(Code.QUANTITY_NOT_REACHED, details=(devices, after.quantity))
    # The line may go on issuing while the records are read, and the MES may go on listing devices.
    if not before.issued <= devices <= after.issued:
        yield Difference.of(Code.ISSUED_COUNT_DIFFERS, details=(devices, after.issued))
    expected = comparison.expected
    if expected is not None and not before.expected_devices <= expected <= after.expected_devices:
        yield Difference.of(Code.EXPECTED_COUNT_DIFFERS, details=(expected, after.expected_devices))
