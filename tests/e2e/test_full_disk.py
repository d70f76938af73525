"""A disk that is full: nothing is answered that is not recorded, and service goes on when there is space again."""

import asyncio
import contextlib
import itertools
from collections.abc import Iterator

import pytest

from support import audit_log
from support.server import Caller, ServerProcess, ask, refused

resource = pytest.importorskip("resource", reason="limits of files are POSIX's")
pytestmark = pytest.mark.skipif(
    not hasattr(resource, "prlimit"), reason="limits of another process are Linux's prlimit(2)"
)

PATIENCE_SECONDS = 30
# Less than one page of SQLite's write-ahead log.
FULL_AT_OCTETS = 1024


@contextlib.contextmanager
def full_disk(server: ServerProcess) -> Iterator[None]:
    """The server's files cannot grow: writes fail as on a full disk, reads do not."""
    before = resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (FULL_AT_OCTETS, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, before)


async def becomes(probe: Caller, *, serving: bool) -> None:
    """Wait until the health service says so."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        for pause in itertools.repeat(0.1):
            if await probe.serving() is serving:
                return
            await asyncio.sleep(pause)


async def test_a_full_disk_makes_it_not_ready_until_there_is_space(server: ServerProcess) -> None:
    """While files cannot grow: NOT_SERVING, UNAVAILABLE. Afterwards: SERVING, and the same request gets its answer."""
    station, probe = server.caller(), server.probe()
    await station.sign(ask("device-01"))
    request = ask("device-02")
    with full_disk(server):
        refusal = await refused(station.sign(request, timeout=2))
        # On a busy machine the caller's own clock may be the first to ring.
        assert (refusal.status, refusal.reason) in {
            ("UNAVAILABLE", "AUDIT_STORE_UNAVAILABLE"),
            ("DEADLINE_EXCEEDED", ""),
        }
        await becomes(probe, serving=False)
        assert len(audit_log.verified(server.installation).certificates) == 1
    await becomes(probe, serving=True)
    # The signature of the first attempt was kept until it could be recorded.
    assert (await station.sign(request)).replayed
    log = audit_log.verified(server.installation)
    assert [record.registration_id for record in log.certificates] == ["device-01", "device-02"]
    await server.close_callers()


async def test_sigterm_ends_a_server_whose_disk_is_full(server: ServerProcess) -> None:
    """It waits for space, but not for ever; what it could not record nobody has, and the next server issues it."""
    request = ask("device-01")
    with full_disk(server):
        await refused(server.caller().sign(request, timeout=1))
        await server.close_callers()
        await asyncio.to_thread(server.terminate)
    assert audit_log.verified(server.installation).certificates == []
    server.start()
    assert not (await server.caller().sign(request)).replayed
    await server.close_callers()
