"""Which PINs a token is asked: none that it refused, and none when one more would lock it."""

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("pkcs11")

from pkcs11 import TokenFlag
from pkcs11.exceptions import DeviceError, PinIncorrect, PinLocked, PKCS11Error

from linecert_service.signers.pkcs11 import faults
from linecert_service.signers.pkcs11.logins import FinalTry, RefusedPins
from linecert_service.signers.pkcs11.uri import Pkcs11Uri

PIN = "4711-0815"


def token(slot: int = 1, serial: bytes = b"01", flags: TokenFlag = TokenFlag.LOGIN_REQUIRED) -> Any:
    """A token, as far as it is looked at before a login."""
    return SimpleNamespace(slot=SimpleNamespace(slot_id=slot), serial=serial, flags=flags)


def is_asked(pins: RefusedPins, asked: Any, pin: str = PIN, answer: type[PKCS11Error] | None = None) -> bool:
    """Whether the token gets to see the PIN; then it answers."""
    seen = False
    try:
        with pins.asking(asked, pin):
            seen = True
            if answer is not None:
                raise answer
    except PKCS11Error:
        pass
    return seen


def test_a_refused_pin_is_not_shown_again() -> None:
    """To this token; another PIN is, and another token in the same slot has not seen it."""
    pins = RefusedPins()
    assert is_asked(pins, token(), answer=PinIncorrect)
    assert not is_asked(pins, token())
    assert is_asked(pins, token(), "another")
    assert is_asked(pins, token(serial=b"02"))
    assert is_asked(pins, token(slot=2))


def test_a_token_that_failed_may_be_asked_again() -> None:
    """That says nothing about the PIN."""
    pins = RefusedPins()
    assert is_asked(pins, token(), answer=DeviceError)
    assert is_asked(pins, token())


@pytest.mark.parametrize(
    "flag, error, sentence",
    [
        (TokenFlag.USER_PIN_FINAL_TRY, FinalTry, "locks itself at the next wrong PIN"),
        (TokenFlag.USER_PIN_LOCKED, PinLocked, "is locked after too many wrong PINs"),
    ],
)
def test_a_token_near_its_end_is_not_asked(flag: TokenFlag, error: type[PKCS11Error], sentence: str) -> None:
    """The operator learns why; when the flag is gone it is asked."""
    pins = RefusedPins()
    with pytest.raises(error) as caught, pins.asking(token(flags=TokenFlag.LOGIN_REQUIRED | flag), PIN):
        pytest.fail("it was asked")
    uri = Pkcs11Uri.parse("pkcs11:token=a;object=b?module-path=/c.so")
    assert sentence in str(faults.of_the_key(uri, caught.value, has_pin=True, pin_from="a test"))
    assert is_asked(pins, token())


def test_pins_are_not_kept() -> None:
    """What is remembered does not show them."""
    pins = RefusedPins()
    is_asked(pins, token(), answer=PinIncorrect)
    assert PIN not in repr(vars(pins))
