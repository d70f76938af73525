"""Files: safe names, never half a file, never a key overwritten; the journal that makes a repeat the same request."""

import json
import os
import stat
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linecert.registration_id import RegistrationIdError
from linecert_client import OutputError, keys, outputs
from linecert_client.device_files import DeviceFiles
from linecert_client.journal import Journal
from linecert_client.keys import KeyType
from support.client_pki import Identity

_posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
_PEM_WITHOUT_CSR = b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"
_IDS = st.from_regex(r"[A-Za-z0-9._:-]{0,63}[A-Za-z0-9-]", fullmatch=True)


@pytest.mark.parametrize(
    "registration_id, stem",
    [
        ("device-01", "device-01"),
        ("a:b:c", "a%3Ab%3Ac"),
        ("-rf", "%2Drf"),
        (".hidden", "%2Ehidden"),
        ("..-", "%2E.-"),
        ("CON", "%43ON"),
        ("nul", "%6Eul"),
        ("Com1.board-7", "%43om1.board-7"),
        ("lpt9", "%6Cpt9"),
        ("AUX.a.b", "%41UX.a.b"),
        ("console", "console"),
        ("com10", "com10"),
    ],
)
def test_safe_stem(registration_id: str, stem: str) -> None:
    """Colons, leading '-' and '.', and the first character of Windows device names are encoded, and nothing else."""
    assert outputs.safe_stem(registration_id) == stem


@pytest.mark.parametrize("text", ["", "../x", "a/b", "a\\b", "a\n", "a.", "é", "a" * 65])
def test_no_registration_id_becomes_a_path(text: str) -> None:
    """What is no registration ID, such as a path, is no file name either."""
    with pytest.raises(RegistrationIdError):
        outputs.safe_stem(text)


@given(_IDS, _IDS)
def test_different_ids_have_different_stems(first: str, second: str) -> None:
    """No two IDs share a file name."""
    assert (first == second) is (outputs.safe_stem(first) == outputs.safe_stem(second))


@given(_IDS)
def test_stem_is_harmless(registration_id: str) -> None:
    """No stem is an option, hidden, or has a character that Windows forbids."""
    stem = outputs.safe_stem(registration_id)
    assert stem[0] not in "-."
    assert not set(stem) & set('<>:"/\\|?*')


def test_write_replaces_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """A write replaces the content in one step and leaves no temporary file."""
    outputs.write(tmp_path / "a", b"one")
    outputs.write(tmp_path / "a", b"two")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"two"


def test_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk fails, the old file stands and no temporary file is left."""
    outputs.write(tmp_path / "a", b"one")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="no space left"):
        outputs.write(tmp_path / "a", b"two")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"one"


@_posix
def test_key_file_is_private(tmp_path: Path) -> None:
    """A key file is readable for its owner alone."""
    outputs.write_private(tmp_path / "k", b"key")
    assert stat.S_IMODE((tmp_path / "k").stat().st_mode) == 0o600


@_posix
def test_key_file_is_private_from_its_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The temporary file has the mode from the moment it is created, before it holds anything."""
    modes: list[int] = []
    fdopen = os.fdopen

    def watch(descriptor: int, mode: str) -> object:
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return fdopen(descriptor, mode)

    monkeypatch.setattr(os, "fdopen", watch)
    outputs.write_private(tmp_path / "k", b"key")
    assert modes == [0o600]


@pytest.mark.parametrize("links", [True, False])
def test_key_is_never_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    """A key that is there stays, with and without a file system that knows hard links."""
    if not links:

        def refuse(*_: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(Path, "hardlink_to", refuse)
    outputs.write_private(tmp_path / "k", b"first")
    with pytest.raises(OutputError, match="is there already"):
        outputs.write_private(tmp_path / "k", b"second")
    assert (tmp_path / "k").read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["k"]


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A folder that cannot be made, or a file in the place of a folder, is told with its path."""
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file"):
        outputs.make_folder(tmp_path / "file" / "x")


class TestJournal:
    """The journal."""

    def test_same_request_has_the_same_id(self, tmp_path: Path) -> None:
        """A request that is repeated has the request_id of the first time, also from a new process."""
        first = Journal(tmp_path / "j").request_id({"key": "a"})
        assert Journal(tmp_path / "j").request_id({"key": "a"}) == first
        assert str(uuid.UUID(first)) == first

    def test_other_request_has_another_id(self, tmp_path: Path) -> None:
        """A request with other wishes is another request."""
        journal = Journal(tmp_path / "j")
        first = journal.request_id({"key": "a"})
        assert journal.request_id({"key": "a", "lot": "7"}) != first
        assert journal.knows({"key": "a", "lot": "7"})
        assert not journal.knows({"key": "a"})

    def test_wanted_id_is_noted(self, tmp_path: Path) -> None:
        """A request_id that the caller insists on is used and kept."""
        journal = Journal(tmp_path / "j")
        journal.request_id({"key": "a"})
        wanted = str(uuid.uuid4())
        assert journal.request_id({"key": "a"}, wanted) == wanted
        assert journal.request_id({"key": "a"}) == wanted

    @pytest.mark.parametrize(
        "content",
        [b"", b"[]", b"{}", b"\xff", b'{"version": 1, "request": {}, "request_id": "x"}', b'{"version": 1}'],
    )
    def test_no_journal(self, tmp_path: Path, content: bytes) -> None:
        """A file that is no journal is told, not overwritten."""
        (tmp_path / "j").write_bytes(content)
        with pytest.raises(OutputError, match="is not a request journal"):
            Journal(tmp_path / "j").request_id({})
        assert (tmp_path / "j").read_bytes() == content

    def test_journal_of_another_version(self, tmp_path: Path) -> None:
        """A journal of a later version is told as such."""
        entry = {"version": 2, "request": {}, "request_id": str(uuid.uuid4())}
        (tmp_path / "j").write_text(json.dumps(entry))
        with pytest.raises(OutputError, match="another version"):
            Journal(tmp_path / "j").request_id({})


class TestDeviceFiles:
    """The files of one device."""

    @pytest.fixture
    def files(self, tmp_path: Path) -> DeviceFiles:
        """Those of device-01, in a folder that is not there yet."""
        return DeviceFiles(tmp_path / "out" / "lot-7", "device-01")

    def test_key_and_csr_are_kept(self, files: DeviceFiles) -> None:
        """Key and CSR are made once."""
        key = files.key(KeyType.P384)
        csr = files.csr(key)
        again = files.key(None)
        assert keys.key_to_pem(again) == keys.key_to_pem(key)
        assert files.csr(again) == csr

    def test_key_of_another_kind(self, files: DeviceFiles) -> None:
        """A key that is there is not taken for one of another kind."""
        files.key(KeyType.P256)
        with pytest.raises(OutputError, match="no rsa-2048 key"):
            files.key(KeyType.RSA_2048)

    @pytest.mark.parametrize("content", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
    def test_key_that_cannot_be_read(self, files: DeviceFiles, content: bytes) -> None:
        """A key file without a key is told, not overwritten."""
        files.key_path.write_bytes(content)
        with pytest.raises(OutputError, match="no private key"):
            files.key(None)
        assert files.key_path.read_bytes() == content

    def test_csr_of_another_key(self, files: DeviceFiles) -> None:
        """A CSR of another key is told."""
        files.csr_path.write_bytes(keys.make_csr(keys.generate(KeyType.P256), "device-01"))
        with pytest.raises(OutputError, match="not the CSR"):
            files.csr(files.key(None))

    def test_csr_that_cannot_be_read(self, files: DeviceFiles) -> None:
        """A CSR file without a CSR is told."""
        files.csr_path.write_bytes(b"swordfish")
        with pytest.raises(OutputError, match="not the CSR"):
            files.csr(files.key(None))

    def test_chain_of_another_device_stays(self, files: DeviceFiles) -> None:
        """The chain of another device is never overwritten, replacement or not."""
        key = files.key(None)
        authority = Identity.authority("ca")
        files.chain_path.write_bytes(authority.issue("device-02").pem)
        for replacing in (False, True):
            with pytest.raises(OutputError, match="another device"):
                files.check_chain(key.public_key(), replacing=replacing)

    def test_chain_of_another_key_stays_without_a_reason(self, files: DeviceFiles) -> None:
        """The device's chain for another key is overwritten for a replacement only."""
        key = files.key(None)
        files.chain_path.write_bytes(Identity.authority("ca").issue("device-01").pem)
        with pytest.raises(OutputError, match="another key"):
            files.check_chain(key.public_key(), replacing=False)
        files.check_chain(key.public_key(), replacing=True)

    def test_file_that_is_no_chain_stays(self, files: DeviceFiles) -> None:
        """Something else in the chain's place is not overwritten."""
        files.chain_path.write_bytes(b"swordfish")
        with pytest.raises(OutputError, match="no certificate"):
            files.check_chain(files.key(None).public_key(), replacing=True)


@pytest.mark.parametrize("key_type", [KeyType.P256, KeyType.P384, KeyType.RSA_2048])
def test_key_kinds(key_type: KeyType) -> None:
    """A generated key is of the kind asked for, and its CSR is read back with its name and key."""
    key = keys.generate(key_type)
    assert keys.key_type_of(keys.key_from_pem(keys.key_to_pem(key))) is key_type
    read = keys.read_csr(keys.make_csr(key, "device-01"))
    assert read is not None
    assert read[0] == "device-01"
    assert keys.spki(read[1]) == keys.spki(key.public_key())


@pytest.mark.parametrize("csr", [b"", b"x", _PEM_WITHOUT_CSR])
def test_unreadable_csr_is_left_to_the_service(csr: bytes) -> None:
    """A CSR that cannot be read here is no error here."""
    assert keys.read_csr(csr) is None


def test_certificate_is_no_csr() -> None:
    """A certificate in the place of a CSR is not read as one."""
    assert keys.read_csr(Identity.authority("ca").issue("device-01").pem) is None
