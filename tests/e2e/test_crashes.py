"""kill -9 and SIGTERM under load, with real processes."""

import asyncio
from pathlib import Path

import pytest

from support import audit_log
from support.databases import DATABASES, new_store
from support.installations import Installation
from support.load import Load
from support.server import ServerProcess, events_of, installation_at, process

# Seconds from the first answer to the crash: each round ends at another moment.
ROUNDS = (0.05, 0.1, 0.15, 0.2)
CALLERS = 8
UNDER_LOAD_SECONDS = 0.5


@pytest.mark.parametrize("database", DATABASES)
async def test_kill_9_again_and_again_loses_nothing_that_was_answered(tmp_path: Path, database: str) -> None:
    """Every certificate that a client received is in the log, which verifies after each crash.

    The same requests again give byte-equal certificates; those without an answer get one, and no device gets two.
    """
    installation = installation_at(tmp_path / "server", store_url=new_store(database))
    loads = [Load() for _ in ROUNDS]
    for number, (seconds, load) in enumerate(zip(ROUNDS, loads, strict=True)):
        with process(installation) as server:
            # What the crash before left.
            await _ask_again(server, loads[number - 1] if number else Load())
            calls = asyncio.ensure_future(load.run(server, f"round-{number}", CALLERS))
            while not load.answered and not calls.done():  # noqa: ASYNC110 - the load tells nobody of its first answer
                await asyncio.sleep(seconds / 10)
            await asyncio.sleep(seconds)
            server.kill()
            await calls
        recorded = {record.certificate for record in audit_log.verified(installation).certificates}
        assert {response.issued.certificate for _, response in load.answered} <= recorded
        assert load.answered
    with process(installation) as server:
        for load in loads:
            await _ask_again(server, load)
        assert server.terminate() == 0
    log = audit_log.verified(installation)
    devices = [record.registration_key for record in log.certificates]
    assert len(devices) == len(set(devices)) == sum(len(load.answered) + len(load.unanswered) for load in loads)
    assert log.newest
    assert log.newest.size == log.size


async def _ask_again(server: ServerProcess, load: Load) -> None:
    station = server.caller()
    again = await asyncio.gather(*(station.sign(request) for request, _ in load.answered))
    for (_, first), second in zip(load.answered, again, strict=True):
        assert second.replayed
        assert second.issued.certificate == first.issued.certificate
        assert second.chain == first.chain
    await asyncio.gather(*(station.sign(request) for request in load.unanswered))
    await server.close_callers()


async def test_sigterm_under_load_drains(installation: Installation) -> None:
    """No call ends with anything but OK, UNAVAILABLE or CANCELLED, nothing answered is missing, and the status is 0."""
    load = Load()
    with process(installation) as server:
        calls = asyncio.ensure_future(load.run(server, "device", 32))
        await asyncio.sleep(UNDER_LOAD_SECONDS)
        status = await asyncio.to_thread(server.terminate)
        await calls
    assert status == 0
    assert {refusal.status for refusal in load.refusals} <= {"UNAVAILABLE", "CANCELLED"}
    log = audit_log.verified(installation)
    recorded = {record.certificate for record in log.certificates}
    assert load.answered
    assert {response.issued.certificate for _, response in load.answered} <= recorded
    assert log.newest
    assert log.newest.size == log.size
    lines = events_of(server.lines)
    assert [line for line in lines if line["level"] in {"error", "critical"}] == []
    assert {line["serial_number"] for line in lines if line["event"] == "issued"} == {
        record.serial.hex() for record in log.certificates
    }
    assert (installation.folder / "checkpoints.txt").read_text().endswith("\n")
