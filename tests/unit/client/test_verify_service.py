"""The running service, verified from what was seen before."""

import json
import ssl
from pathlib import Path

import pytest

from support.auditor import Auditor
from support.fake_service import fail
from support.ledger import ISSUER, ROOT, Ledger, certificate_entry


def exported(auditor: Auditor) -> list[int]:
    """The first leaf of each export of the log that was asked for."""
    return [request.start_index for request in auditor.requests("ExportLogRequest")]


def test_the_first_visit_reads_everything(auditor: Auditor) -> None:
    """Without a memory all leaves are read, and checked against certificates and issuers."""
    report = auditor.verify()
    assert (report["verified"], report["leaves"], report["issuers_checked"]) == (True, 10, True)
    assert "no checkpoint was remembered" in report["notes"][0]


def test_the_next_visit_reads_what_is_new(auditor: Auditor) -> None:
    """Consistency is proven from the remembered checkpoint on, and only new leaves are read; --full reads all."""
    auditor.verify()
    auditor.service.ledger.grow(7)
    auditor.service.ledger.checkpoint()
    report = auditor.verify()
    assert (report["leaves"], report["size"], report["checkpoints"]) == (7, 17, 2)
    assert auditor.verify()["leaves"] == 0
    assert auditor.verify("--full")["leaves"] == 17
    assert exported(auditor) == [0, 10, 0]


def test_a_rewritten_history_is_found(auditor: Auditor) -> None:
    """A log that has grown, but from another beginning, is inconsistent: the stolen key does not help."""
    auditor.verify()
    forged = auditor.service.ledger.fork(5)
    forged.grow(10, "forged")
    forged.checkpoint()
    auditor.service.ledger = forged
    assert auditor.findings() == ["inconsistent"]


def test_a_fork_of_the_same_size_is_found(auditor: Auditor) -> None:
    """Two signed logs of one size are a fork."""
    auditor.verify()
    forged = auditor.service.ledger.fork(9)
    forged.grow(1, "forged")
    forged.checkpoint()
    auditor.service.ledger = forged
    assert auditor.findings() == ["forked"]


def test_a_restored_backup_is_found(auditor: Auditor) -> None:
    """A log that is smaller than remembered went back; grown past it again, it is inconsistent."""
    auditor.verify()
    restored = auditor.service.ledger.fork(6)
    restored.checkpoint()
    auditor.service.ledger = restored
    assert auditor.findings() == ["went_back"]
    restored.grow(20)
    restored.checkpoint()
    assert auditor.findings() == ["inconsistent"]


def test_leaves_that_are_not_those_signed(auditor: Auditor) -> None:
    """What the service exports has to add up to what it signed."""
    auditor.service.ledger.entries[4] = auditor.service.ledger.entries[4]._replace(
        leaf=certificate_entry("device-4", lot="L")[0]
    )
    assert "root_mismatch" in auditor.findings()


def test_a_stranger_signs(auditor: Auditor) -> None:
    """A checkpoint by another key than log.pub is not taken."""
    auditor.service.ledger = Ledger.of(10)
    assert auditor.findings() == ["checkpoint_not_genuine"]


def test_another_log(auditor: Auditor) -> None:
    """A log with another name is another log, even where its key is trusted."""
    auditor.verify()
    other = Ledger("factory-8")
    other.grow(20)
    other.checkpoint()
    auditor.service.ledger = other
    (auditor.folder / "log.pub").write_text((auditor.folder / "log.pub").read_text() + other.key_lines())
    assert auditor.findings() == ["other_log"]


def test_one_certificate(auditor: Auditor, tmp_path: Path) -> None:
    """A certificate is proven by its serial number, as a device's newest, or from a chain file."""
    entry = auditor.service.ledger.entries[3]
    serial = json.loads(entry.leaf)["serial_number"]
    chain = tmp_path / "device-3.chain.pem"
    chain.write_text(
        ssl.DER_cert_to_PEM_cert(entry.certificate)
        + ssl.DER_cert_to_PEM_cert(ISSUER.der)
        + ssl.DER_cert_to_PEM_cert(ROOT.der)
    )
    for named in (("--serial", serial), ("--registration-id", "device-3"), ("--chain", str(chain))):
        report = auditor.verify(*named)
        assert "the certificate is leaf 3 of the log" in report["notes"]
        assert report["issuers_checked"]
    assert exported(auditor) == []


def test_a_certificate_whose_leaf_names_another_device(auditor: Auditor) -> None:
    """A proof of a leaf that is about another device does not pass."""
    ledger = auditor.service.ledger
    ledger.append(*certificate_entry("device-10", stated_id="device-11"))
    ledger.checkpoint()
    serial = json.loads(ledger.entries[10].leaf)["serial_number"]
    assert auditor.findings("--serial", serial) == ["leaf_mismatch"]


def test_a_certificate_without_a_proof(auditor: Auditor) -> None:
    """A proof that leads elsewhere does not pass."""
    note = auditor.service.ledger.notes[-1]
    auditor.service.ledger.entries[0] = auditor.service.ledger.entries[1]
    auditor.service.ledger.notes = [note]
    assert auditor.findings("--registration-id", "device-3") == ["not_included"]


def test_a_station_verifies_what_it_may_read(auditor: Auditor) -> None:
    """A caller that may not export the log still proves that it only grew, and is told what was not read."""
    auditor.service.roles_missing.add("ExportLog")
    report = auditor.verify()
    assert report["notes"][-1] == "the leaves were not read: that takes the role auditor"
    assert report["leaves"] == 0


def test_a_stream_that_breaks_goes_on(auditor: Auditor) -> None:
    """A broken export goes on at the next leaf."""
    auditor.service.break_after = [2, 1]
    assert auditor.verify()["leaves"] == 10
    assert exported(auditor) == [0, 6, 9]


def test_a_call_that_fails_remembers_nothing(auditor: Auditor) -> None:
    """A service that refuses is no verification."""
    auditor.service.script(fail("PERMISSION_DENIED"))
    auditor.run("verify", code=6)
    assert not auditor.memory.exists()


def test_without_a_key_nothing_is_trusted(auditor: Auditor) -> None:
    """The key of the service is taken only when that is asked for, said, and written once it verified."""
    (auditor.folder / "log.pub").unlink()
    assert not auditor.run("verify", code=4)
    report = auditor.verify("--trust-on-first-use")
    assert any("compare it with the operator's pki/log.pub" in note for note in report["notes"])
    assert (auditor.folder / "log.pub").read_text() == auditor.service.ledger.key_lines()
    auditor.service.ledger = Ledger.of(12)
    assert auditor.findings("--trust-on-first-use") == ["checkpoint_not_genuine"]


@pytest.mark.parametrize("reason", ["rotation", "key-lost"])
def test_a_new_key_goes_on(auditor: Auditor, reason: str) -> None:
    """After a rotation the log is consistent from the remembered size on, once the auditor has the new key."""
    auditor.verify()
    ledger = auditor.service.ledger
    ledger.grow(3)
    ledger.begin_epoch(reason)
    assert auditor.findings() == ["checkpoint_not_genuine"]
    auditor.trust(ledger)
    report = auditor.verify()
    assert (report["origin"], report["leaves"]) == ("factory-7/2", 4)
    assert "the log went on from factory-7/1 to factory-7/2" in report["notes"]


def test_two_rotations_at_once(auditor: Auditor) -> None:
    """Epochs that came and went between two visits are followed one by one."""
    auditor.verify()
    ledger = auditor.service.ledger
    for _ in range(2):
        ledger.begin_epoch("rotation")
        ledger.grow(2)
        ledger.checkpoint()
    auditor.trust(ledger)
    assert auditor.verify()["origin"] == "factory-7/3"


def test_an_epoch_without_its_event(auditor: Auditor) -> None:
    """A new origin that no leaf explains is found."""
    auditor.verify()
    ledger = auditor.service.ledger
    ledger.signers.append(ledger._signer(2))
    ledger.grow(1)
    ledger.checkpoint()
    auditor.trust(ledger)
    assert auditor.findings() == ["epoch_unannounced"]


def test_a_rotation_does_not_hide_a_rewritten_history(auditor: Auditor) -> None:
    """An epoch that claims to go on has to be consistent with what was remembered."""
    auditor.verify()
    forged = auditor.service.ledger.fork(5)
    forged.grow(10, "forged")
    forged.begin_epoch("rotation")
    auditor.service.ledger = forged
    auditor.trust(forged)
    assert auditor.findings() == ["inconsistent"]


def test_a_restored_log_is_accepted_only_on_demand(auditor: Auditor) -> None:
    """A restore fails until it is accepted; then what was lost is said, all is read anew, and later visits pass."""
    auditor.verify()
    restored = auditor.service.ledger.fork(6)
    restored.begin_epoch("restored", old=auditor.service.ledger)
    restored.grow(9)
    restored.checkpoint()
    auditor.service.ledger = restored
    auditor.trust(restored)
    assert auditor.findings() == ["epoch_restored"]
    report = auditor.verify("--accept-epoch", "2")
    assert any("leaves 6 to 9 are lost" in note for note in report["notes"])
    assert any("it keeps 6 at most of the 10 leaves verified before" in note for note in report["notes"])
    assert report["leaves"] == 16
    auditor.verify()
    auditor.verify("--full")


def test_a_memory_that_is_none(auditor: Auditor) -> None:
    """A file that is no memory is not overwritten."""
    auditor.memory.write_text("{}")
    auditor.run("verify", code=4)
    assert auditor.memory.read_text() == "{}"
