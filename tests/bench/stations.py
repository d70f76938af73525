"""Callers for loads of several stations, and what the log says of the certificates that they were answered with."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import select

from bench.http2 import Answer
from linecert.v1.signing_pb2 import SignDeviceResponse
from linecert_service.installation.add_station import AddOptions, add_station
from linecert_service.store.backends import backend_for
from linecert_service.store.schema import CERTIFICATES
from support.installations import Installation

STATIONS: Final = 4

OVERLOADED: Final = "OVERLOADED"
DROPPED: Final = "CANCELLED"
"""gRPC's own refusal of what nobody has begun to read."""
OTHER: Final = "other"

_CHUNK: Final = 500
_PREFIX_OCTETS: Final = 5
"""Before a message of gRPC: whether it is compressed, and its length."""


def callers(installation: Installation, count: int = STATIONS) -> list[Path]:
    """The client folders of so many stations, made where they are missing."""
    names = [f"station-{number:02}" for number in range(1, count + 1)]
    for name in names:
        if not installation.layout.client(name).exists():
            add_station(installation.settings(), AddOptions(name, "line-01"), datetime.now(UTC))
    return [installation.layout.client(name) for name in names]


def kind_of(answer: Answer) -> str:
    """What a call that is not OK ended with: OVERLOADED where it comes with a time to come back, CANCELLED, or else."""
    trailers = answer.trailers
    if b"OVERLOADED" in trailers and b"google.rpc.RetryInfo" in trailers:
        return OVERLOADED
    if b"grpc-status\x011" in trailers.replace(b"grpc-status\x0214", b""):
        return DROPPED
    return OTHER


def serial_of(answer: Answer) -> str:
    """The serial number, in hex, of the certificate that a call was answered with."""
    return SignDeviceResponse.FromString(answer.message[_PREFIX_OCTETS:]).issued.serial_number


def missing(installation: Installation, answers: Iterable[Answer]) -> int:
    """How many of the answers that are OK are not in the log."""
    serials = [bytes.fromhex(serial_of(answer)) for answer in answers if answer.ok]
    column = CERTIFICATES.c.serial
    backend = backend_for(installation.settings().store.url)
    try:
        with backend.engine.connect() as connection:
            found = {
                serial
                for start in range(0, len(serials), _CHUNK)
                for serial in connection.scalars(select(column).where(column.in_(serials[start : start + _CHUNK])))
            }
    finally:
        backend.close()
    return sum(serial not in found for serial in serials)
