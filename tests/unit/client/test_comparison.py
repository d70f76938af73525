"""What a comparison of order, plan, record and production finds."""

import re
from collections.abc import Sequence

import pytest

from linecert_client.csv_files import Line
from linecert_client.planning.comparison import Comparison
from linecert_client.planning.differences import Code, Difference, Kind
from linecert_client.planning.files import BUILT_COLUMNS, DEVICE_COLUMNS, ORDER_COLUMNS, Built
from linecert_client.results import IssuedCertificate
from linecert_client.work_orders import ExpectedDevice
from support.checkout import ROOT


def issued(device: str, serial: int, generation: int = 1) -> IssuedCertificate:
    """A record."""
    empty = dict.fromkeys(("station", "line", "request_id", "work_order", "lot", "profile", "state"), "")
    hashes = dict.fromkeys(("issuer_certificate_sha256", "certificate_sha256", "public_key_sha256", "csr_sha256"), "")
    return IssuedCertificate(
        **empty,
        **hashes,
        serial_number=f"{serial:040x}",
        registration_id=device,
        generation=generation,
        attributes={},
        not_before=None,
        not_after=None,
        issue_time=None,
        certificate=b"",
        replaces_serial_number=f"{serial - 1:040x}" if generation > 1 else "",
        replaced_by_serial_number="",
        replacement_reason="rework" if generation > 1 else "",
        log_index=serial,
    )


def found(
    records: Sequence[IssuedCertificate],
    *,
    expected: Sequence[str] | None = None,
    built: Sequence[Built] | None = None,
) -> list[tuple[str, str, int | None]]:
    """Code, registration ID and line of each difference."""
    with Comparison() as comparison:
        if expected is not None:
            comparison.add_expected(map(ExpectedDevice, expected))
        comparison.add_issued(records)
        if built is not None:
            comparison.add_built(Line(2 + n, device) for n, device in enumerate(built))
        return [(one.code.value, one.registration_id, one.line) for one in comparison.differences()]


RECORDS = [issued("Dev-1", 1), issued("dev-2", 2), issued("dev-3", 3)]


def test_equal_lists_have_no_difference() -> None:
    """IDs are compared as DPS does, without case, and a device that is expected twice is one device."""
    built = [Built("dev-1", ""), Built("", f"{2:040x}"), Built("dev-3", f"{3:040x}")]
    assert found(RECORDS, expected=["dev-1", "DEV-2", "dev-3", "dev-3"], built=built) == []


def test_without_lists_only_replacements_are_found() -> None:
    """Nothing is missing or extra where nobody says what there should be."""
    assert found([*RECORDS, issued("dev-2", 4, 2)]) == [("replaced", "dev-2", None)]


def test_expected_and_issued() -> None:
    """What has no certificate is missing, and what nobody expected is extra."""
    assert found(RECORDS, expected=["dev-1", "dev-2", "dev-4"]) == [
        ("not_issued", "dev-4", None),
        ("not_expected", "dev-3", None),
    ]


def test_issued_and_built() -> None:
    """A certificate without a device, a device without a certificate, a device twice; with the lines of the file."""
    built = [Built("dev-1", ""), Built("dev-9", ""), Built("", "ab" * 20), Built("DEV-1", ""), Built("", f"{1:040x}")]
    assert found(RECORDS, built=built) == [
        ("not_built", "dev-2", None),
        ("not_built", "dev-3", None),
        ("no_certificate", "dev-9", 3),
        ("no_certificate", "", 4),
        ("built_twice", "DEV-1", 5),
        ("built_twice", "Dev-1", 6),
    ]


def test_a_built_device_with_a_replaced_certificate() -> None:
    """It holds another certificate than the record says; with the newest one all is well."""
    records = [*RECORDS, issued("dev-3", 4, 2)]
    others = [Built("dev-1", ""), Built("dev-2", "")]
    assert found(records, built=[*others, Built("dev-3", f"{4:040x}")]) == [("replaced", "dev-3", None)]
    assert found(records, built=[*others, Built("", f"{3:040x}")]) == [
        ("outdated_certificate_built", "dev-3", 4),
        ("replaced", "dev-3", None),
    ]


@pytest.mark.parametrize("serial", [f"{2:040x}", "ef" * 20])
def test_a_built_device_with_a_certificate_of_another(serial: str) -> None:
    """The serial number is another device's of the order, or of none of its devices."""
    built = [Built("dev-1", serial), Built("dev-2", ""), Built("dev-3", "")]
    assert found(RECORDS, built=built) == [("other_certificate", "dev-1", 2)]


def test_numbers() -> None:
    """Devices are counted once, however often their certificate was replaced."""
    with Comparison() as comparison:
        comparison.add_issued([*RECORDS, issued("dev-2", 4, 2), issued("dev-2", 5, 3)])
        assert (comparison.devices, comparison.replacements) == (3, 2)


def test_every_code_has_a_kind_and_a_text() -> None:
    """A code without either would be found by a planner first."""
    for code in Code:
        difference = Difference.of(code, details=("1", "2", "3"))
        assert difference.kind in Kind
        assert difference.detail
    assert [code for code in Code if Difference.of(code, details=("1", "2", "3")).lawful] == [Code.REPLACED]


def test_the_document_has_every_code_and_column() -> None:
    """docs/work-orders.md tells planners and their scripts what there is."""
    document = (ROOT / "docs/work-orders.md").read_text(encoding="utf-8")
    stated = re.findall(r"^\| `([a-z]+)` \| `([a-z_]+)` \|", document, re.MULTILINE)
    codes = [(Difference.of_kind(code).value, code.value) for code in Code]
    assert sorted(row for row in stated if row[0] in set(Kind)) == sorted(codes)
    for column in (*ORDER_COLUMNS, *DEVICE_COLUMNS, *BUILT_COLUMNS[:1]):
        for heading in (column.name, *column.aliases):
            assert f"`{heading}`" in document
