"""What the load generator is made of, as far as it needs no server."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import pytest

from bench.callers import status_of
from bench.clocks import Reading
from bench.figures import Commits
from bench.supply import Supply
from linecert.v1.signing_pb2 import SignDeviceRequest


def test_no_server_is_sent_a_request_twice_and_all_are_sent_the_same() -> None:
    """A repetition would be answered without work; what another server was sent is new to this one."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as makers:
        supply = Supply(makers)
        first = supply.take(1, 20)
        supply.sent(1, 15)
        again = supply.take(1, 600)
        other = supply.take(2, 20)
    assert (len(first), len(again)) == (20, 600)
    assert not set(first[:15]) & set(again)
    assert first[15:] == again[:5]
    assert other == first
    ids = {SignDeviceRequest.FromString(request).request_id for request in first[:15] + again}
    assert len(ids) == 615


@pytest.mark.parametrize(
    "trailers, name",
    [
        (b"\x00\x0bgrpc-status\x010", "OK"),
        (b"\x00\x0bgrpc-status\x018\x00\x0cgrpc-message\x04full", "RESOURCE_EXHAUSTED"),
        (b"\x00\x0bgrpc-status\x0214", "UNAVAILABLE"),
        (b"", "no status"),
    ],
)
def test_failures_are_counted_by_the_name_of_their_status(trailers: bytes, name: str) -> None:
    """A stream that was reset has none."""
    assert status_of(trailers) == name


def test_commits_are_those_of_the_window() -> None:
    """The service counts from its start; the echo does not count."""
    begin, end = (Reading(0.0, 0.0, 0.0, 0.0, commits) for commits in (Commits(3, 0.5), Commits(10, 2.0)))
    assert end.commits_since(begin) == Commits(7, 1.5)
    assert end.commits_since(Reading(0.0, 0.0, 0.0, 0.0, None)) is None
