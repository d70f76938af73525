"""The operator's deny list is read strictly, and errors name the line."""

import hashlib
from pathlib import Path

import pytest

from linecert_service.csr import deny_list
from linecert_service.domain.errors import ConfigurationError

ONE = hashlib.sha256(b"one").hexdigest()
TWO = hashlib.sha256(b"two").hexdigest()


def test_entries_comments_and_empty_lines_are_read(tmp_path: Path) -> None:
    """Either case of hex, comments on lines of their own and after an entry, CRLF, a byte order mark."""
    file = tmp_path / "deny"
    file.write_bytes(f"\ufeff# leaked in 2024\r\n\r\n  {ONE.upper()}  # Contoso's\r\n{TWO}\n{TWO}".encode())
    assert deny_list.read(file) == {bytes.fromhex(ONE), bytes.fromhex(TWO)}


def test_an_empty_file_denies_nothing(tmp_path: Path) -> None:
    """It is a list without entries."""
    file = tmp_path / "deny"
    file.touch()
    assert deny_list.read(file) == frozenset()


@pytest.mark.parametrize("line", [ONE[:-1], ONE + "0", "g" * 64, f"{ONE[:32]} {ONE[32:]}", "0x" + ONE, f"{ONE}  file"])
def test_another_line_is_an_error_that_names_it(line: str, tmp_path: Path) -> None:
    """Not a hash: too short, too long, no hex, split, prefixed, or followed by sha256sum's file name."""
    file = tmp_path / "deny"
    file.write_text(f"{TWO}\n# comment\n{line}\n", "utf-8")
    with pytest.raises(ConfigurationError, match=r"deny, line 3: .*64 hex digits"):
        deny_list.read(file)


def test_a_file_that_cannot_be_read_is_an_error_that_names_it(tmp_path: Path) -> None:
    """It is not there, a directory, or no text."""
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "missing", tmp_path, binary):
        with pytest.raises(ConfigurationError, match=str(path)):
            deny_list.read(path)
