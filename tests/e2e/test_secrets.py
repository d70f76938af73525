"""Nothing secret leaves: not in the log at its most talkative, not in metrics, not in errors."""

import asyncio
import base64
import contextlib
import os
import secrets
import subprocess
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from linecert_service.domain.errors import ConfigurationError
from linecert_service.signers import key_file
from support import csrs, softhsm
from support.installations import Installation
from support.issuer_places import NAME
from support.key_vault.double import key_vault
from support.key_vault.model import VAULT_HOST
from support.key_vault.servers import move_key
from support.server import LINECERT, LINECERT_SERVER, Caller, Refusal, ask, process, refused

WINDOW = 12
MARK = "swordfish"


def leaked(secret: bytes, text: str) -> bool:
    """Whether any part of `secret` stands in `text`: as it is, in base64, in hex, or as Python shows octets."""
    forms = {secret.decode("latin-1"), secret.hex(), repr(secret)[2:-1]}
    forms |= {base64.b64encode(secret[shift:]).decode() for shift in range(3)}
    text = "".join(text.split())
    return any(
        form[start : start + WINDOW] in text for form in forms for start in range(max(1, len(form) - WINDOW + 1))
    )


def test_the_search_finds_what_leaks() -> None:
    """The helper of these tests: parts of a secret are found in every form."""
    secret = os.urandom(64)
    for text in (
        repr(secret),
        secret.hex(),
        base64.b64encode(secret).decode(),
        base64.b64encode(secret[10:40]).decode(),
    ):
        assert leaked(secret, f"some text {text} and more")
    assert not leaked(secret, "some text and more")


def private_pems(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> list[bytes]:
    """A key in the forms that somebody may paste."""
    formats = (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL)
    encrypted = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"1234"))
    return [*(key.private_bytes(Encoding.PEM, form, NoEncryption()) for form in formats), encrypted]


def body_of(pem: bytes) -> bytes:
    """The octets inside a PEM block."""
    return base64.b64decode(b"".join(line for line in pem.splitlines() if b"--" not in line and b":" not in line))


async def test_neither_log_nor_metrics_nor_errors_hold_what_callers_sent(installation: Installation) -> None:
    """Keys pasted into CSRs and fields, CSRs good and bad, and text that was not checked; at log level debug."""
    sent: list[bytes] = []
    refusals: list[Refusal] = []
    with process(installation, "--log-level", "debug") as server:
        station = server.caller()
        await station.sign(ask("device-01"))
        for key in (csrs.key("P-256", 1), csrs.key("RSA-2048", 1)):
            assert isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
            csr = csrs.make("device-02", key)
            for pem in private_pems(key):
                refusals += await _paste(station, csrs.pem(csr), pem)
                sent.append(body_of(pem))
            refusals.append(await refused(station.sign(ask(csr=csr[:-1] + bytes([csr[-1] ^ 1])))))
            sent.append(csr)
        for fields in _fields_with_text():
            refusals.append(await refused(station.sign(ask(**fields))))
        await server.close_callers()
        metrics = await asyncio.to_thread(server.scrape)
        assert server.terminate() == 0
    everything = "".join(server.lines) + metrics + "".join(map(str, refusals))
    passphrase = (installation.layout.pki / "issuer.passphrase").read_bytes().strip()
    own = [
        (installation.layout.pki / name).read_bytes() for name in ("server.key.pem", "log.key.pem", "issuer.key.pem")
    ]
    assert '"event":"issued"' in everything
    assert MARK not in everything
    assert "BEGIN" not in everything
    for secret in (passphrase, *map(body_of, own), *sent):
        assert not leaked(secret, everything)


async def _paste(station: Caller, csr: bytes, pem: bytes) -> list[Refusal]:
    """A key before, after and instead of a CSR, and in every field of text."""
    text = pem.decode()
    requests = [ask(csr=data) for data in (csr + pem, pem + csr, pem)]
    requests += [ask(**{field: text}) for field in ("request_id", "registration_id", "profile", "work_order", "lot")]
    requests += [ask(attributes={text: ""}), ask(attributes={"panel": text})]
    refusals = [await refused(station.sign(request)) for request in requests]
    raw = station.channel.unary_unary("/linecert.v1.SigningService/SignDevice")
    refusals.append(await refused(raw(b"\x12\xff" + pem)))
    assert {refusal.reason for refusal in refusals[:3]} == {"CSR_NOT_ALONE"}
    assert {refusal.status for refusal in refusals} == {"INVALID_ARGUMENT"}
    return refusals


def _fields_with_text() -> list[dict[str, object]]:
    """Text that is refused, and must not be repeated by the one who refuses it."""
    return [
        {"request_id": MARK},
        {"registration_id": MARK},
        {"profile": MARK},
        {"profile": f"{MARK}!"},
        {"lot": f" {MARK}"},
        {"attributes": {MARK.upper(): "1"}},
        {"attributes": {"panel": f"{MARK}\n"}},
        {"csr": MARK.encode()},
        {"csr": csrs.make(f"{MARK} !")},
        {"csr": csrs.pem(csrs.make()) + MARK.encode()},
    ]


# A full run, with all that the service is told in confidence planted.

_STRANGERS = ("AWS_SECRET_ACCESS_KEY", "AZURE_CLIENT_SECRET", "LINECERT_TOKEN", "PGPASSWORD")
"""Secrets of others that stand in the environment of a service."""


@dataclass(frozen=True, slots=True)
class Planted:
    """A place with what must not leave it.

    Attributes:
        secrets: what is planted, and parts of what is made there.
        opened_by: the environment variables with the secret that opens the issuer's key.
        options: of `issuer request`, for another key in the same place.
        refusal: what a start says where that secret is wrong.
    """

    secrets: list[bytes]
    opened_by: str
    refusal: str
    options: Sequence[str] = ()


_TOKEN = b"token-of-the-double."
"""With what each token of the double of Entra ID begins."""

Plant = Callable[[Installation, Path, pytest.MonkeyPatch], contextlib.AbstractContextManager[Planted]]


def planted() -> str:
    """A secret that stands nowhere else."""
    return secrets.token_hex(12)


@contextlib.contextmanager
def _in_a_file(installation: Installation, _: Path, environment: pytest.MonkeyPatch) -> Iterator[Planted]:
    """The issuer's key in a file, its pass phrase in the environment."""
    pki, passphrase = installation.layout.pki, planted().encode()
    old = (pki / "issuer.passphrase").read_bytes().partition(b"\n")[0]
    key = key_file.load(pki / "issuer.key.pem", old)
    (pki / "issuer.passphrase").unlink()
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase))
    (pki / "issuer.key.pem").write_bytes(locked)
    installation.edit('passphrase_file = "pki/issuer.passphrase"\n', "")
    variable = "LINECERT_ISSUER_ISSUER_PASSPHRASE"
    environment.setenv(variable, passphrase.decode())
    yield Planted([passphrase, number_of(key)], variable, f"from the environment variable {variable}")


@contextlib.contextmanager
def _in_a_token(installation: Installation, folder: Path, environment: pytest.MonkeyPatch) -> Iterator[Planted]:
    """The issuer's key in a token, its PIN in the environment."""
    token = softhsm.new_token(folder / "softhsm", environment, pin=planted())
    softhsm.move_issuer(installation, token, "P-256")
    variable = "LINECERT_ISSUER_ISSUER_PIN"
    for name in (variable, "LINECERT_ISSUER_LINE_3_PIN"):
        environment.setenv(name, token.pin)
    refusal = f"from the environment variable {variable}"
    yield Planted([token.pin.encode()], variable, refusal, ("--key", token.uri(NAME)))


@contextlib.contextmanager
def _in_a_vault(installation: Installation, folder: Path, environment: pytest.MonkeyPatch) -> Iterator[Planted]:
    """The issuer's key in a vault, the client secret in the environment, and tokens from Entra ID."""
    key = move_key(installation)
    with key_vault(folder / "vault", key) as double:
        for name, value in double.environment.items():
            environment.setenv(name, value)
        secret = [double.secret.encode(), _TOKEN, number_of(key)]
        options = ("--key", f"https://{VAULT_HOST}/keys/{NAME}")
        yield Planted(secret, "AZURE_CLIENT_SECRET", "does not accept this service's credential", options)


def number_of(key: object) -> bytes:
    """What of a key on P-256 is secret."""
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key.private_numbers().private_value.to_bytes(32)


PLACES: dict[str, Plant] = {"file": _in_a_file, "token": _in_a_token, "key-vault": _in_a_vault}
"""Where a CA key may live; each plants it, with what opens it. Another place is another line here."""


@pytest.mark.parametrize("place", PLACES)
async def test_a_full_run_prints_no_secret(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """A new issuer there, checks, a server at its most talkative, its metrics, and its callers' commands."""
    secret = []
    for name in _STRANGERS:
        secret.append(planted().encode())
        monkeypatch.setenv(name, secret[-1].decode())
    with PLACES[place](installation, tmp_path, monkeypatch) as there:
        everything = await _full_run(installation, tmp_path, there.options)
    assert '"event":"issued"' in everything
    assert "CSR_NOT_ALONE" in everything
    assert f"{NAME} signs for device in place of issuer" in " ".join(everything.split())
    assert "PRIVATE KEY---" not in everything
    keys = [path for top in (installation.folder, tmp_path / "out") for path in top.rglob("*key.pem")]
    assert len(keys) > 6
    phrases = [path.read_bytes().partition(b"\n")[0] for path in installation.layout.pki.glob("*.passphrase")]
    for one in (*secret, *there.secrets, *phrases, *map(private_part, keys)):
        assert not leaked(one, everything)


async def _full_run(installation: Installation, tmp_path: Path, options: Sequence[str]) -> str:
    """All that is printed."""
    printed = []
    for command in (*_ceremony(installation, tmp_path, options), *_CHECKS):
        offline = "sign-request" in command
        config = [] if offline else ["--config", installation.config]
        printed.append(await asyncio.to_thread(output_of, LINECERT_SERVER, *command, *config))
    with process(installation, "--log-level", "debug") as server:
        printed += [
            await asyncio.to_thread(output_of, LINECERT, *command) for command in _calls(tmp_path, installation)
        ]
        printed.append(await asyncio.to_thread(server.scrape))
        assert server.terminate() == 0
    return "".join(printed + server.lines)


def private_part(path: Path) -> bytes:
    """What of a key file is secret: of an encrypted key all, of a plain one its number."""
    pem = path.read_bytes()
    if b"ENCRYPTED" in pem:
        return body_of(pem)
    key = load_pem_private_key(pem, None)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.private_numbers().d.to_bytes(512).lstrip(b"\0")
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.private_numbers().private_value.to_bytes(48).lstrip(b"\0")
    assert isinstance(key, Ed25519PrivateKey)
    return key.private_bytes_raw()


@pytest.mark.parametrize("place", PLACES)
def test_what_does_not_open_the_key_is_not_shown(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """A start that fails is where values are printed most readily; the sentence says what does not fit."""
    wrong = planted()
    with PLACES[place](installation, tmp_path, monkeypatch) as there:
        monkeypatch.setenv(there.opened_by, wrong)
        printed = output_of(LINECERT_SERVER, "serve", "--log-level", "debug", "--config", installation.config)
    assert "error: " in printed
    assert there.refusal in printed
    assert "Traceback" not in printed
    assert not leaked(wrong.encode(), printed)


@pytest.mark.parametrize("setting", ["pin", "passphrase", "client_secret"])
def test_a_secret_that_is_put_where_none_belongs_is_not_shown(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    """As a setting in the TOML, or in a variable that looks like one: the message names the place, and no value."""
    wrong = planted()
    line = f'{setting} = "{wrong}"\n'
    installation.edit("[issuers.issuer]\n", f"[issuers.issuer]\n{line}")
    with pytest.raises(ConfigurationError, match=f"issuers.issuer.{setting}") as in_the_toml:
        installation.settings()
    installation.edit(line, "")
    variable = f"LINECERT_ISSUERS__ISSUER__{setting.upper()}"
    monkeypatch.setenv(variable, wrong)
    with pytest.raises(ConfigurationError, match=variable) as in_the_environment:
        installation.settings()
    for caught in (in_the_toml, in_the_environment):
        assert not leaked(wrong.encode(), "".join(traceback.format_exception(caught.value)))


_CHECKS: tuple[tuple[object, ...], ...] = (("check",), ("check", "--json"))


def _ceremony(installation: Installation, folder: Path, options: Sequence[str]) -> Iterator[tuple[object, ...]]:
    """A new issuer from its key to its turn, each command but `sign-request` with the settings."""
    csr, chain = folder / "line-3.csr.pem", folder / "line-3.chain.pem"
    yield "issuer", "request", NAME, "--out", csr, *options
    yield "issuer", "sign-request", csr, "--offline", installation.layout.offline, "--out", chain, "--yes"
    yield "issuer", "install", NAME, chain, "--stage", "device"
    yield "issuer", "self-test"
    yield "issuer", "switch", "device"


def _calls(folder: Path, installation: Installation) -> Iterator[list[object]]:
    """What a station and an auditor do; once with a private key beside the CSR."""
    key = csrs.key("P-256", 7)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    pasted = folder / "device-01.key.pem"
    pasted.write_bytes(csrs.pem(csrs.make("device-01", key)) + private_pems(key)[0])
    out = ["--out", folder / "out"]
    station: list[object] = ["-C", installation.layout.client("station-01")]
    auditor: list[object] = ["-C", installation.layout.client("auditor-01")]
    yield [*station, "sign", pasted, *out]
    yield [*station, "make", "--registration-id", "device-02", *out]
    yield [*station, "show", "--registration-id", "device-02", "--json"]
    yield [*auditor, "verify"]


def output_of(*command: object) -> str:
    """All that a command prints, whatever it ends with."""
    words = [str(part) for part in command]
    result = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
    return result.stdout + result.stderr
