"""Nothing secret leaves: not in the log at its most talkative, not in metrics, not in errors."""

import asyncio
import base64
import os
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from support import csrs
from support.installations import Installation
from support.server import LINECERT_SERVER, Caller, Refusal, ask, process, refused

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
    secrets: list[bytes] = []
    refusals: list[Refusal] = []
    with process(installation, "--log-level", "debug") as server:
        station = server.caller()
        await station.sign(ask("device-01"))
        for key in (csrs.key("P-256", 1), csrs.key("RSA-2048", 1)):
            assert isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
            csr = csrs.make("device-02", key)
            for pem in private_pems(key):
                refusals += await _paste(station, csrs.pem(csr), pem)
                secrets.append(body_of(pem))
            refusals.append(await refused(station.sign(ask(csr=csr[:-1] + bytes([csr[-1] ^ 1])))))
            secrets.append(csr)
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
    for secret in (passphrase, *map(body_of, own), *secrets):
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


@pytest.mark.parametrize("command", ["check", "serve"])
def test_a_wrong_pass_phrase_is_not_repeated(installation: Installation, command: str) -> None:
    """The sentence says which key it does not open; the status is 1."""
    environment = os.environ | {"LINECERT_ISSUER_ISSUER_PASSPHRASE": f"{MARK}-{MARK}"}
    result = subprocess.run(
        [LINECERT_SERVER, command, "--config", str(installation.config)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 1
    output = result.stdout + result.stderr
    assert MARK not in output
    assert "issuer.key.pem" in output
    assert "Traceback" not in output
