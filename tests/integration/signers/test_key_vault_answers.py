"""What a vault answers, or does not, and what the signer makes of it: no call waits for ever, no nonsense leaves."""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.hashes import SHA256

from linecert_service.domain.errors import SignerBusy, SignerUnavailable
from linecert_service.domain.key_identifiers import KeyIdentifier, KeyPlace
from linecert_service.signers.key_vault import condition, connection
from linecert_service.signers.key_vault.creation import create_key
from linecert_service.signers.key_vault.signer import KeyVaultSigner
from support.key_vault.double import KEY_IDENTIFIER, KeyVaultDouble, key_vault
from support.key_vault.model import VAULT_HOST
from support.signer_backends import ec_key

PATIENCE_SECONDS = 60
SHORT_SECONDS = 0.5


@pytest.fixture
def double(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KeyVaultDouble]:
    """A vault that the environment leads to."""
    with key_vault(tmp_path / "vault", ec_key()) as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is not borne for long."""
    monkeypatch.setattr(connection, "READ_SECONDS", SHORT_SECONDS)


@pytest.fixture
def signer(double: KeyVaultDouble) -> Iterator[KeyVaultSigner]:  # noqa: ARG001 - it is led there
    """Its key."""
    opened = KeyVaultSigner(KeyIdentifier.parse(KEY_IDENTIFIER))
    yield opened
    opened.close()


def sign(signer: KeyVaultSigner) -> bytes:
    """A signature, in the thread of who calls."""
    return signer.private_key.sign(b"data", ECDSA(SHA256()))  # type: ignore[call-arg, arg-type]


async def in_turn(signer: KeyVaultSigner, seconds: float = PATIENCE_SECONDS) -> bytes:
    """A signature as the pipeline gets it."""
    return await signer.in_turn(lambda: asyncio.to_thread(sign, signer), time.monotonic() + seconds)


async def comes(true: Callable[[], object]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not true():  # noqa: ASYNC110 - of other threads and processes
            await asyncio.sleep(0.02)


@pytest.mark.usefixtures("short")
def test_silent_vault_is_given_up(double: KeyVaultDouble, signer: KeyVaultSigner) -> None:
    """The key's own transport has the times, not only the clients that use it."""
    double.let(hang=True)
    with pytest.raises(SignerBusy, match="cannot be reached"):
        sign(signer)


@pytest.mark.usefixtures("short")
def test_silent_entra_id_is_given_up(double: KeyVaultDouble) -> None:
    """By who opens a key, and by who makes one."""
    double.entra(hanging=True)
    with pytest.raises(SignerBusy, match="Entra ID is out of reach"):
        KeyVaultSigner(KeyIdentifier.parse(KEY_IDENTIFIER))
    with pytest.raises(SignerBusy, match="Entra ID is out of reach"):
        create_key(KeyPlace(f"https://{VAULT_HOST}", "new", managed_hsm=False), "p256", in_hsm=False)


@pytest.mark.parametrize(
    "answer",
    ["[]", '"x"', "1", "null", "{}", "no JSON", '{"value": 1}', '{"value": ["x"]}', json.dumps({"value": "AAAA"})],
)
def test_answer_that_is_no_signature(double: KeyVaultDouble, signer: KeyVaultSigner, answer: str) -> None:
    """Whatever JSON it is, or is not, the key cannot be used, and it is said why; later signatures are good."""
    double.let(text=answer)
    with pytest.raises(SignerUnavailable, match="no answer that can be read") as caught:
        sign(signer)
    assert not isinstance(caught.value, SignerBusy)
    with pytest.raises(SignerUnavailable, match="no answer that can be read"):
        signer.check()
    double.let(text="")
    assert sign(signer)


@pytest.mark.parametrize("answer", ["[]", '"x"', "1", "null", "no JSON", '{"key": 1}'])
def test_answer_that_is_no_key(double: KeyVaultDouble, answer: str) -> None:
    """It is not opened."""
    double.let(text=answer)
    with pytest.raises(SignerUnavailable):
        KeyVaultSigner(KeyIdentifier.parse(KEY_IDENTIFIER))


async def test_answer_that_is_cut_off_is_asked_for_again(double: KeyVaultDouble, signer: KeyVaultSigner) -> None:
    """As one that did not come at all, within the deadline."""
    double.let(cut_off=True)
    call = asyncio.ensure_future(in_turn(signer))
    await comes(lambda: double.seen().signatures >= 2)
    double.let(cut_off=False)
    assert await call


async def test_refusal_ends_the_trouble(double: KeyVaultDouble, signer: KeyVaultSigner) -> None:
    """A vault that answers is asked by many at once again, and is no more said to be out of reach."""
    double.let(reset=True)
    with pytest.raises(SignerUnavailable, match="cannot be reached"):
        await in_turn(signer, seconds=1)
    assert signer._gate._trouble
    double.let(reset=False)
    double.key(enabled=False)
    with pytest.raises(SignerUnavailable, match="disabled"):
        await in_turn(signer)
    assert signer._gate._trouble is None


@pytest.mark.parametrize("usable", [True, False])
async def test_looks_count(
    double: KeyVaultDouble, signer: KeyVaultSigner, monkeypatch: pytest.MonkeyPatch, usable: bool
) -> None:
    """As transactions, in the event loop to which the gate belongs, whether or not the key is usable at the time."""
    monkeypatch.setattr(condition, "QUIET_SECONDS", 0.0)
    monkeypatch.setattr(condition, "TROUBLED_SECONDS", 0.0)
    await in_turn(signer)
    spent_by: list[int] = []
    monkeypatch.setattr(signer._gate, "spend", lambda: spent_by.append(threading.get_ident()))
    double.key(enabled=usable)
    if not usable:
        with pytest.raises(SignerUnavailable):
            await in_turn(signer)
    before = double.seen().requests["get"]
    for number in range(1, 4):
        with contextlib.nullcontext() if usable else pytest.raises(SignerUnavailable):
            await asyncio.to_thread(signer.check)
        await comes(lambda looks=number: double.seen().requests["get"] == before + looks == before + len(spent_by))  # type: ignore[misc]
        await comes(lambda: not signer._condition._look_is_due() or signer._condition._looking.done())
    assert set(spent_by) == {threading.get_ident()}


def test_looks_count_without_a_loop(double: KeyVaultDouble, signer: KeyVaultSigner) -> None:
    """Before the first signature, and after the loop of the last has ended, as in commands."""
    del double
    tokens = signer._gate._tokens
    signer._look()
    assert signer._gate._tokens == tokens - 1
    asyncio.run(in_turn(signer))
    signer._look()
