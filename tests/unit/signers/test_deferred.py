"""A key that was out of reach when it was to be opened first."""

import time

import pytest

from linecert_service.domain.errors import ConfigurationError, KeyOutOfReach, PinRefused, SignerUnavailable
from linecert_service.domain.ports import CaPrivateKey, Signer
from linecert_service.signers import opening
from linecert_service.signers.deferred import DeferredSigner
from linecert_service.signers.local import LocalSigner
from support.issuing import ca_key


class Place:
    """Where a key is, or is not; counts how often it is asked for, and knows what it gave."""

    def __init__(self) -> None:
        self.fault: ConfigurationError | None = KeyOutOfReach("the token is away")
        self.asked = 0
        self.given: LocalSigner | None = None

    def open(self) -> Signer:
        """The key, if it is there."""
        self.asked += 1
        if self.fault:
            raise self.fault
        self.given = LocalSigner(ca_key())
        return self.given

    def deferred(self) -> DeferredSigner:
        """What is there in place of the key."""
        return DeferredSigner(self.open, KeyOutOfReach("the token is away"), workers=3)


async def attempt() -> CaPrivateKey:
    """A signature, as far as its turn goes."""
    return ca_key()


async def test_it_signs_once_a_look_has_opened_it() -> None:
    """Until then calls are refused, and looks say why; signing does not open it, since that may take its time."""
    place = Place()
    signer = place.deferred()
    assert signer.workers == 3
    with pytest.raises(SignerUnavailable, match="the token is away"):
        signer.check()
    with pytest.raises(SignerUnavailable, match="send again with the same request_id") as refusal:
        _ = signer.private_key
    assert "token" not in refusal.value.message
    with pytest.raises(SignerUnavailable):
        await signer.in_turn(attempt, time.monotonic() + 60)
    place.fault = None
    assert place.asked == 1
    signer.check()
    signer.check()
    assert place.asked == 2
    assert signer.private_key is ca_key()
    assert await signer.in_turn(attempt, time.monotonic() + 60) is ca_key()
    signer.close()
    assert place.given is not None
    assert not hasattr(place.given, "private_key")


@pytest.mark.parametrize("fault", [PinRefused("refuses the PIN"), ConfigurationError("belongs to another")])
def test_what_waiting_does_not_mend_is_tried_once(fault: ConfigurationError) -> None:
    """A wrong PIN above all: a token locks itself after a few."""
    place = Place()
    signer = place.deferred()
    place.fault = fault
    for _ in range(3):
        with pytest.raises(SignerUnavailable, match=f"{fault}; it is not tried again before a restart"):
            signer.check()
    assert place.asked == 1


def test_a_key_that_comes_after_the_end_is_closed() -> None:
    """An attempt that is under way while the server ends leaves nothing open, and none is begun any more."""
    place = Place()
    place.fault = None

    def open_late() -> Signer:
        signer.close()
        return place.open()

    signer = DeferredSigner(open_late, KeyOutOfReach("the token is away"), workers=1)
    with pytest.raises(SignerUnavailable):
        signer.check()
    assert place.given is not None
    assert not hasattr(place.given, "private_key")
    with pytest.raises(SignerUnavailable):
        signer.check()
    assert place.asked == 1


def test_a_vault_gets_as_many_threads_late_as_at_once() -> None:
    """The number stands twice, since the package of the one is an extra."""
    signer = pytest.importorskip("linecert_service.signers.key_vault.signer")
    assert signer.WORKERS == opening.VAULT_WORKERS
