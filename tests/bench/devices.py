"""Requests of devices that never called before, made by several processes before anything is measured."""

import os
import uuid
from concurrent.futures import ProcessPoolExecutor
from typing import Final

from linecert.v1.signing_pb2 import SignDeviceRequest
from linecert_client.keys import KeyType, generate, make_csr

CHUNK: Final = 500


def fresh_requests(count: int, pool: ProcessPoolExecutor) -> list[bytes]:
    """Octets of SignDeviceRequests, at least `count`, each of a device of its own with a P-256 key of its own."""
    chunks = -(-count // CHUNK)
    return [request for chunk in pool.map(_chunk, [CHUNK] * chunks) for request in chunk]


def cores() -> int:
    """How many processes can work at once."""
    return os.cpu_count() or 1


def _chunk(count: int) -> list[bytes]:
    return [_request() for _ in range(count)]


def _request() -> bytes:
    registration_id = f"bench-{uuid.uuid4().hex}"
    csr = make_csr(generate(KeyType.P256), registration_id)
    return SignDeviceRequest(request_id=str(uuid.uuid4()), csr=csr).SerializeToString()
