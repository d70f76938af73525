"""kill -9 at every step of the issuance path, and in the making of a checkpoint, on both databases.

A crash at any of them leaves what docs/issuance-cycle.md says: nothing before the commit, the certificate after it.
"""

import asyncio
from collections.abc import Iterator
from typing import Final

import pytest

from linecert.v1.issuance_pb2 import ReplacementReason
from linecert.v1.signing_pb2 import SignDeviceResponse
from support import audit_log
from support.databases import DATABASES, new_store
from support.faults import FaultyServer, faulty
from support.server import ask, installation_at

LOST: Final = ReplacementReason.REPLACEMENT_REASON_LOST

NOTHING_RECORDED: Final = (
    "planned",
    "built",
    "signed",
    "verified",
    "handed over",
    "before BEGIN",
    "locked",
    "read",
    "classified",
    "rows written",
    "head written",
    "before COMMIT",
)
RECORDED: Final = ("committed", "before the answer", "answer made")
# The replacement is looked up while the other certificate is on its way; a checkpoint comes when it comes.
EITHER: Final = ("looked up", "checkpoint written", "checkpoint committed", "checkpoint remembered")
AT_THE_END: Final = "checkpoint published"


@pytest.fixture(scope="module", params=DATABASES)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyServer]:
    """A server whose station may replace lost certificates. It dies in each test, and is there again for the next."""
    installation = installation_at(tmp_path_factory.mktemp("faults") / "server", store_url=new_store(request.param))
    installation.edit(
        'profiles = ["device"]', 'profiles = ["device"]\nreplacement_reasons = ["LOST"]', file="stations.toml"
    )
    with faulty(installation) as running:
        yield running


@pytest.mark.parametrize("point", [*NOTHING_RECORDED, *RECORDED, *EITHER, AT_THE_END])
async def test_kill_9_at_a_step(server: FaultyServer, point: str) -> None:
    """What was answered stands, what was not is issued once when it is asked for again, and the log verifies."""
    old, new = (f"{name}-{point.replace(' ', '-')}" for name in ("old", "new"))
    requests = [ask(new), ask(old, replacement_reason=LOST)]
    station = server.caller()
    first = await station.sign(ask(old))

    server.arm(point)
    outcomes = await asyncio.gather(*map(station.sign, requests), return_exceptions=True)
    if point == AT_THE_END:
        server.ask_to_end()
    await server.dies()
    await server.close_callers()
    answers = {outcome.issued.certificate for outcome in outcomes if isinstance(outcome, SignDeviceResponse)}
    log = audit_log.verified(server.installation)
    recorded = {record.certificate for record in (*log.of(new), *log.of(old)[1:])}
    assert answers <= recorded
    assert point not in NOTHING_RECORDED or not recorded
    assert point not in RECORDED or recorded

    server.start()
    station = server.caller()
    again = [await station.sign(request) for request in requests]
    await server.close_callers()
    assert {response.issued.certificate for response in again if response.replayed} == recorded
    log = audit_log.verified(server.installation)
    assert [record.certificate for record in log.of(new)] == [again[0].issued.certificate]
    replaced, replacement = log.of(old)
    assert [replaced.certificate, replacement.certificate] == [
        first.issued.certificate,
        again[1].issued.certificate,
    ]
    assert (replacement.generation, replacement.replaces) == (2, replaced.serial)
