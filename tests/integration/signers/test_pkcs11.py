"""CA keys in a SoftHSM token, through the real module: what the contract suite does not ask of every signer."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import pkcs11
import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pkcs11 import exceptions

from linecert_service.domain.errors import ConfigurationError, PinRefused, SignerUnavailable
from linecert_service.domain.ports import CaPrivateKey
from linecert_service.signers.pkcs11 import module as modules
from linecert_service.signers.pkcs11 import signer as signers
from linecert_service.signers.pkcs11.module import Module
from linecert_service.signers.pkcs11.opening import open_pkcs11
from linecert_service.signers.pkcs11.signer import Pkcs11Signer
from support import softhsm
from support.softhsm import LABEL, PIN, SoftToken

DATA = b"the signed part of a certificate"
Open = Callable[..., Pkcs11Signer]


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoftToken:
    """A token without keys."""
    return softhsm.new_token(tmp_path / "softhsm", monkeypatch)


@pytest.fixture
def opened(token: SoftToken) -> Iterator[Open]:
    """Opens signers, which are closed with the test: the module is started anew for the next one."""
    signers: list[Pkcs11Signer] = []

    def open_(label: str = "issuer", *, pin: str | None = PIN, workers: int | None = 2) -> Pkcs11Signer:
        signers.append(open_pkcs11(token.uri(label), pin, workers=workers))
        return signers[-1]

    yield open_
    for signer in signers:
        signer.close()


@pytest.fixture
def logins(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tries to log in that reach a token."""
    tries: list[str] = []
    log_in = modules._logged_in

    def counted(token: pkcs11.Token, pin: str) -> pkcs11.Session:
        tries.append(token.label)
        return log_in(token, pin)

    monkeypatch.setattr(modules, "_logged_in", counted)
    return tries


def signs(key: CaPrivateKey, data: bytes = DATA, algorithm: hashes.HashAlgorithm | None = None) -> None:
    """Sign, and verify with pyca's own public key."""
    chosen = algorithm or hashes.SHA256()
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(data, padding.PKCS1v15(), chosen)  # type: ignore[arg-type]
        key.public_key().verify(signature, data, padding.PKCS1v15(), chosen)  # type: ignore[arg-type]
    else:
        key.public_key().verify(key.sign(data, ec.ECDSA(chosen)), data, ec.ECDSA(chosen))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["P-256", "P-384", "RSA-2048", "RSA-4096"])
def test_a_key_that_cannot_leave_signs(token: SoftToken, opened: Open, kind: str) -> None:
    """With each hash; its public half is the one that was made, and its private half is nowhere to be had."""
    made = token.make_key(kind, "issuer")
    signer = opened()
    key = signer.private_key
    assert key.public_key() == made
    assert not signer.may_leave
    for algorithm in (hashes.SHA256(), hashes.SHA384(), hashes.SHA512()):
        signs(key, algorithm=algorithm)
    with pytest.raises(UnsupportedAlgorithm, match="stays where it is"):
        key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(UnsupportedAlgorithm, match="stays where it is"):
        key.private_numbers()


def test_many_threads_sign_at_once(token: SoftToken, opened: Open) -> None:
    """More threads than sessions. SoftHSM crashes here when it is started for a single thread."""
    token.make_key("P-256", "issuer")
    signer = opened(workers=4)

    def work(number: int) -> None:
        for _ in range(1_000):
            signer._sign_ec(bytes(32), hashes.SHA256())
        signs(signer.private_key, str(number).encode())

    with ThreadPoolExecutor(8) as pool:
        for result in [pool.submit(work, number) for number in range(8)]:
            result.result()


@pytest.mark.parametrize("where", ["token=" + LABEL, "serial={serial}", "slot-id={slot}", "model=SoftHSM%20v2"])
def test_a_token_is_found_by_what_the_uri_says(token: SoftToken, opened: Open, where: str) -> None:
    """By its label, serial number, slot or model; and the key by its identifier."""
    token.make_key("P-256", "issuer", "0a0b")
    first = opened()
    seen = next(slot.get_token() for slot in first._module.library.get_slots() if slot.get_token().label == LABEL)
    named = where.format(serial=seen.serial.decode(), slot=seen.slot.slot_id)
    # SoftHSM always shows an empty token beside, of the same model.
    uri = f"pkcs11:{named};id=%0a%0b;type=private?module-path={token.module}"
    if named.startswith("model"):
        with pytest.raises(ConfigurationError, match="several such tokens"):
            open_pkcs11(uri, PIN)
        return
    signer = open_pkcs11(uri, PIN)
    try:
        signs(signer.private_key)
    finally:
        signer.close()


def test_the_module_may_be_named_without_its_path(token: SoftToken) -> None:
    """RFC 7512 has module-name for URIs that several kinds of machines share."""
    token.make_key("P-256", "issuer")
    signer = open_pkcs11(f"pkcs11:token={LABEL};object=issuer?module-name=softhsm2", PIN)
    signs(signer.private_key)
    signer.close()


def test_a_key_that_wants_the_pin_for_each_signature_gets_it(token: SoftToken, opened: Open) -> None:
    """CKA_ALWAYS_AUTHENTICATE."""
    token.make_key("P-256", "issuer", "01", "ALWAYS_AUTHENTICATE")
    key = opened().private_key
    signs(key)
    signs(key)


def test_a_key_that_may_leave_is_noticed(token: SoftToken, opened: Open) -> None:
    """It signs; `serve` and `check` warn."""
    token.make_key("P-256", "issuer", "01", "EXTRACTABLE")
    assert opened().may_leave


# Loss.


def test_a_token_that_was_taken_out_and_put_back_signs_again(token: SoftToken, opened: Open) -> None:
    """Meanwhile it is said to be out of reach, for how long at least; then all is well without a restart."""
    token.make_key("P-256", "issuer")
    signer = opened()
    signs(signer.private_key)
    token.take_out()
    with pytest.raises(SignerUnavailable, match="tried again by itself") as caught:
        signs(signer.private_key)
    assert caught.value.retry_after == 1.0
    with pytest.raises(SignerUnavailable):
        signer.check()
    token.put_back()
    signer.check()
    signs(signer.private_key)


def test_the_look_of_the_health_monitor_finds_the_loss(token: SoftToken, opened: Open) -> None:
    """Without a signature: readiness falls before a station has to wait."""
    token.make_key("RSA-2048", "issuer")
    signer = opened()
    signer.check()
    token.take_out()
    with pytest.raises(SignerUnavailable):
        signer.check()
    token.put_back()
    signer.check()


def test_lost_sessions_are_opened_anew_unnoticed(token: SoftToken, opened: Open) -> None:
    """CKR_SESSION_HANDLE_INVALID, as after a reset of the token: the caller gets its signature."""
    token.make_key("P-256", "issuer")
    signer = opened(workers=1)
    signs(signer.private_key)
    signer._idle[0].session.close()
    signs(signer.private_key)
    runs = signer._module.run
    signs(signer.private_key)
    assert signer._module.run == runs


def test_threads_that_meet_a_loss_together_start_the_module_anew_once(token: SoftToken, opened: Open) -> None:
    """Two sessions are dead; both threads get their signatures, from one new start."""
    token.make_key("P-256", "issuer")
    signer = opened(workers=2)
    together = threading.Barrier(2)
    held = [signer._attempt(lambda session: session), signer._open()]
    signer._idle[:] = held
    for session in held:
        session.session.close()
    runs = signer._module.run

    def sign() -> None:
        together.wait()
        signs(signer.private_key)

    with ThreadPoolExecutor(2) as pool:
        for result in [pool.submit(sign) for _ in range(2)]:
            result.result()
    assert signer._module.run == runs + 1


def test_an_issuer_does_not_suffer_when_another_ones_loss_restarts_the_module(token: SoftToken, opened: Open) -> None:
    """One module serves both: the sessions of the second are opened anew before it notices."""
    token.make_key("P-256", "first", "01")
    token.make_key("P-384", "second", "02")
    first, second = opened("first"), opened("second")
    signs(second.private_key)
    first._module.start_anew(first._module.run)
    signs(second.private_key)
    signs(first.private_key)


def test_a_token_that_came_back_with_another_pin_is_not_tried_until_it_locks(
    token: SoftToken, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One try; after that every signature and look is refused without one."""
    token.make_key("P-256", "issuer")
    signer = opened()
    tries: list[str] = []
    log_in = Module.log_in

    def counted(module: Module, found: pkcs11.Token, pin: str) -> None:
        tries.append(found.label)
        log_in(module, found, pin)

    monkeypatch.setattr(Module, "log_in", counted)
    token.replace(pin="another-pin")
    for _ in range(3):
        with pytest.raises(SignerUnavailable, match="correct the PIN and restart") as caught:
            signer.check()
        assert PIN not in str(caught.value)
        with pytest.raises(SignerUnavailable, match="correct the PIN and restart"):
            signs(signer.private_key)
    assert tries == [LABEL]


def test_a_closed_signer_refuses_and_the_module_starts_again(token: SoftToken, opened: Open) -> None:
    """As a service that ends, and the next one."""
    token.make_key("P-256", "issuer")
    signer = opened()
    signer.close()
    with pytest.raises(SignerUnavailable):
        signs(signer.private_key)
    with pytest.raises(SignerUnavailable):
        signer.check()
    signs(opened().private_key)


def test_threads_that_meet_another_pin_together_show_theirs_once(
    token: SoftToken, opened: Open, logins: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six that were let through before the first was refused, another issuer, and one that is opened again later."""
    token.make_key("P-256", "issuer")
    signer, other = opened(workers=6), opened()
    token.replace(pin="another-pin")
    together, let_through = threading.Barrier(6), signer._refuse_while_down

    def wait_for_the_others() -> None:
        let_through()
        together.wait(60)

    monkeypatch.setattr(signer, "_refuse_while_down", wait_for_the_others)
    logins.clear()
    with ThreadPoolExecutor(6) as pool:
        for result in [pool.submit(signs, signer.private_key) for _ in range(6)]:
            with pytest.raises(SignerUnavailable, match="correct the PIN and restart"):
                result.result()
    with pytest.raises(SignerUnavailable, match="correct the PIN and restart"):
        other.check()
    assert logins == [LABEL]
    for signer_ in (signer, other):
        signer_.close()
    with pytest.raises(PinRefused):
        opened()
    assert logins == [LABEL]


def test_nothing_that_comes_later_hides_a_refused_pin(token: SoftToken, opened: Open) -> None:
    """Another thread meets something else, or had its signature just before: no look and no signature tries again."""
    token.make_key("P-256", "issuer")
    signer = opened()
    signer._down(exceptions.PinIncorrect())
    signer._down(exceptions.DeviceError())
    signer._up()
    signer._signed_at = float("inf")
    with pytest.raises(SignerUnavailable, match=r"PinIncorrect.*correct the PIN and restart"):
        signer.check()
    with pytest.raises(SignerUnavailable, match=r"PinIncorrect.*correct the PIN and restart"):
        signs(signer.private_key)


# Looks under load.


def test_a_look_does_not_wait_behind_signatures(
    token: SoftToken, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every place is taken by a signature that does not end before the look has come back."""
    token.make_key("P-256", "issuer")
    signer = opened(workers=2)
    looked, sign = threading.Event(), signers._sign
    signing = threading.Barrier(3)

    def slowly(*arguments: Any) -> bytes:
        signing.wait(60)
        assert looked.wait(60)
        return sign(*arguments)

    monkeypatch.setattr(signers, "_sign", slowly)
    with ThreadPoolExecutor(3) as pool:
        signatures = [pool.submit(signs, signer.private_key) for _ in range(2)]
        signing.wait(60)
        try:
            pool.submit(signer.check).result(30)
        finally:
            looked.set()
        for signature in signatures:
            signature.result()


def test_a_signature_counts_as_a_look(token: SoftToken, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under constant load of a slow token no look is made, and each says that all is well; after a rest one is made."""
    token.make_key("P-256", "issuer")
    signer = opened(workers=1)
    looks, enough, signed = count(), threading.Event(), threading.Semaphore(0)
    look, sign = signers._look, signers._sign

    def counted(held: Any) -> Any:
        next(looks)
        return look(held)

    def slowly(*arguments: Any) -> bytes:
        enough.wait(0.02)
        signed.release()
        return sign(*arguments)

    def work() -> None:
        while not enough.is_set():
            signs(signer.private_key)

    monkeypatch.setattr(signers, "_look", counted)
    monkeypatch.setattr(signers, "_sign", slowly)
    monkeypatch.setattr(signers, "FRESH_SECONDS", 3600.0)
    signs(signer.private_key)
    with ThreadPoolExecutor(4) as pool:
        load = [pool.submit(work) for _ in range(4)]
        try:
            for _ in range(10):
                assert signed.acquire(timeout=60)
                signer.check()
        finally:
            enough.set()
        for each in load:
            each.result()
    assert next(looks) == 0
    monkeypatch.setattr(signers, "FRESH_SECONDS", -1.0)
    signer.check()
    assert next(looks) == 2


def test_a_signature_that_failed_takes_the_earlier_ones_word_back(token: SoftToken, opened: Open) -> None:
    """It signed a moment ago, and then not: the look looks."""
    token.make_key("P-256", "issuer")
    signer = opened()
    signs(signer.private_key)
    token.take_out()
    with pytest.raises(SignerUnavailable):
        signs(signer.private_key)
    with pytest.raises(SignerUnavailable):
        signer.check()
    token.put_back()


def test_no_pin_is_shown(token: SoftToken, opened: Open) -> None:
    """What holds one may stand in a traceback's locals."""
    token.make_key("P-256", "issuer", "01", "ALWAYS_AUTHENTICATE")
    signer = opened()
    held = signer._open()
    assert held.pin == PIN
    shown = f"{held!r} {signer!r} {signer._module._logins!r} {vars(signer._module)!r} {signer._idle!r}"
    assert PIN not in shown


# What is wrong at the start.


def test_a_wrong_pin_is_tried_once_in_the_life_of_a_process(token: SoftToken, opened: Open, logins: list[str]) -> None:
    """A staged issuer is opened again each minute: its token is not asked again. The right PIN still is."""
    token.make_key("P-256", "issuer")
    for _ in range(3):
        with pytest.raises(PinRefused, match="refuses the PIN"):
            opened(pin="0000-0000")
    assert logins == [LABEL]
    signs(opened().private_key)


@pytest.mark.parametrize("pin", ["0000-0000", "1"])
def test_a_wrong_pin_is_said_and_not_shown(token: SoftToken, opened: Open, pin: str) -> None:
    """The sentence names the token and where the PIN came from."""
    token.make_key("P-256", "issuer")
    with pytest.raises(ConfigurationError, match=r"token 'line-ca' refuses the PIN from a test: correct it") as caught:
        open_pkcs11(token.uri("issuer"), pin, pin_from="a test")
    assert pin == "1" or pin not in str(caught.value)
    signs(opened().private_key)


@pytest.mark.parametrize(
    "keys, pin, message",
    [
        ([], PIN, "shows no such private key"),
        ([("P-256", "issuer", "01")], None, "give the PIN"),
        ([("P-256", "issuer", "01"), ("P-256", "issuer", "02")], PIN, "several such keys"),
        ([("P-256", "issuer", "01", "ALONE")], PIN, "no public key with the same id"),
        ([("P-521", "issuer", "01")], PIN, "cannot issue"),
    ],
)
def test_a_key_that_cannot_be_used_is_named(
    token: SoftToken, keys: list[tuple[str, ...]], pin: str | None, message: str
) -> None:
    """What is wrong and what to do, for each."""
    for key in keys:
        token.make_key(*key)
    with pytest.raises(ConfigurationError, match=message) as caught:
        open_pkcs11(token.uri("issuer"), pin)
    assert PIN not in str(caught.value)


def test_a_token_that_is_not_there_is_named(token: SoftToken) -> None:
    """As when it is not in its slot at the start."""
    with pytest.raises(ConfigurationError, match=r"token 'elsewhere'.*shows no such token"):
        open_pkcs11(token.uri("issuer", where="token=elsewhere"), PIN)


@pytest.mark.parametrize("path", ["/nowhere/module.so", sys.executable])
def test_a_file_that_is_no_module_is_named(path: str) -> None:
    """Missing, or something else."""
    with pytest.raises(ConfigurationError, match="cannot be loaded as a PKCS#11 module"):
        open_pkcs11(f"pkcs11:token=a;object=b?module-path={path}", PIN)


def test_a_module_that_does_not_start_is_named(token: SoftToken) -> None:
    """SoftHSM without a folder for its tokens."""
    token.take_out()
    with pytest.raises(ConfigurationError, match="does not start"):
        open_pkcs11(token.uri("issuer"), PIN)


def test_without_the_extra_it_is_named() -> None:
    """A server that was installed without PKCS#11 says what to install."""
    program = (
        "import sys; sys.modules['pkcs11'] = None\n"
        "from linecert_service.signers.pkcs11.opening import open_pkcs11\n"
        "open_pkcs11('pkcs11:object=a?module-path=/b.so', None)\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert "linecert[server,pkcs11]" in result.stderr
