"""What is known of a key in a vault: a lost connection says nothing, an outage and a refusal do."""

import contextlib
import threading
from collections.abc import Callable, Iterator

import pytest

from linecert_service.domain.errors import SignerBusy, SignerUnavailable
from linecert_service.signers.key_vault.condition import MISSED_SECONDS, QUIET_SECONDS, TROUBLED_SECONDS, Condition

LOST = SignerBusy("the vault cannot be reached")
PATIENCE_SECONDS = 30


class Vault:
    """Time that a test lets pass, and looks that it answers."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.fault: SignerUnavailable | None = None
        self.looks = 0

    def look(self) -> None:
        """Read the key."""
        self.looks += 1
        if self.fault:
            raise self.fault


@pytest.fixture
def vault() -> Vault:
    """One that answers."""
    return Vault()


@pytest.fixture
def condition(vault: Vault) -> Iterator[Condition]:
    """What is known of its key."""
    made = Condition("key", vault.look, lambda: vault.now)
    yield made
    made.close()


def done(condition: Condition) -> None:
    """Wait until the look under way, if there is one, has ended."""
    if condition._looking:
        condition._looking.result(PATIENCE_SECONDS)


def test_lost_connections_are_no_outage(vault: Vault, condition: Condition) -> None:
    """However many are lost at once; the next signature goes well."""
    for _ in range(3):
        for _ in range(16):
            condition.heard(LOST)
        vault.now += MISSED_SECONDS / 2
        condition.check()
        condition.heard(None)
        vault.now += MISSED_SECONDS


def test_what_lasts_is_an_outage(vault: Vault, condition: Condition) -> None:
    """Until something goes well."""
    condition.heard(LOST)
    vault.now += MISSED_SECONDS
    condition.heard(LOST)
    with pytest.raises(SignerBusy):
        condition.check()
    condition.heard(None)
    condition.check()


def test_missed_key_is_looked_at_soon(vault: Vault, condition: Condition) -> None:
    """Nobody else may ask for a signature, and a health probe has to find out."""
    vault.fault = LOST
    condition.heard(LOST)
    vault.now += TROUBLED_SECONDS
    with contextlib.suppress(SignerBusy):
        # The look, in a thread of its own, may be over already.
        condition.check()
    done(condition)
    assert vault.looks == 1
    with pytest.raises(SignerBusy):
        condition.check()


@pytest.mark.parametrize(
    "heard, usable",
    [(SignerUnavailable("disabled"), False), (SignerBusy("too much", throttled=True), True)],
)
def test_what_the_vault_says_counts_at_once(condition: Condition, heard: SignerUnavailable, usable: bool) -> None:
    """A refusal is one; a vault that throttles is there."""
    condition.heard(LOST)
    condition.heard(heard)
    if usable:
        condition.check()
    else:
        with pytest.raises(SignerUnavailable):
            condition.check()


def test_end_does_not_wait_for_a_look(vault: Vault) -> None:
    """And nothing is heard of it any more."""
    begun, over = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        over.wait(PATIENCE_SECONDS)
        raise SignerUnavailable("closed under its feet")

    condition = Condition("key", hang, lambda: vault.now)
    vault.now += QUIET_SECONDS
    condition.check()
    assert begun.wait(PATIENCE_SECONDS)
    ending = _thread(condition.close)
    ending.join(PATIENCE_SECONDS / 2)
    waits = ending.is_alive()
    over.set()
    ending.join()
    assert not waits
    done(condition)
    assert condition._fault is None


def _thread(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread
