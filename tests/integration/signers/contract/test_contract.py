"""What every place of a CA key must do, whichever it is: the contract of `domain.ports.Signer`."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, utils
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from linecert_service.domain.errors import SignatureUnusable, SignerUnavailable
from linecert_service.domain.ports import Signer
from linecert_service.issuance.certificate import make
from linecert_service.issuance.issuer import Issuer
from support.doubles import NullMeter
from support.signer_backends import BACKENDS, Backend, issuer_of, plan_for

PATIENCE_SECONDS = 60
TBS = b"what is to be signed"


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Backend]:
    """Each of the places in turn."""
    made = BACKENDS[request.param](tmp_path, monkeypatch)
    yield made
    made.close()


@pytest.fixture
def signer(backend: Backend) -> Iterator[Signer]:
    """Its key, open."""
    opened = backend.open()
    yield opened
    opened.close()


@pytest.fixture
def issuer(backend: Backend, signer: Signer) -> Issuer:
    """An issuer that signs with it."""
    return issuer_of(backend, signer)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads, as the pipeline has them."""
    with ThreadPoolExecutor(16) as threads:
        yield threads


async def signed_in_turn(issuer: Issuer, pool: ThreadPoolExecutor, seconds: float = PATIENCE_SECONDS) -> bytes:
    """A signature as the pipeline gets it."""
    loop = asyncio.get_running_loop()
    return await issuer.signer.in_turn(lambda: loop.run_in_executor(pool, issuer.sign, TBS), time.monotonic() + seconds)


def test_signs_what_verifies(issuer: Issuer, backend: Backend) -> None:
    """With the key's public half, and for nothing else than what was signed."""
    signature = issuer.sign(TBS)
    assert issuer.signer.private_key.public_key() == backend.key.public_key()
    assert issuer.has_signed(TBS, signature)
    assert not issuer.has_signed(TBS + b"!", signature)


def test_signs_with_the_algorithm_that_fits_the_key(issuer: Issuer) -> None:
    """SHA-384 with P-384, SHA-256 with P-256 and RSA; the certificate says which."""
    plan = plan_for(issuer)
    certificate = x509.load_der_x509_certificate(make(plan, NullMeter()).certificate)
    strong = issuer.public_key.key_size == 384
    assert isinstance(certificate.signature_hash_algorithm, hashes.SHA384 if strong else hashes.SHA256)
    certificate.verify_directly_issued_by(issuer.certificate)


def test_key_signs_what_the_library_builds(issuer: Issuer) -> None:
    """It is one of pyca's private keys: builders take it."""
    key = issuer.signer.private_key
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a request for a certificate")])
    digest = hashes.SHA384() if key.key_size == 384 else hashes.SHA256()
    assert x509.CertificateSigningRequestBuilder(name).sign(key, digest).is_signature_valid


def test_other_hash_than_the_key_signs_with_is_refused_or_right(signer: Signer) -> None:
    """A signature is never made with another hash than was asked for."""
    key, sha512 = signer.private_key, hashes.SHA512()
    try:
        if isinstance(key, RSAPrivateKey):
            key.public_key().verify(key.sign(TBS, padding.PKCS1v15(), sha512), TBS, padding.PKCS1v15(), sha512)
        else:
            key.public_key().verify(key.sign(TBS, ECDSA(sha512)), TBS, ECDSA(sha512))
    except UnsupportedAlgorithm:
        pass


def test_key_of_another_ca_is_found_out(backend: Backend) -> None:
    """What another key signed is verified before it leaves, and does not."""
    backend.exchange()
    signer = backend.open()
    try:
        issuer = issuer_of(backend, signer)
        with pytest.raises(SignatureUnusable, match="does not verify"):
            make(plan_for(issuer), NullMeter())
        with pytest.raises(SignerUnavailable, match="does not verify"):
            issuer.check()
    finally:
        signer.close()


async def test_many_at_once(issuer: Issuer, pool: ThreadPoolExecutor) -> None:
    """Each gets a signature of its own, over what it asked for."""
    plans = [plan_for(issuer, f"device-{number}") for number in range(40)]
    loop = asyncio.get_running_loop()
    meter = NullMeter()
    made = await asyncio.gather(
        *(
            issuer.signer.in_turn(
                lambda plan=plan: loop.run_in_executor(pool, make, plan, meter),  # type: ignore[misc]
                time.monotonic() + PATIENCE_SECONDS,
            )
            for plan in plans
        )
    )
    assert [one.claim.registration_id for one in made] == [f"device-{number}" for number in range(40)]
    assert len({one.serial for one in made}) == 40


async def test_cancelled_calls_leave_nothing_behind(issuer: Issuer, pool: ThreadPoolExecutor) -> None:
    """More of them than may be under way at once: the next ones still get their turn."""
    for _ in range(3):
        tasks = [asyncio.ensure_future(signed_in_turn(issuer, pool)) for _ in range(20)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert issuer.has_signed(TBS, await signed_in_turn(issuer, pool))


async def test_lost_and_back(backend: Backend, issuer: Issuer, pool: ThreadPoolExecutor) -> None:
    """While it is out of reach calls are refused and the service is not ready; then it goes on by itself."""
    await signed_in_turn(issuer, pool)
    backend.lose()
    if backend.losable:
        with pytest.raises(SignerUnavailable) as caught:
            await signed_in_turn(issuer, pool, seconds=3)
        assert caught.value.retry_after
        with pytest.raises(SignerUnavailable):
            issuer.check()
    else:
        await signed_in_turn(issuer, pool)
        issuer.check()
    backend.bring_back()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await _ready(issuer):  # noqa: ASYNC110 - it is looked at from outside
            await asyncio.sleep(0.1)
    assert issuer.has_signed(TBS, await signed_in_turn(issuer, pool))
    issuer.check()


def test_closed_key_signs_no_more(backend: Backend) -> None:
    """It was given up."""
    signer = backend.open()
    issuer = issuer_of(backend, signer)
    issuer.sign(TBS)
    signer.close()
    with pytest.raises((SignerUnavailable, AttributeError)):
        issuer.sign(TBS)


def test_digest_made_beforehand(signer: Signer) -> None:
    """Is signed as such, or refused; it is not hashed once more."""
    key, digest = signer.private_key, hashes.Hash(hashes.SHA256())
    digest.update(TBS)
    if isinstance(key, RSAPrivateKey):
        return
    prehashed = ECDSA(utils.Prehashed(hashes.SHA256()))
    try:
        signature = key.sign(digest.finalize(), prehashed)
    except UnsupportedAlgorithm:
        return
    key.public_key().verify(signature, TBS, ECDSA(hashes.SHA256()))


async def _ready(issuer: Issuer) -> bool:
    try:
        issuer.check()
    except SignerUnavailable:
        return False
    return True
