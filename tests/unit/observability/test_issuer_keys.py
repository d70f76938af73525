"""Looks at issuers' keys: what one of them out of reach stops, and what it does not."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from linecert_service.domain.errors import SignerUnavailable
from linecert_service.issuance.issuer import Issuer
from linecert_service.observability.health import PROBE_TIMEOUT_SECONDS
from linecert_service.observability.issuer_keys import LOOK_SECONDS, IssuerKeys
from linecert_service.observability.metrics import Metrics
from linecert_service.signers.local import LocalSigner
from support.claims import NOW
from support.doubles import FakeClock
from support.issuing import ca_key, issuer, profile
from support.waiting import PATIENCE_SECONDS


class Elsewhere(LocalSigner):
    """A key that lives elsewhere, as far as looks can tell: each runs in a thread, fails as told, or hangs."""

    def __init__(self) -> None:
        super().__init__(ca_key())
        self.workers = 1
        self.fault: Exception | None = None
        self.answers = threading.Event()
        self.answers.set()
        self.looks = 0

    def check(self) -> None:
        """As told."""
        self.looks += 1
        self.answers.wait()
        if self.fault:
            raise self.fault


class Scene:
    """Profiles `one` and `two` with an issuer each, `three` staged to follow in `two`, and what looks at them."""

    def __init__(self, look_seconds: float) -> None:
        self.signers = {name: Elsewhere() for name in ("one", "two", "three")}
        one, two, three = (Issuer(name, issuer().chain, signer) for name, signer in self.signers.items())
        following = profile(three, name="two")
        profiles = {"one": profile(one, name="one"), "two": profile(two, name="two", following=following)}
        self.metrics = Metrics()
        self.keys = IssuerKeys(profiles, FakeClock(NOW), self.metrics, look_seconds=look_seconds)

    def up(self, name: str) -> float | None:
        """What the metrics say of an issuer."""
        return self.metrics.registry.get_sample_value("linecert_issuer_up", {"issuer": name})

    def close(self) -> None:
        """Let every look come back."""
        for signer in self.signers.values():
            signer.answers.set()
        self.keys.close()


@pytest.fixture
def scene() -> Iterator[Scene]:
    """Looks that may take as long as a slow machine needs."""
    scene = Scene(look_seconds=30.0)
    yield scene
    scene.close()


@pytest.fixture
def impatient() -> Iterator[Scene]:
    """Looks that are given up soon, for those that hang."""
    scene = Scene(look_seconds=0.2)
    yield scene
    scene.close()


async def until_up(scene: Scene, name: str, look: Callable[[], Awaitable[None]]) -> None:
    """Look until an issuer is in reach."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while scene.up(name) != 1:
            await look()


def of_issuers(logs: list[Any]) -> list[tuple[str, str, str]]:
    """Level, event and issuer of each line."""
    return [(line["log_level"], line["event"], line["issuer"]) for line in logs]


async def test_one_issuer_out_of_reach_stops_no_other(scene: Scene) -> None:
    """The server can still issue for the other profile: the check passes; the metric and one ERROR line tell."""
    scene.signers["two"].fault = SignerUnavailable("the token is gone")
    with capture_logs() as logs:
        await scene.keys.check()
        await scene.keys.check()
    assert (scene.up("one"), scene.up("two")) == (1, 0)
    assert of_issuers(logs) == [("error", "issuer cannot sign", "two")]
    assert logs[0]["problem"] == "the token is gone"
    scene.signers["two"].fault = None
    with capture_logs() as logs:
        await scene.keys.check()
    assert scene.up("two") == 1
    assert of_issuers(logs) == [("info", "issuer in reach again", "two")]


async def test_no_issuer_in_reach_is_a_fault(scene: Scene) -> None:
    """When no profile can sign the check fails, and says of each issuer why; the staged one does not count."""
    scene.signers["one"].fault = SignerUnavailable("the token is gone")
    scene.signers["two"].fault = OSError()
    with pytest.raises(SignerUnavailable, match=r"issuer one: the token is gone; issuer two: OSError"):
        await scene.keys.check()
    assert scene.signers["three"].looks == 0


async def test_looks_at_the_same_time(scene: Scene) -> None:
    """A look that takes its time does not use up that of the next one: each begins before any has come back."""
    begun = threading.Barrier(2)
    for name in ("one", "two"):
        scene.signers[name].check = lambda: begun.wait(20) and None  # type: ignore[method-assign]
    await scene.keys.check()
    assert (scene.up("one"), scene.up("two")) == (1, 1)


async def test_a_look_that_hangs_is_one_issuers(impatient: Scene) -> None:
    """It counts as out of reach after its time, is joined by no second look, and counts when it comes back."""
    hanging = impatient.signers["two"]
    hanging.answers.clear()
    for _ in range(3):
        await impatient.keys.check()
        assert impatient.up("two") == 0
    assert hanging.looks == 1
    hanging.answers.set()
    await until_up(impatient, "two", impatient.keys.check)
    assert impatient.up("one") == 1


async def test_a_staged_look_that_hangs_does_not_end_the_watch(impatient: Scene) -> None:
    """The next look at staged issuers comes all the same, and sees the key that is back."""
    impatient.signers["three"].answers.clear()
    with capture_logs() as logs:
        await impatient.keys._look_at_staged()
    assert impatient.up("three") == 0
    assert of_issuers(logs) == [("warning", "staged issuer cannot sign", "three")]
    impatient.signers["three"].answers.set()
    await until_up(impatient, "three", impatient.keys._look_at_staged)


def test_a_look_ends_before_the_monitor_gives_all_of_them_up() -> None:
    """Else one that hangs would be the whole server's fault again."""
    assert LOOK_SECONDS < PROBE_TIMEOUT_SECONDS
