"""Hundreds of hostile CSRs through a real server: each has a right reason, and the server is none the worse for it."""

import asyncio
import gc
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import cryptography_vectors
import grpc
import psutil
import pytest

from linecert.v1.signing_pb2 import SignDeviceResponse
from support import audit_log, csrs
from support.server import Caller, Refusal, Running, ask

VECTORS = Path(cryptography_vectors.__file__).parent
MUTATIONS = 800
AT_ONCE = 32
# Loose: what a leak of every message of a round would pass, and the noise of allocators does not.
GROWTH_OCTETS = 60 << 20


def seeds() -> list[bytes]:
    """Good CSRs of every kind, which the mutations start from."""
    return [csrs.make(f"seed-{number}", csrs.key(kind)) for number, kind in enumerate(("P-256", "P-384", "RSA-2048"))]


def mutated(count: int) -> Iterator[bytes]:
    """Good CSRs, each spoilt in one or several ways; the same ones in every run."""
    source = random.Random(7)
    good = seeds()
    for _ in range(count):
        octets = bytearray(source.choice(good))
        for _ in range(source.choice((1, 1, 2, 8))):
            _spoil(octets, source)
        data = bytes(octets)
        yield csrs.pem(data) if source.random() < 0.3 else data


def _spoil(octets: bytearray, source: random.Random) -> None:
    place = source.randrange(len(octets))
    match source.randrange(6):
        case 0:
            octets[place] ^= 1 << source.randrange(8)
        case 1:
            octets[place] = source.choice((0x00, 0x80, 0x84, 0xFF, 0x30, 0x24))
        case 2:
            del octets[place : place + source.randrange(1, 40)]
        case 3:
            octets[place:place] = source.randbytes(source.randrange(1, 40))
        case 4:
            octets[place:place] = octets[place : place + source.randrange(1, 200)]
        case 5:
            octets += source.randbytes(source.randrange(1, 4000))
    if not octets:
        octets += b"0"


def vectors() -> list[bytes]:
    """Every CSR, and a sample of the certificates, CRLs and keys, that pyca/cryptography tests itself with."""
    requests = sorted((VECTORS / "x509" / "requests").iterdir())
    others = sorted(path for folder in ("x509", "pkcs7", "asymmetric") for path in (VECTORS / folder).rglob("*.*"))
    files = [*requests, *random.Random(7).sample([path for path in others if path.is_file()], 150)]
    return [path.read_bytes() for path in files]


async def outcomes(station: Caller, hostile: Sequence[bytes]) -> list[SignDeviceResponse | Refusal]:
    """What each CSR is answered, some at a time."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(csr: bytes) -> SignDeviceResponse | Refusal:
        async with turns:
            try:
                return await station.sign(ask(csr=csr))
            except grpc.aio.AioRpcError as error:
                return Refusal.of(error)

    return await asyncio.gather(*map(one, hostile))


@pytest.mark.parametrize("source", ["mutations", "vectors"])
async def test_hostile_csrs_have_right_reasons(server: Running, station: Caller, source: str) -> None:
    """INVALID_ARGUMENT with the field `csr`, ALREADY_EXISTS, or a certificate for what was good after all."""
    hostile = list(mutated(MUTATIONS)) if source == "mutations" else vectors()
    answers = await outcomes(station, hostile)
    refusals = [answer for answer in answers if isinstance(answer, Refusal)]
    issued = {answer.issued.certificate for answer in answers if isinstance(answer, SignDeviceResponse)}
    assert {refusal.status for refusal in refusals} <= {"INVALID_ARGUMENT", "ALREADY_EXISTS"}
    assert {refusal.field for refusal in refusals if refusal.status == "INVALID_ARGUMENT"} == {"csr"}
    assert all(refusal.message.isprintable() for refusal in refusals)
    reasons = Counter(refusal.reason for refusal in refusals)
    assert len(reasons) >= 4, reasons
    assert len(refusals) > len(hostile) * 0.8
    assert await server.probe().serving()
    log = audit_log.verified(server.installation)
    assert {record.certificate for record in log.certificates} == issued
    assert not (await station.sign(ask("healthy"))).replayed


async def test_memory_stays_flat(station: Caller) -> None:
    """Round after round of the same hostile CSRs adds nothing that stays."""
    hostile = [*mutated(200), *(b"0" * (16 << 10) for _ in range(20))]
    await outcomes(station, hostile)
    process = psutil.Process()
    gc.collect()
    before = process.memory_info().rss
    for _ in range(5):
        await outcomes(station, hostile)
    gc.collect()
    assert process.memory_info().rss - before < GROWTH_OCTETS
