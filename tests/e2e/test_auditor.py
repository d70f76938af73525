"""An auditor against real servers: verify, export, and what it finds when somebody has been at the database."""

import json
import shutil
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url, update

from linecert_service.store import status as store_status
from linecert_service.store.backends import backend_for
from linecert_service.store.schema import CERTIFICATES
from support import postgres
from support.databases import DATABASES, SQLITE, new_store
from support.installations import Installation
from support.server import AUDITOR, LINECERT, LINECERT_SERVER, STATION, ServerProcess, ask, installation_at
from support.tampering import unguarded

DEVICES = 20
NOT_VERIFIED = 8


class Site:
    """An installation, its server, and an auditor beside it."""

    def __init__(self, installation: Installation, folder: Path, store_url: str) -> None:
        self.installation = installation
        self.folder = folder
        # As the owner of the tables: what is done to them here is not the service's right.
        self.store_url = (
            make_url(store_url).set(username=postgres.SUPERUSER).render_as_string() if "@" in store_url else store_url
        )
        self.server = ServerProcess(installation)
        shutil.copy(installation.layout.log_pub, installation.layout.client(AUDITOR) / "log.pub")

    async def issue(self, *devices: str) -> None:
        """Get certificates for these devices."""
        caller = self.server.caller(STATION)
        for device in devices:
            await caller.sign(ask(device))
        await self.server.close_callers()

    def audit(self, *arguments: str, code: int = 0) -> Any:
        """Run `linecert` as the auditor, and return the JSON that it prints."""
        folder = str(self.installation.layout.client(AUDITOR))
        result = _run(LINECERT, "-C", folder, *arguments, "--json", code=code)
        return json.loads(result.stdout) if result.stdout else None

    def operate(self, *arguments: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
        """Run `linecert-server`."""
        return _run(LINECERT_SERVER, *arguments, "--config", str(self.installation.config), code=code)

    def alter(self, index: int) -> None:
        """Change a row behind the guards."""
        with closing(backend_for(self.store_url)) as backend, unguarded(backend) as connection:
            connection.execute(update(CERTIFICATES).where(CERTIFICATES.c.log_index == index).values(line="line-99"))


def _run(*command: str, code: int) -> "subprocess.CompletedProcess[str]":
    result = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=60, check=False)
    assert result.returncode == code, (command, result.stdout, result.stderr)
    assert "Traceback" not in result.stderr
    return result


@pytest.fixture(params=DATABASES)
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    """A running server with certificates, on either database."""
    url = new_store(request.param)
    installation = installation_at(tmp_path / "server", store_url=url)
    site = Site(installation, tmp_path, url or f"sqlite:///{installation.folder}/linecert.db")
    site.server.start()
    try:
        await site.issue(*(f"device-{number:02}" for number in range(DEVICES)))
        yield site
    finally:
        site.server.close()


def _codes(report: Any) -> set[str]:
    return {finding["code"] for finding in report["findings"]}


async def test_good_log_verifies_and_verifies_again(site: Site) -> None:
    """All leaves, then only what is new, then one certificate; from what was remembered in between."""
    _settle(site)
    assert site.audit("verify", "--full")["findings"] == []
    await site.issue("later-01", "later-02")
    _settle(site)
    assert site.audit("verify")["findings"] == []
    assert site.audit("verify", "--registration-id", "later-01")["findings"] == []
    assert (site.installation.layout.client(AUDITOR) / "verified.json").exists()


async def test_exported_log_verifies_with_nothing_but_the_key(site: Site) -> None:
    """Offline, with the checkpoints that the server published and the issuer's chain."""
    assert site.server.terminate() == 0
    site.server.start()
    log = site.folder / "log.jsonl"
    site.audit("export", "--format", "log", "--out", str(log))
    layout = site.installation.layout
    evidence = ["--key", str(layout.log_pub), "--checkpoint", str(layout.checkpoints)]
    report = site.audit("verify", "--log", str(log), *evidence, "--issuer-chain", str(layout.pki / "issuer.chain.pem"))
    assert report["findings"] == []
    lines = log.read_text().splitlines()
    log.write_text("\n".join([*lines[:5], *lines[6:]]) + "\n")
    assert _codes(site.audit("verify", "--log", str(log), *evidence, code=NOT_VERIFIED))


async def test_altered_row_is_found_by_operator_and_auditor(site: Site) -> None:
    """A field changed behind the guards: `store verify` says it, and `linecert verify` does not verify."""
    _settle(site)
    site.audit("verify")
    site.alter(5)
    report = site.audit("verify", "--full", code=NOT_VERIFIED)
    assert _codes(report) & {"root_mismatch", "inconsistent"}
    assert "not those that the checkpoint" in site.operate("store", "verify", code=1).stdout


async def test_server_that_finds_an_altered_log_does_not_start(site: Site) -> None:
    """What it remembers does not fit: it says so, and where to read on."""
    assert site.server.terminate() == 0
    site.alter(5)
    with closing(backend_for(site.store_url)) as backend, backend.engine.begin() as connection:
        # So that the head is past what is remembered, and the proof has to read the rows.
        connection.exec_driver_sql("UPDATE log_head SET size = size + 1")
    refused = site.operate("serve", code=1)
    assert "has seen before" in refused.stderr
    assert "After a restore" in refused.stderr


@pytest.mark.parametrize("site", [SQLITE], indirect=True)
async def test_restored_backup_is_found_and_goes_on_in_a_new_epoch(site: Site) -> None:
    """The server refuses, the operator begins a new epoch, and the auditor goes on only by name."""
    backup = site.folder / "backup.db"
    site.operate("store", "backup", str(backup))
    await site.issue("lost-01", "lost-02")
    _settle(site)
    site.audit("verify")
    assert site.server.terminate() == 0
    database = site.installation.folder / "linecert.db"
    for name in ("linecert.db-wal", "linecert.db-shm"):
        database.with_name(name).unlink(missing_ok=True)
    shutil.copy(backup, database)
    assert "has seen before" in site.operate("serve", code=1).stderr
    site.operate("log", "new-epoch", "--reason", "restored")
    shutil.copy(site.installation.layout.log_pub, site.installation.layout.client(AUDITOR) / "log.pub")
    site.server.start()
    await site.issue("new-01")
    _settle(site)
    assert _codes(site.audit("verify", code=NOT_VERIFIED)) == {"epoch_restored"}
    assert site.audit("verify", "--accept-epoch", "2")["findings"] == []
    await site.issue("new-02")
    _settle(site)
    assert site.audit("verify")["findings"] == []


async def test_rotated_key_goes_on(site: Site) -> None:
    """With the new verifier key the auditor goes on from what it remembers, without a word of acceptance."""
    _settle(site)
    site.audit("verify")
    assert site.server.terminate() == 0
    site.operate("log", "new-epoch", "--reason", "rotation")
    site.server.start()
    await site.issue("new-01")
    _settle(site)
    assert site.audit("verify", code=NOT_VERIFIED)
    shutil.copy(site.installation.layout.log_pub, site.installation.layout.client(AUDITOR) / "log.pub")
    assert site.audit("verify", "--full")["findings"] == []


def _settle(site: Site) -> None:
    """Wait until a checkpoint covers all that was issued."""
    with closing(backend_for(site.store_url)) as backend:
        for _ in range(100):
            found = store_status.read(backend)
            if found.size == found.checkpoint_size:
                return
            time.sleep(0.1)
    raise AssertionError(found)
