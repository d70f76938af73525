"""`issuer sign-request`, where the root's folder is: what it signs, and what it refuses to."""

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from linecert_service.cli import main
from linecert_service.domain.errors import ConfigurationError
from linecert_service.installation import issuer_offline
from linecert_service.installation.authorities import Authority, CaKey, Validity, distinguished_name, new_key
from linecert_service.installation.credentials import private_pem
from support import weak_rsa
from support.installations import Installation

NOW = datetime.now(UTC)


def csr(folder: Path, key: CaKey | None = None, subject: x509.Name | None = None) -> Path:
    """The file of a CSR."""
    name = distinguished_name("line 3 CA") if subject is None else subject
    request = x509.CertificateSigningRequestBuilder(name).sign(key or new_key(), hashes.SHA256())
    path = folder / "line-3.csr.pem"
    path.write_bytes(request.public_bytes(Encoding.PEM))
    return path


def sign(installation: Installation, *arguments: object) -> tuple[x509.Certificate, ...] | str:
    """The chain that the command writes, or the reason that it ends with."""
    out = installation.folder / "chain.pem"
    with pytest.raises(SystemExit) as ended:
        main(["issuer", "sign-request", *map(str, arguments), "--out", str(out)])
    return tuple(x509.load_pem_x509_certificates(out.read_bytes())) if not ended.value.code else str(ended.value.code)


def test_it_issues_what_init_issues(installation: Installation) -> None:
    """The same extensions as the first issuer's; 20 years; the root behind it."""
    request = csr(installation.folder)
    chain = sign(installation, request, "--offline", installation.layout.offline, "--yes")
    first, root = installation.chain()
    assert not isinstance(chain, str)
    assert chain[1:] == (root,)
    made = chain[0]
    made.verify_directly_issued_by(root)
    assert [(one.oid, one.critical) for one in made.extensions] == [(one.oid, one.critical) for one in first.extensions]
    for kind in (x509.BasicConstraints, x509.KeyUsage, x509.AuthorityKeyIdentifier):
        assert made.extensions.get_extension_for_class(kind) == first.extensions.get_extension_for_class(kind)
    own = x509.SubjectKeyIdentifier.from_public_key(made.public_key())
    assert made.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value == own
    assert (made.not_valid_after_utc - NOW).days in {20 * 365 - 1, 20 * 365}


def test_the_folder_alone_is_enough(installation: Installation, tmp_path: Path) -> None:
    """It was taken away to a machine that has nothing else of the installation."""
    away = installation.layout.offline.rename(tmp_path / "safe")
    assert not isinstance(sign(installation, csr(tmp_path), "--offline", away, "--yes"), str)
    (away / "root.pem").unlink()
    with pytest.raises(ConfigurationError, match="name a file that holds it with --root"):
        issuer_offline.read_root(away, None)
    root = issuer_offline.read_root(away, installation.layout.pki / "issuer.chain.pem")
    assert root.certificate == installation.chain()[1]


def test_a_fingerprint_has_to_be_that_of_the_csr_or_its_key(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    """In any of the usual spellings; nothing is signed with another one, nor after a no."""
    request = csr(installation.folder)
    checked = issuer_offline.read_request(request)
    spelled = ":".join(checked.csr_sha256[at : at + 2] for at in range(0, 64, 2)).upper()
    assert checked.is_meant(spelled)
    assert checked.is_meant(checked.public_key_sha256)
    where = ("--offline", installation.layout.offline)
    assert sign(installation, request, *where, "--fingerprint", "0" * 64) == "1"
    assert "not the one that was meant" in capsys.readouterr().err
    assert not (installation.folder / "chain.pem").exists()
    assert not isinstance(sign(installation, request, *where, "--fingerprint", spelled), str)


@pytest.mark.parametrize("answer", ["y\n", "n\n", ""])
def test_it_asks_before_it_signs(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: str
) -> None:
    """It shows what it asks about; without a yes nothing is signed."""
    request = csr(installation.folder)
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    chain = sign(installation, request, "--offline", installation.layout.offline)
    assert isinstance(chain, str) is not answer.startswith("y")
    assert issuer_offline.read_request(request).csr_sha256 in capsys.readouterr().out


def close_primes() -> rsa.RSAPrivateKey:
    """RSA-2048 whose primes Fermat's method finds."""
    p, q = weak_rsa.primes_that_fermat_finds_in(50, 1024)
    d = pow(65_537, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(65_537, p * q)
    crt = (rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q))
    return rsa.RSAPrivateNumbers(p, q, d, *crt, public).private_key()


@pytest.mark.parametrize("make", [lambda: ec.generate_private_key(ec.SECP256K1()), close_primes])
def test_weak_keys_are_refused(installation: Installation, make: Callable[[], CaKey]) -> None:
    """As of devices: other curves, and primes that lie close."""
    with pytest.raises(ConfigurationError, match=r"key|primes"):
        issuer_offline.read_request(csr(installation.folder, make()))


def test_a_csr_that_was_changed_is_refused(installation: Installation) -> None:
    """Whoever brought it has not the key."""
    path = csr(installation.folder)
    der = x509.load_pem_x509_csr(path.read_bytes()).public_bytes(Encoding.DER)
    path.write_bytes(der[:-1] + bytes([der[-1] ^ 1]))
    with pytest.raises(ConfigurationError, match="signature"):
        issuer_offline.read_request(path)


@pytest.mark.parametrize("content", [b"", b"no CSR", b"-----BEGIN PRIVATE KEY-----", bytes(20_000)])
def test_what_is_no_csr_is_refused(installation: Installation, content: bytes) -> None:
    """In a sentence that names the file, and repeats nothing of it."""
    path = installation.folder / "file"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=str(path)):
        issuer_offline.read_request(path)


def test_names_that_cannot_be_an_issuers_are_refused(installation: Installation) -> None:
    """Without a common name, or with what hides itself on a terminal."""
    for subject in (x509.Name([]), distinguished_name("line 3\u202eAC")):
        with pytest.raises(ConfigurationError, match="subject"):
            issuer_offline.read_request(csr(installation.folder, subject=subject))


def test_the_roots_own_key_and_name_are_refused(installation: Installation) -> None:
    """A chain with either would verify as something else than it says."""
    root, lifetime = installation.root(), timedelta(days=365)
    own_key = issuer_offline.read_request(csr(installation.folder, root.private_key))
    own_name = issuer_offline.read_request(csr(installation.folder, subject=root.certificate.subject))
    for request, reason in ((own_key, "own key"), (own_name, "own name")):
        with pytest.raises(ConfigurationError, match=f"root's {reason}"):
            issuer_offline.sign(root, request, lifetime, NOW)


def test_an_issuer_does_not_outlive_its_root(installation: Installation) -> None:
    """The message says how long it may live."""
    request = issuer_offline.read_request(csr(installation.folder))
    with pytest.raises(ConfigurationError, match=r"give a shorter --validity, such as 109[0-9]{2}d"):
        issuer_offline.sign(installation.root(), request, timedelta(days=40 * 365), NOW)


def test_a_root_that_may_issue_no_ca_is_refused(installation: Installation) -> None:
    """Such as an issuer that somebody takes for a root, or one that has ended."""
    request = issuer_offline.read_request(csr(installation.folder))
    validity = Validity(NOW, timedelta(days=365))
    low = Authority.self_signed(distinguished_name("low"), new_key(), validity, path_length=0)
    with pytest.raises(ConfigurationError, match="pathLen 0"):
        issuer_offline.sign(low, request, timedelta(days=1), NOW)
    with pytest.raises(ConfigurationError, match="expired"):
        issuer_offline.sign(installation.root(), request, timedelta(days=1), NOW + timedelta(days=31 * 365))


def test_another_roots_certificate_is_refused(installation: Installation) -> None:
    """Key and certificate belong together."""
    installation.layout.root_key.write_bytes(private_pem(new_key()))
    with pytest.raises(ConfigurationError, match="belongs to no CA certificate"):
        issuer_offline.read_root(installation.layout.offline, None)


@pytest.mark.parametrize("validity", ["forever", "0d"])
def test_a_validity_that_is_none(installation: Installation, capsys: pytest.CaptureFixture[str], validity: str) -> None:
    """The option is named."""
    request = csr(installation.folder)
    where = ("--offline", installation.layout.offline)
    assert sign(installation, request, *where, "--yes", "--validity", validity) == "1"
    assert "--validity" in capsys.readouterr().err
