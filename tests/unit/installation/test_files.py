"""Files of an installation: on disk, whole, before anybody is told that they are there."""

import os
import stat
from pathlib import Path

import pytest

from linecert_service.installation import files


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The inode and size of each file or folder that was synced, when it was."""
    seen: list[tuple[int, int]] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        status = os.fstat(descriptor)
        seen.append((status.st_ino, 0 if stat.S_ISDIR(status.st_mode) else status.st_size))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    return seen


def test_a_new_file_outlasts_a_power_cut(tmp_path: Path, synced: list[tuple[int, int]]) -> None:
    """A CA key that was just made: its whole content is synced, then the folder that names it."""
    path = tmp_path / "key.pem"
    files.write_new(path, b"content", files.PRIVATE)
    assert synced == [(path.stat().st_ino, len(b"content")), (tmp_path.stat().st_ino, 0)]
    assert stat.S_IMODE(path.stat().st_mode) == files.PRIVATE


def test_a_replaced_file_outlasts_a_power_cut(tmp_path: Path, synced: list[tuple[int, int]]) -> None:
    """The new content, and then the folder: not the old one after all."""
    path = tmp_path / "settings.toml"
    path.write_bytes(b"old")
    files.replace(path, b"newer")
    assert synced == [(path.stat().st_ino, len(b"newer")), (tmp_path.stat().st_ino, 0)]
    assert path.read_bytes() == b"newer"
