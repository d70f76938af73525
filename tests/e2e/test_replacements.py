"""Replacements that come at the same moment: one wins each generation, and the next one follows it."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from linecert.v1.audit_pb2 import GetIssuedCertificateRequest
from linecert.v1.issuance_pb2 import IssuedCertificate, ReplacementReason
from linecert.v1.signing_pb2 import SignDeviceRequest, SignDeviceResponse
from support import audit_log
from support.databases import DATABASES, SQLITE, new_store
from support.duplicates import Outcome, outcome
from support.fleet import fleet
from support.server import AUDITOR, Refusal, ServerProcess, ask, device_key

LOST: Final = ReplacementReason.REPLACEMENT_REASON_LOST
REWORK: Final = ReplacementReason.REPLACEMENT_REASON_REWORK
COMPROMISE: Final = ReplacementReason.REPLACEMENT_REASON_KEY_COMPROMISE

DEVICES: Final = [f"device-{number}" for number in range(10)]
CONNECTIONS: Final = 6


class Line:
    """Stations that ask one or two servers."""

    def __init__(self, servers: list[ServerProcess]) -> None:
        self.servers = servers
        self._callers = [servers[number % len(servers)].caller() for number in range(CONNECTIONS)]

    async def at_once(self, *requests: SignDeviceRequest) -> list[Outcome]:
        """What requests are answered that come at the same moment, over different connections."""
        return list(await asyncio.gather(*map(outcome, itertools.cycle(self._callers), requests)))

    async def issue(self) -> list[SignDeviceResponse]:
        """The devices' first certificates."""
        return [answer for answer in await self.at_once(*map(ask, DEVICES)) if isinstance(answer, SignDeviceResponse)]

    def log(self) -> audit_log.AuditLog:
        """The log, verified."""
        return audit_log.verified(self.servers[0].installation)


@asynccontextmanager
async def line_on(database: str, folder: Path) -> AsyncIterator[Line]:
    """Two servers on PostgreSQL, or one on SQLite, whose stations may replace for each reason."""
    stations = 'replacement_reasons = ["LOST", "REWORK", "KEY_COMPROMISE"]'
    async with fleet(folder, 1 if database == SQLITE else 2, new_store(database), stations) as servers:
        yield Line(servers)


@pytest.mark.parametrize("database", DATABASES)
async def test_replacements_of_one_device_follow_each_other(tmp_path: Path, database: str) -> None:
    """Six for each device: six generations, each with one winner, linked both ways; the last one is active."""
    async with line_on(database, tmp_path) as line:
        first = await line.issue()
        requests = [
            request
            for device in DEVICES
            for number in range(3)
            for request in (
                ask(device, replacement_reason=LOST),
                ask(device, key=device_key(f"{number} of {device}"), replacement_reason=REWORK),
            )
        ]
        answers = await line.at_once(*requests)
        again = await line.at_once(*requests)
        log, auditor = line.log(), line.servers[0].caller(AUDITOR)
        for answer, second in zip(answers, again, strict=True):
            assert isinstance(answer, SignDeviceResponse)
            assert isinstance(second, SignDeviceResponse)
            assert (answer.replayed, second.replayed) == (False, True)
            assert (second.issued.certificate, second.chain) == (answer.issued.certificate, answer.chain)
        for device in DEVICES:
            records = log.of(device)
            found = [(await auditor.audit.GetIssuedCertificate(_by_serial(record.serial))).issued for record in records]
            _check_links(found)
        given = {answer.issued.certificate for answer in (*first, *answers) if isinstance(answer, SignDeviceResponse)}
        assert {record.certificate for record in log.certificates} == given
        assert len(given) == 7 * len(DEVICES)


def _by_serial(serial: bytes) -> GetIssuedCertificateRequest:
    return GetIssuedCertificateRequest(serial_number=serial.hex())


def _check_links(generations: list[IssuedCertificate]) -> None:
    """Seven, each names the one before and the one after."""
    assert [issued.generation for issued in generations] == list(range(1, 8))
    serials = [issued.serial_number for issued in generations]
    assert [issued.replaces_serial_number for issued in generations] == ["", *serials[:-1]]
    assert [issued.replaced_by_serial_number for issued in generations] == [*serials[1:], ""]
    states = [IssuedCertificate.State.Name(issued.state) for issued in generations]
    assert states == ["STATE_REPLACED"] * 6 + ["STATE_ACTIVE"]


@pytest.mark.parametrize("database", DATABASES)
async def test_one_replacement_sent_six_times_is_one(tmp_path: Path, database: str) -> None:
    """At the same moment, through different servers: one generation, and the same answer for all."""
    async with line_on(database, tmp_path) as line:
        await line.issue()
        for device in DEVICES:
            answers = await line.at_once(*[ask(device, replacement_reason=LOST)] * CONNECTIONS)
            assert all(isinstance(answer, SignDeviceResponse) for answer in answers)
            issued = [answer for answer in answers if isinstance(answer, SignDeviceResponse)]
            assert [answer.replayed for answer in issued].count(False) == 1
            assert {answer.issued.certificate for answer in issued} == {line.log().of(device)[-1].certificate}
        assert len(line.log().certificates) == 2 * len(DEVICES)


@pytest.mark.parametrize("database", DATABASES)
async def test_compromised_key_never_comes_again(tmp_path: Path, database: str) -> None:
    """Neither for the device nor for another one, also not at the moment at which it is reported."""
    async with line_on(database, tmp_path) as line:
        await line.issue()
        for device in DEVICES:
            old = device_key(device)
            reported, *others = await line.at_once(
                ask(device, key=device_key(f"new of {device}"), replacement_reason=COMPROMISE),
                ask(device, replacement_reason=LOST),
                ask(f"{device}-b", key=old),
                ask(device, replacement_reason=LOST),
            )
            assert isinstance(reported, SignDeviceResponse)
            others += await line.at_once(
                ask(device),
                ask(device, replacement_reason=LOST),
                ask(f"{device}-b", key=old),
                ask(f"{device}-c", key=old),
            )
            assert {answer.reason for answer in others if isinstance(answer, Refusal)} == {"PUBLIC_KEY_TAKEN"}
            assert all(isinstance(answer, Refusal) for answer in others[3:])
        records = line.log().certificates
        for record in records:
            if record.replacement_reason == "KEY_COMPROMISE":
                (compromised,) = (before.spki_sha256 for before in records if before.serial == record.replaces)
                assert compromised not in {after.spki_sha256 for after in records if after.log_index > record.log_index}
