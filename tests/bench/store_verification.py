"""How fast the log is read and verified: by the server over its own rows, and by an auditor over an exported file."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from bench.store_figures import CLIENT, Verification
from linecert.transparency import NoteSigner
from linecert_client.audit import log_file
from linecert_client.audit.offline import Evidence, verify_file
from linecert_client.log_results import LogEntry
from linecert_service.store import self_check
from linecert_service.store.audit import AuditReaders
from linecert_service.store.backend import Backend
from linecert_service.store.issuers import Issuers
from linecert_service.store.log_tree import LogTree
from linecert_service.store.readers import Readers
from linecert_service.store.schema import CHECKPOINTS, LOG_HEAD

MOST_EXPORTED: Final = 1_000_000
"""Entries that are exported and verified; more of 1.5 KB each would tell nothing more."""

LONGEST_CHECKED: Final = 2_000_000
"""Entries up to which the server's own check reads all of them: it takes minutes for each million."""

Progress = Callable[[str], None]
"""Is told what comes next."""


async def measure(backend: Backend, issuers: Issuers, scratch: Path, progress: Progress) -> list[Verification]:
    """Verify the log on the server's side unless it is long, export it or its beginning, and verify the file."""
    signer = NoteSigner("bench/1", Ed25519PrivateKey.generate())
    size = _sign_head(backend, signer)
    results = []
    if size <= LONGEST_CHECKED:
        progress(f"linecert-server store verify over {size} entries")
        results.append(_store_verify(backend, signer))
    exported = min(size, MOST_EXPORTED)
    file = scratch / "log.jsonl"
    progress(f"exporting {exported} entries")
    results.append(await _export(backend, issuers, signer, file, exported))
    progress(f"{CLIENT} over {exported} entries")
    results.append(_client_verify(file, signer, exported))
    return results


def _sign_head(backend: Backend, signer: NoteSigner) -> int:
    """Sign the log as it stands, as the service does every second; returns its size."""
    with backend.engine.begin() as connection:
        size, root = connection.execute(select(LOG_HEAD.c.size, LOG_HEAD.c.root)).one()
        note = signer.sign_checkpoint(signer.verifier_key.name, size, root)
        values = {"size": size, "root": root, "note": note, "published_at": int(time.time() * 1_000_000)}
        connection.execute(CHECKPOINTS.insert().values(values))
    return int(size)


def _store_verify(backend: Backend, signer: NoteSigner) -> Verification:
    started = time.perf_counter()
    found = self_check.check(backend, [signer.verifier_key], lambda _done, _of: None)
    seconds = time.perf_counter() - started
    return Verification("linecert-server store verify", found.size, seconds, found.problems)


async def _export(backend: Backend, issuers: Issuers, signer: NoteSigner, file: Path, size: int) -> Verification:
    """Write the file as `linecert export --format log` does, without the network between."""
    readers = Readers(backend.engine, 1)
    started = time.perf_counter()
    try:
        with file.open("wb") as stream:
            async for entries in AuditReaders.of(backend, issuers, readers).log.entries(0, size):
                stream.writelines(
                    log_file.write_entry(LogEntry(entry.log_index, entry.leaf, entry.certificate or b""))
                    for entry in entries
                )
            seconds = time.perf_counter() - started
            with backend.engine.begin() as connection:
                root = LogTree(connection, issuers.sha256_of).root_at(size)
            note = signer.sign_checkpoint(signer.verifier_key.name, size, root)
            stream.write(log_file.write_checkpoint(note))
    finally:
        readers.close()
    return Verification("reading the log for an export", size, seconds)


def _client_verify(file: Path, signer: NoteSigner, size: int) -> Verification:
    started = time.perf_counter()
    report = verify_file(file, Evidence(keys=[signer.verifier_key]))
    seconds = time.perf_counter() - started
    return Verification(CLIENT, size, seconds, [finding.message for finding in report.findings.kept])
