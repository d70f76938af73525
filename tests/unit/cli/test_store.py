"""`linecert-server store` and `log`, over databases of both kinds that real servers' parts have filled."""

import json
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from sqlalchemy import create_engine, delete, insert, make_url, select, text, update

from linecert.transparency import EMPTY_ROOT, NoteSigner, VerifierKey, open_checkpoint
from linecert_service.cli import main
from linecert_service.domain.clock import SystemClock
from linecert_service.installation import log_key
from linecert_service.store import self_check
from linecert_service.store.append import append
from linecert_service.store.backends import backend_for
from linecert_service.store.checkpoints import Checkpoints
from linecert_service.store.issuers import Issuers
from linecert_service.store.log_guard import LogGuard
from linecert_service.store.schema import CERTIFICATES, CHECKPOINTS, EVENTS, ISSUERS, LOG_NODES
from support import postgres
from support.claims import ISSUER_SHA256, claim, signed
from support.installations import NAME, Installation
from support.tampering import unguarded


class Site:
    """An installation with a database of one of the kinds, and certificates in it."""

    def __init__(self, installation: Installation, url: str) -> None:
        self.installation = installation
        self.url = url

    def run(self, *arguments: str) -> int:
        """Run a command, and return its exit status."""
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--config", str(self.installation.config)])
        return int(ended.value.code or 0)

    def fill(self, *names: str) -> None:
        """Append certificates that are none of X.509, and sign a checkpoint as a server does."""
        with closing(backend_for(self.url)) as backend:
            issuers = Issuers(backend.engine)
            issuers.read()
            writer = backend.writer()
            append(writer, issuers, [signed(claim(name)) for name in names], SystemClock().time())
            writer.close()
            key = load_pem_private_key(self.installation.settings().log.key.read_bytes(), None)
            layout = self.installation.layout
            Checkpoints(
                backend.engine,
                issuers,
                signer=NoteSigner(self.origin(), key),  # type: ignore[arg-type]  # an Ed25519 key
                guard=LogGuard.load(layout.log_state),
                published=layout.checkpoints,
                clock=SystemClock(),
            ).sign()

    def origin(self) -> str:
        """The name of the current epoch's key."""
        return VerifierKey.parse(self.installation.layout.log_pub.read_text().split()[0]).name


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Site:
    """An installation whose database is upgraded, with an issuer and five certificates."""
    url = f"sqlite:///{installation.folder}/linecert.db"
    if request.param == "postgresql":
        url = postgres.cluster().new_database()
        monkeypatch.setenv("LINECERT_STORE__URL", url)
    site = Site(installation, url)
    assert site.run("store", "upgrade") == 0
    with closing(backend_for(url)) as backend, backend.engine.begin() as connection:
        values = {"id": 1, "certificate_sha256": ISSUER_SHA256, "key_sha256": b"k" * 32, "chain": b"", "added_at": 1}
        connection.execute(insert(ISSUERS).values(values))
    site.fill(*(f"device-{number}" for number in range(5)))
    return site


def test_status_shows_the_log(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """Size, origin and newest checkpoint, for people and for programs; never a password."""
    assert site.run("store", "status") == 0
    capsys.readouterr()
    assert site.run("store", "status", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["entries"], shown["newest_checkpoint"], shown["log"]) == (5, 5, f"{NAME}/1")
    assert shown["schema"] == "current"


@pytest.mark.parametrize("command", [["status"], ["verify"], ["backup", "copy"]], ids=lambda command: command[0])
def test_no_database_is_made_by_looking(
    installation: Installation, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Where there is none, the commands say so, and leave none behind."""
    assert Site(installation, "").run("store", *command) == 1
    assert "is not there" in capsys.readouterr().err
    assert not list(installation.folder.glob("linecert.db*"))


def test_status_of_an_empty_database(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the first upgrade it says what to run, and there is nothing to back up."""
    monkeypatch.setenv("LINECERT_STORE__URL", postgres.cluster().new_database())
    site = Site(installation, "")
    assert site.run("store", "status", "--json") == 0
    assert "store upgrade" in json.loads(capsys.readouterr().out)["schema"]
    assert site.run("store", "backup", "copy") == 1
    assert "store upgrade" in capsys.readouterr().err


def test_database_out_of_reach_is_a_sentence(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback, and no password."""
    monkeypatch.setenv("LINECERT_STORE__URL", "postgresql://me:hunter2@127.0.0.1:1/nothing")
    assert Site(installation, "").run("store", "status") == 1
    errors = capsys.readouterr().err
    assert errors.startswith("error: store.url: the database does not answer")
    assert "hunter2" not in errors


def test_backup_is_a_database(site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The copy holds every entry; an existing file is not overwritten."""
    target = tmp_path / "backup"
    assert site.run("store", "backup", str(target)) == 0
    assert site.run("store", "backup", str(target)) == 1
    assert "there already" in capsys.readouterr().err
    if site.url.startswith("sqlite"):
        engine = create_engine(make_url(f"sqlite:///{target}"))
        with engine.connect() as connection:
            assert len(connection.execute(select(CERTIFICATES.c.serial)).all()) == 5
        engine.dispose()
    else:
        assert target.read_bytes().startswith(b"PGDMP")


def verified(site: Site, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The problems that `store verify` finds, without those of certificates that are none of X.509."""
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(self_check, "MAX_PROBLEMS", 10_000)
        status = site.run("store", "verify", "--json")
    problems: list[str] = json.loads(capsys.readouterr().out)["problems"]
    assert status == (1 if problems else 0)
    return [problem for problem in problems if "the certificate cannot be read" not in problem]


def test_verify_finds_nothing_in_a_good_store(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows, tree, nodes and checkpoints fit, over more than one chunk of stored subtrees."""
    site.fill(*(f"more-{number}" for number in range(300)))
    assert verified(site, capsys) == []


def test_verify_finds_an_altered_row(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """The head's root and the checkpoint do not fit any more."""
    with closing(backend_for(site.url)) as backend, unguarded(backend) as connection:
        connection.execute(update(CERTIFICATES).where(CERTIFICATES.c.log_index == 2).values(line="line-99"))
    problems = verified(site, capsys)
    assert "the head's root is not the root over the entries" in problems
    assert "the first 5 entries are not those that the checkpoint of this size states" in problems


def test_verify_finds_a_deleted_row(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """It says which positions are gone."""
    with closing(backend_for(site.url)) as backend, unguarded(backend) as connection:
        connection.execute(delete(CERTIFICATES).where(CERTIFICATES.c.log_index == 2))
    assert "entries 2 to 2 are missing, or cannot be read" in verified(site, capsys)


def test_verify_finds_an_altered_subtree(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """Stored subtrees are compared with those over the entries."""
    site.fill(*(f"more-{number}" for number in range(300)))
    with closing(backend_for(site.url)) as backend, backend.engine.begin() as connection:
        connection.execute(update(LOG_NODES).values(hash=b"x" * 32))
    assert "the stored subtree 0 of level 8 is not the one over its entries" in verified(site, capsys)


def test_verify_finds_a_forged_checkpoint(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """A checkpoint that the log's key did not sign."""
    with closing(backend_for(site.url)) as backend, backend.engine.begin() as connection:
        connection.execute(text("UPDATE checkpoints SET note = replace(note, '5', '4')"))
    assert any("does not verify" in problem for problem in verified(site, capsys))


@pytest.mark.parametrize("reason", ["rotation", "key-lost"])
def test_new_epoch_goes_on(site: Site, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The first event names the old origin, size and root; the new key signs, and both keys are known."""
    old_key = site.installation.settings().log.key.read_bytes()
    if reason == "key-lost":
        site.installation.settings().log.key.unlink()
    assert site.run("log", "new-epoch", "--reason", reason) == 0
    assert f"{NAME}/2" in capsys.readouterr().out
    layout = site.installation.layout
    keys = [VerifierKey.parse(line) for line in layout.log_pub.read_text().split()]
    assert [key.name for key in keys] == [f"{NAME}/2", f"{NAME}/1"]
    assert site.installation.settings().log.key.read_bytes() != old_key
    with closing(backend_for(site.url)) as backend, backend.engine.begin() as connection:
        event = connection.execute(select(EVENTS)).one()
        notes = connection.scalars(select(CHECKPOINTS.c.note).order_by(CHECKPOINTS.c.size)).all()
    old, new = (open_checkpoint(note, keys) for note in notes[-2:])
    assert json.loads(event.detail) == {
        "old_origin": f"{NAME}/1",
        "old_size": "5",
        "old_root": old.root.hex(),
        "reason": reason,
    }
    assert (new.origin, new.size) == (f"{NAME}/2", 6)
    site.fill("device-9")
    assert verified(site, capsys) == []


def test_rotation_needs_the_old_key(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """Another key in its place is noticed, and nothing has changed."""
    key = site.installation.settings().log.key
    key.write_bytes(site.installation.layout.station_ca_key.read_bytes())
    before = site.installation.layout.log_pub.read_text()
    assert site.run("log", "new-epoch", "--reason", "rotation") == 1
    assert "log.key" in capsys.readouterr().err
    assert site.installation.layout.log_pub.read_text() == before


def test_epoch_after_a_restore_names_what_is_lost(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """The event names the size that was remembered, which the restored log has not; any other reason is refused."""
    with closing(backend_for(site.url)) as backend, unguarded(backend) as connection:
        connection.execute(delete(CERTIFICATES))
        connection.execute(delete(CHECKPOINTS))
        connection.execute(text("UPDATE log_head SET size = 0"))
    assert site.run("log", "new-epoch", "--reason", "key-lost") == 1
    assert "has seen before" in capsys.readouterr().err
    with closing(backend_for(site.url)) as backend, backend.engine.begin() as connection:
        connection.execute(
            text("UPDATE log_head SET frontier = :none, root = :root"), {"none": b"", "root": EMPTY_ROOT}
        )
    assert site.run("log", "new-epoch", "--reason", "restored") == 0
    with closing(backend_for(site.url)) as backend, backend.engine.begin() as connection:
        detail = json.loads(str(connection.scalar(select(EVENTS.c.detail))))
    assert (detail["old_size"], detail["reason"]) == ("5", "restored")
    assert site.origin() == f"{NAME}/2"


def test_check_looks_into_the_store(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """A database that the server can go on with is told with its size; the log key must be the one that signed."""
    assert site.run("check", "--json") == 0
    (stored,) = (row for row in json.loads(capsys.readouterr().out)["checked"] if row["checked"] == "store")
    assert "5 entries" in stored["detail"]
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    site.installation.settings().log.key.write_bytes(key)
    assert site.run("check") == 1
    assert "log.key: the key did not sign" in capsys.readouterr().err


def test_check_finds_a_log_that_went_back(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """What this server remembers of the log is compared, as the server does at its start."""
    state = site.installation.layout.log_state
    state.write_text(state.read_text().replace("\n5\n", "\n6\n"))
    assert site.run("check") == 1
    assert "After a restore" in capsys.readouterr().err


@pytest.mark.parametrize("revision, status", [("0001", 0), ("9999", 1)])
def test_check_of_another_schema(
    installation: Installation, capsys: pytest.CaptureFixture[str], revision: str, status: int
) -> None:
    """The server brings an older one up to date; a newer one needs a newer linecert."""
    site = Site(installation, f"sqlite:///{installation.folder}/linecert.db")
    assert site.run("store", "upgrade") == 0
    with closing(backend_for(site.url)) as backend, backend.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
    capsys.readouterr()
    assert site.run("check", "--json") == status
    captured = capsys.readouterr()
    assert ("brought to the schema" in captured.out) if status == 0 else ("newer linecert" in captured.err)


def test_check_of_a_damaged_database(installation: Installation, capsys: pytest.CaptureFixture[str]) -> None:
    """SQLite's finding, and what to do; no address of a library's manual."""
    (installation.folder / "linecert.db").write_bytes(b"no database at all" * 100)
    assert Site(installation, "").run("check") == 1
    error = capsys.readouterr().err
    assert "docs/operations.md" in error
    assert "sqlalche.me" not in error


def test_verify_finds_rows_that_the_log_does_not_cover(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """A row before the first position or behind the head would be taken for issued."""
    with closing(backend_for(site.url)) as backend, backend.engine.begin() as connection:
        row = dict(connection.execute(select(CERTIFICATES).where(CERTIFICATES.c.log_index == 1)).one()._mapping)
        for index in (-5, 1000):
            changes = {"log_index": index, "serial": str(index).encode(), "request_id": str(index), "station": "x"}
            changes |= {"registration_key": f"forged{index}"}
            connection.execute(insert(CERTIFICATES).values(row | changes))
    problems = verified(site, capsys)
    assert [problem for problem in problems if "does not cover" in problem] == [
        f"certificates has a row at position {index}, which the log does not cover" for index in (-5, 1000)
    ]


@pytest.mark.parametrize("reason", ["rotation", "key-lost"])
@pytest.mark.parametrize("step", ["remember", "_publish", "announce", "replace"])
def test_interrupted_new_epoch_is_finished_by_running_it_again(
    site: Site, reason: str, step: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever step it stopped at: one epoch is begun, its key is known, and the store verifies."""
    places: dict[str, tuple[object, str]] = {
        "remember": (LogGuard, "remember"),
        "_publish": (Checkpoints, "_publish"),
        "announce": (log_key, "announce"),
        "replace": (Path, "replace"),
    }
    owner, name = places[step]
    real = getattr(owner, name)

    def stop(first: object, *arguments: object) -> object:
        moved = step != "replace" or str(first).endswith("log.key.pem.new")
        # A rotation signs a last checkpoint under the old key first: that one goes through.
        if moved and (step not in ("remember", "_publish") or _epochs(site) == 1):
            raise OSError("interrupted")
        return real(first, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, stop)
        assert site.run("log", "new-epoch", "--reason", reason) == 1
    assert site.run("log", "new-epoch", "--reason", reason) == 0
    assert site.origin() == f"{NAME}/2"
    assert _epochs(site) == 1
    site.fill("device-9")
    assert verified(site, capsys) == []


def _epochs(site: Site) -> int:
    """How many epochs were begun."""
    with closing(backend_for(site.url)) as backend, backend.engine.begin() as connection:
        return len(connection.execute(select(EVENTS.c.log_index).where(EVENTS.c.kind == "epoch_started")).all())
