"""The checks before a start: each way in which keys and chains can be wrong."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from linecert_service.domain.errors import ConfigurationError
from linecert_service.installation import chains, trust
from linecert_service.installation.authorities import (
    Authority,
    CaKey,
    Validity,
    distinguished_name,
    new_key,
    spki_sha256,
)
from linecert_service.installation.credentials import private_pem
from linecert_service.installation.trust import Trust
from support.installations import Installation
from support.rollover import NEXT, add_issuer, stage

NOW = datetime.now(UTC)
YEAR = Validity(NOW, timedelta(days=365))
PAST = Validity(NOW - timedelta(days=30), timedelta(days=20))
FUTURE = Validity(NOW + timedelta(days=30), timedelta(days=20))


def check(installation: Installation) -> Trust:
    """As `serve` does."""
    return trust.check(installation.settings(), NOW.timestamp())


def install_chain(
    installation: Installation, certificates: Sequence[x509.Certificate], key: CaKey | None = None
) -> None:
    """Put another chain, and another issuer key, in place."""
    pem = b"".join(one.public_bytes(Encoding.PEM) for one in certificates)
    (installation.layout.pki / "issuer.chain.pem").write_bytes(pem)
    if key is not None:
        passphrase = (installation.layout.pki / "issuer.passphrase").read_bytes().strip()
        (installation.layout.pki / "issuer.key.pem").write_bytes(private_pem(key, passphrase))


def install_client_cas(installation: Installation, *certificates: x509.Certificate) -> None:
    """Put these into the client CA file."""
    pem = b"".join(one.public_bytes(Encoding.PEM) for one in certificates)
    (installation.layout.pki / "station-ca.pem").write_bytes(pem)


def root(validity: Validity = YEAR, *, path_length: int | None = None) -> Authority:
    """A device root."""
    return Authority.self_signed(distinguished_name("root"), new_key(), validity, path_length=path_length)


def issuer_of(authority: Authority, key: CaKey | None = None, validity: Validity = YEAR) -> Authority:
    """An issuer below it."""
    return authority.intermediate(distinguished_name("issuer"), key or new_key(), validity)


def refused(installation: Installation, *parts: str) -> None:
    """A start is refused with a sentence that holds all of `parts`."""
    with pytest.raises(ConfigurationError) as caught:
        check(installation)
    for part in parts:
        assert part in str(caught.value)


def test_what_is_in_order_is_returned(installation: Installation) -> None:
    """Issuer first, root last, the key that fits, and what gRPC needs."""
    trusted = check(installation)
    issuer = trusted.issuers["issuer"]
    assert issuer.chain == installation.chain()
    assert issuer.certificate == issuer.chain[0]
    assert issuer.private_key.public_key() == issuer.certificate.public_key()
    assert trusted.server.certificate_pem == (installation.layout.pki / "server.pem").read_bytes()
    assert trusted.station_cas.pem == (installation.layout.pki / "station-ca.pem").read_bytes()
    assert "PRIVATE" not in repr(trusted)


def test_an_intermediate_between_issuer_and_root_is_fine(installation: Installation) -> None:
    """A company's own hierarchy may have more than two levels."""
    top = root()
    middle_key, key = new_key(), new_key()
    middle = Authority(_ca(top, middle_key, path_length=1), middle_key)
    issuer = middle.intermediate(distinguished_name("issuer"), key, YEAR)
    install_chain(installation, [issuer.certificate, middle.certificate, top.certificate], key)
    assert len(check(installation).issuers["issuer"].chain) == 3


def test_own_keys_are_taken(installation: Installation) -> None:
    """No device may come with a key of the CAs, the server, the log or a caller."""
    trusted = check(installation)
    station = x509.load_pem_x509_certificate(
        (installation.layout.client("station-01") / "certificate.pem").read_bytes()
    )
    certificates = [*installation.chain(), *trusted.station_cas.certificates, trusted.server.certificate, station]
    keys = [one.public_key() for one in certificates]
    assert {spki_sha256(key) for key in (*keys, trusted.log_key.public_key())} <= trusted.taken_keys


def test_the_keys_above_the_servers_are_taken(installation: Installation) -> None:
    """A server certificate from a company's CA comes with the CAs between, and their keys are no device's either."""
    between = root()
    with (installation.layout.pki / "server.pem").open("ab") as file:
        file.write(between.certificate.public_bytes(Encoding.PEM))
    assert spki_sha256(between.certificate.public_key()) in check(installation).taken_keys


def test_own_keys_are_computed_without_the_file(installation: Installation) -> None:
    """Who removes `own_keys` still has the keys that the server itself uses."""
    installation.edit('own_keys = "pki/own-keys.txt"\n', "")
    assert spki_sha256(installation.chain()[0].public_key()) in check(installation).taken_keys


def test_a_key_of_another_certificate_is_refused(installation: Installation) -> None:
    """It would sign what no chain verifies."""
    install_chain(installation, installation.chain(), new_key())
    refused(installation, "does not belong to", "issuers.issuer.key")


def test_a_shuffled_chain_is_refused(installation: Installation) -> None:
    """Devices present it in this order, and some SDKs insist on it."""
    install_chain(installation, installation.chain()[::-1])
    refused(installation, "was not issued by", "put the issuer first")


def test_a_chain_without_its_root_is_refused(installation: Installation) -> None:
    """Devices get the root too, as the tutorial does."""
    install_chain(installation, installation.chain()[:1])
    refused(installation, "which is no root", "add the certificates above it")


def test_a_chain_of_strangers_is_refused(installation: Installation) -> None:
    """A root of the same name did not make the issuer."""
    stranger = Authority.self_signed(installation.chain()[1].subject, new_key(), YEAR, path_length=None)
    install_chain(installation, [installation.chain()[0], stranger.certificate])
    refused(installation, "was not issued by")


def test_a_root_that_stands_twice_is_refused(installation: Installation) -> None:
    """Each certificate once."""
    issuer, top = installation.chain()
    install_chain(installation, [issuer, top, top])
    refused(installation, "was not issued by")


def test_an_expired_issuer_is_refused(installation: Installation) -> None:
    """Nothing that it signs would verify."""
    top, key = root(), new_key()
    install_chain(installation, [issuer_of(top, key, PAST).certificate, top.certificate], key)
    refused(installation, "CN=issuer", "expired at")


def test_an_issuer_of_the_future_is_refused(installation: Installation) -> None:
    """More often it is the clock of the machine."""
    top, key = root(), new_key()
    install_chain(installation, [issuer_of(top, key, FUTURE).certificate, top.certificate], key)
    refused(installation, "valid only from", "clock")


def test_an_expired_root_is_refused(installation: Installation) -> None:
    """The whole chain has to be valid."""
    top, key = root(PAST), new_key()
    install_chain(installation, [issuer_of(top, key).certificate, top.certificate], key)
    refused(installation, "CN=root", "expired at")


def test_an_issuer_that_is_no_ca_is_refused(installation: Installation) -> None:
    """A server or device certificate in its place."""
    top, key = root(), new_key()
    leaf = top.client(distinguished_name("leaf"), key.public_key(), "urn:x", YEAR)
    install_chain(installation, [leaf, top.certificate], key)
    refused(installation, "is no CA certificate", "CA:TRUE")


def test_an_issuer_without_cert_sign_is_refused(installation: Installation) -> None:
    """CA:TRUE alone does not allow to sign certificates."""
    top, key = root(), new_key()
    install_chain(installation, [_ca(top, key, key_cert_sign=False), top.certificate], key)
    refused(installation, "is no CA certificate", "keyCertSign")


def test_an_issuer_without_subject_key_identifier_is_refused(installation: Installation) -> None:
    """Device certificates point to it."""
    top, key = root(), new_key()
    install_chain(installation, [_ca(top, key, identifier=False), top.certificate], key)
    refused(installation, "subjectKeyIdentifier")


def test_a_chain_longer_than_it_allows_is_refused(installation: Installation) -> None:
    """A root with pathlen 0 has no issuers below it that verify."""
    top, key = root(path_length=0), new_key()
    install_chain(installation, [issuer_of(top, key).certificate, top.certificate], key)
    refused(installation, "pathLenConstraint")


@pytest.mark.parametrize(
    "key",
    [ec.generate_private_key(ec.SECP521R1()), rsa.generate_private_key(3, 2048)],
    ids=["P-521", "exponent 3"],
)
def test_an_issuer_with_a_key_that_is_not_allowed_is_refused(installation: Installation, key: CaKey) -> None:
    """RSA 2048 to 4096 with 65537, P-256, P-384."""
    top = root()
    install_chain(installation, [issuer_of(top, key).certificate, top.certificate], key)
    refused(installation, "cannot issue", "P-256 or P-384")


@pytest.mark.parametrize("content, message", [(None, "cannot be read"), (b"nothing", "can be decoded")])
def test_a_chain_file_without_certificates_is_refused(
    installation: Installation, content: bytes | None, message: str
) -> None:
    """The message names setting and file."""
    path = installation.layout.pki / "issuer.chain.pem"
    path.unlink() if content is None else path.write_bytes(content)
    refused(installation, "issuers.issuer.chain", message)


def test_the_root_of_devices_in_the_client_ca_file_is_refused(installation: Installation) -> None:
    """GRPC would accept every device as a caller."""
    install_client_cas(installation, *installation.station_cas().certificates, installation.chain()[1])
    refused(installation, "a device certificate could pass for a station's", "device root CA")


def test_the_issuer_of_devices_in_the_client_ca_file_is_refused(installation: Installation) -> None:
    """TLS libraries may stop at any anchor."""
    install_client_cas(installation, installation.chain()[0])
    refused(installation, "a device certificate could pass for a station's", "device issuing CA")


def test_an_issuer_below_the_client_ca_is_refused(installation: Installation) -> None:
    """One root for both devices and stations."""
    station_ca, key = root(), new_key()
    issuer = issuer_of(station_ca, key)
    install_client_cas(installation, station_ca.certificate)
    install_chain(installation, [issuer.certificate, station_ca.certificate], key)
    refused(installation, "a device certificate could pass for a station's")


def test_the_key_of_an_issuer_under_another_certificate_in_the_client_ca_file_is_refused(
    installation: Installation,
) -> None:
    """What verifies a signature is the key, whatever certificate it comes in."""
    key = installation.root().private_key
    other = Authority.self_signed(distinguished_name("innocent"), key, YEAR, path_length=None)
    install_client_cas(installation, *installation.station_cas().certificates, other.certificate)
    refused(installation, "a device certificate could pass for a station's")


def test_a_certificate_that_is_no_ca_in_the_client_ca_file_is_refused(installation: Installation) -> None:
    """A station's own certificate vouches for nobody."""
    pem = (installation.layout.client("station-01") / "certificate.pem").read_bytes()
    install_client_cas(installation, x509.load_pem_x509_certificate(pem))
    refused(installation, "is no CA certificate", "station-ca.pem")


def test_a_server_key_of_another_certificate_is_refused(installation: Installation) -> None:
    """Every handshake would fail."""
    (installation.layout.pki / "server.key.pem").write_bytes(private_pem(new_key()))
    refused(installation, "server.tls_key")


@pytest.mark.parametrize("validity, message", [(PAST, "expired at"), (FUTURE, "valid only from")])
def test_a_server_certificate_that_is_not_valid_now_is_refused(
    installation: Installation, validity: Validity, message: str
) -> None:
    """The message says how to make another."""
    key = new_key()
    certificate = root().server(distinguished_name("s"), key.public_key(), ["localhost"], validity)
    (installation.layout.pki / "server.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (installation.layout.pki / "server.key.pem").write_bytes(private_pem(key))
    refused(installation, message, "server-certificate renew")


def test_a_log_key_of_another_kind_is_refused(installation: Installation) -> None:
    """Signed notes of this version are Ed25519."""
    (installation.layout.pki / "log.key.pem").write_bytes(private_pem(new_key()))
    refused(installation, "log.key", "Ed25519")


def test_a_key_that_others_can_read_is_refused(installation: Installation) -> None:
    """For each of the keys and for the pass phrase."""
    for name in ("issuer.key.pem", "issuer.passphrase", "server.key.pem", "log.key.pem"):
        path = installation.layout.pki / name
        path.chmod(0o640)
        refused(installation, name, "chmod 600")
        path.chmod(0o600)


def test_offline_keys_are_warned_of_until_they_are_gone(installation: Installation) -> None:
    """With the CA keys at hand, whoever takes the server makes stations."""
    assert any("offline" in warning for warning in check(installation).warnings)
    installation.layout.offline.rename(installation.folder.parent / "safe")
    assert check(installation).warnings == ()


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
def test_offline_keys_that_cannot_be_read_are_not_warned_of(installation: Installation) -> None:
    """A folder that the server's user may not enter is away enough."""
    installation.layout.offline.chmod(0)
    assert check(installation).warnings == ()


def test_certificates_that_end_soon_are_warned_of(installation: Installation) -> None:
    """Thirty days are time to act: server, station CA, issuer and root."""
    later = NOW + timedelta(days=364)
    assert any(
        "server-certificate renew" in one for one in trust.check(installation.settings(), later.timestamp()).warnings
    )
    key = new_key()
    soon = Validity(NOW, timedelta(days=29))
    top = root(soon)
    install_chain(installation, [issuer_of(top, key, soon).certificate, top.certificate], key)
    install_client_cas(
        installation, Authority.self_signed(distinguished_name("s"), new_key(), soon, path_length=0).certificate
    )
    text = "\n".join(check(installation).warnings)
    assert "'CN=root' ends at" in text
    assert "'CN=issuer' ends at" in text
    assert "'CN=s' ends at" in text


def test_a_profile_that_outlives_its_issuer_is_warned_of(installation: Installation) -> None:
    """The tutorial's issuer lives for 30 days: every request would be refused."""
    top, key = root(), new_key()
    install_chain(installation, [issuer_of(top, key).certificate, top.certificate], key)
    assert any("profiles.device" in warning and "clamp" in warning for warning in check(installation).warnings)
    installation.edit("clamp = false", "clamp = true")
    (warning,) = (warning for warning in check(installation).warnings if "profiles.device" in warning)
    assert "certificates end with it, sooner than the profile says" in warning
    installation.edit('validity = "5y"', 'validity = "365d"')
    assert not any("profiles.device" in warning for warning in check(installation).warnings)


def test_a_certificate_that_cannot_be_decoded_is_refused(installation: Installation) -> None:
    """A broken extension is found at the start and not at the first request."""
    top, key = root(), new_key()
    broken = _ca(top, key, extra=x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, b"\x30\x03\x86\x01\xff"))
    install_chain(installation, [broken, top.certificate], key)
    refused(installation, "issuers.issuer.chain", "can be decoded")


def test_messages_name_certificates_by_subject(installation: Installation) -> None:
    """As `openssl x509 -subject -nameopt RFC2253` shows them."""
    assert chains.subject(installation.chain()[1]) == "'CN=test-factory device root CA'"


def _ca(
    authority: Authority,
    key: CaKey,
    *,
    path_length: int | None = 0,
    key_cert_sign: bool = True,
    identifier: bool = True,
    extra: x509.ExtensionType | None = None,
) -> x509.Certificate:
    """A CA certificate with one thing wrong."""
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(distinguished_name("odd"))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(minutes=5))
        .not_valid_after(NOW + timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=True, key_cert_sign=key_cert_sign, crl_sign=True, **usage), critical=True
        )
    )
    if identifier:
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    if extra is not None:
        builder = builder.add_extension(extra, critical=False)
    return builder.sign(authority.private_key, hashes.SHA256())


def test_a_staged_issuer_is_checked_at_the_start(installation: Installation) -> None:
    """Better now than in the night of the switch: its key, its chain, and that its certificates last."""
    add_issuer(installation, days=365)
    stage(installation)
    trusted = check(installation)
    assert set(trusted.issuers) == {"issuer", NEXT}
    (warning,) = (one for one in trusted.warnings if "profiles.device" in one)
    assert f"past the end of issuers.{NEXT}" in warning
    assert "VALIDITY_EXCEEDS_ISSUER once it signs" in warning
    (installation.layout.pki / f"{NEXT}.key.pem").unlink()
    refused(installation, f"{NEXT}.key.pem")


def test_an_issuer_that_was_followed_need_not_last(installation: Installation) -> None:
    """Its key may be gone and its chain may have expired; its devices are still about, so the client CA is not its."""
    top, key = root(PAST), new_key()
    old = issuer_of(top, key, PAST)
    add_issuer(installation)
    stage(installation, at=NOW - timedelta(days=1))
    install_chain(installation, [old.certificate, top.certificate])
    trusted = check(installation)
    assert set(trusted.issuers) == {NEXT}
    assert spki_sha256(key.public_key()) in trusted.taken_keys
    with (installation.layout.pki / "station-ca.pem").open("ab") as file:
        file.write(top.certificate.public_bytes(Encoding.PEM))
    refused(installation, "chain of issuers.issuer, so a device certificate could pass for a station's")


def test_an_issuer_that_no_profile_names_may_be_incomplete(installation: Installation) -> None:
    """Its key is there and its chain is still to come: that is said, and keeps nobody from starting."""
    add_issuer(installation)
    (installation.layout.pki / f"{NEXT}.chain.pem").unlink()
    (warning,) = (one for one in check(installation).warnings if NEXT in one)
    assert f"no profile needs issuers.{NEXT}" in warning
