"""Noticing changes: however a file is replaced, and not before its writer is done."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from linecert_service.reloading.files import FileWatch


def in_place(path: Path) -> None:
    """As `echo >` does."""
    path.write_text("new content")


def by_rename(path: Path) -> None:
    """As editors and `station add` do."""
    beside = path.with_name("beside")
    beside.write_text(path.read_text())
    beside.rename(path)


def same_size_and_time(path: Path) -> None:
    """As `cp --preserve` or rsync may do."""
    status = path.stat()
    path.write_text(path.read_text().swapcase())
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def rights(path: Path) -> None:
    """A file that could not be read may become readable."""
    path.chmod(0o640)


def removal(path: Path) -> None:
    """No file is a change, too."""
    path.unlink()


@pytest.mark.parametrize("change", [in_place, by_rename, same_size_and_time, rights, removal])
def test_a_change_is_noticed_when_it_has_settled(tmp_path: Path, change: Callable[[Path], None]) -> None:
    """Once it looks the same twice; and only until it was read."""
    path = tmp_path / "file"
    path.write_text("content")
    watch = FileWatch([path])
    assert not watch.settled()
    change(path)
    assert [watch.settled() for _ in range(3)] == [False, True, True]
    watch.mark_read()
    assert not watch.settled()


def test_a_file_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    """Half a list of stations would lock out the other half."""
    path = tmp_path / "file"
    path.write_text("")
    watch = FileWatch([path])
    for length in range(1, 4):
        path.write_text("x" * length)
        assert not watch.settled()
    assert watch.settled()


def test_an_exchanged_link_is_noticed(tmp_path: Path) -> None:
    """Kubernetes: the file is a link through `..data`, which is replaced by one to another folder."""
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "stations.toml").write_text(version)
    (tmp_path / "..data").symlink_to("one")
    (tmp_path / "stations.toml").symlink_to("..data/stations.toml")
    watch = FileWatch([tmp_path / "stations.toml"])
    (tmp_path / "..data_tmp").symlink_to("two")
    (tmp_path / "..data_tmp").rename(tmp_path / "..data")
    assert [watch.settled() for _ in range(2)] == [False, True]


def test_files_that_belong_together_settle_together(tmp_path: Path) -> None:
    """A certificate is not read while its key is still to come."""
    certificate, key = tmp_path / "certificate", tmp_path / "key"
    watch = FileWatch([certificate, key])
    certificate.write_text("x")
    assert not watch.settled()
    key.write_text("x")
    assert not watch.settled()
    assert watch.settled()


def test_a_change_while_the_file_is_read_is_one_more(tmp_path: Path) -> None:
    """What `mark_read` saw is what counts as read."""
    path = tmp_path / "file"
    watch = FileWatch([path])
    watch.mark_read()
    path.write_text("x")
    assert [watch.settled() for _ in range(2)] == [False, True]
