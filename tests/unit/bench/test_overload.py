"""What overload, soak and fleet are judged by."""

from collections import Counter
from dataclasses import replace

import pytest

from bench import fleet, overload, soak
from bench.fleet import Run
from bench.http2 import Answer, header_block
from bench.overload import Step
from bench.soak import Slice
from bench.stations import DROPPED, OTHER, OVERLOADED, kind_of

STEP = Step(1.0, 1000, 1000, 0.2, 0.0, Counter(), 0, 100_000_000, 1.0, 0.1)
SLICE = Slice(10, 700, 0, 0, 0.05, 100_000_000, 30, 5_000_000)
RUN = Run(1, 1000, 0.05, 0, 1.0, 0.2, 0.1)


def trailers(status: str, details: str = "") -> bytes:
    """The last headers of an answer."""
    return header_block([("grpc-status", status), ("grpc-status-details-bin", details)])


@pytest.mark.parametrize(
    "octets, kind",
    [
        (trailers("14", "OVERLOADED type.googleapis.com/google.rpc.RetryInfo"), OVERLOADED),
        (trailers("14", "OVERLOADED"), OTHER),
        (trailers("1"), DROPPED),
        (trailers("14"), OTHER),
        (trailers("13"), OTHER),
        (b"", OTHER),
    ],
)
def test_kinds_of_refusals(octets: bytes, kind: str) -> None:
    """OVERLOADED counts as such only with a time to come back; what is reset without a status is neither."""
    answer = Answer(0, 0.0, trailers=octets)
    assert not answer.ok
    assert kind_of(answer) == kind
    assert Answer(0, 0.0, trailers=trailers("0")).ok


@pytest.mark.parametrize(
    "worse, name",
    [
        (replace(STEP, served=890), "lowest served rate / best"),
        (replace(STEP, p99=1.1), "highest p99 of what is served"),
        (replace(STEP, refused_p99=1.1), "highest p99 of refusals"),
        (replace(STEP, resident=111_000_000), "memory at its highest / at load 1"),
        (replace(STEP, refusals=Counter({OTHER: 1})), "answered otherwise, or not at all"),
        (replace(STEP, unanswered=1), "answered otherwise, or not at all"),
    ],
)
def test_what_overload_may_not_do(worse: Step, name: str) -> None:
    """One step that is worse is one figure that is not reached."""
    assert all(figure.reached for figure in overload.figures(1000, [STEP, STEP], 0))
    assert [figure.name for figure in overload.figures(1000, [STEP, worse], 0) if not figure.reached] == [name]


@pytest.mark.parametrize(
    "last, name",
    [
        (replace(SLICE, resident=106_000_000), "memory at the end / after the warm-up"),
        (replace(SLICE, files=33), "descriptors at the end - after the warm-up"),
        (replace(SLICE, wal=400_000_000), "largest write-ahead log"),
        (replace(SLICE, others=1), "answered otherwise, or not at all"),
        (replace(SLICE, p99=0.08), "p99 at the end / after the warm-up"),
    ],
)
def test_what_a_soak_may_not_show(last: Slice, name: str) -> None:
    """The end is held against what stood after the warm-up; before, memory may have been less."""
    begin = [replace(SLICE, resident=60_000_000)] * 3 + [SLICE] * 4
    assert all(figure.reached for figure in soak.figures([*begin, *[SLICE] * 3], 30, 0))
    assert [figure.name for figure in soak.figures([*begin, *[last] * 3], 30, 0) if not figure.reached] == [name]


def test_a_short_soak_does_not_judge_p99() -> None:
    """A minute on a busy machine says nothing of it."""
    slices = [SLICE] * 7 + [replace(SLICE, p99=5.0, resident=120_000_000)] * 3
    assert all(figure.reached for figure in soak.figures(slices, 1, 0))


def test_a_second_server_may_not_make_it_slower() -> None:
    """The fastest runs are compared; a call that failed, or an answer that is missing, is one too many."""
    runs = [RUN, replace(RUN, servers=2, rate=500), replace(RUN, servers=2, rate=950)]
    assert all(figure.reached for figure in fleet.figures(runs, (1, 2), 0))
    assert not fleet.figures(runs[:2], (1, 2), 0)[0].reached
    assert not fleet.figures([*runs, replace(RUN, failures=1)], (1, 2), 0)[1].reached
    assert not fleet.figures(runs, (1, 2), 1)[2].reached
