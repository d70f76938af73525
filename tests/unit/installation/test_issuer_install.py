"""What `issuer install` takes in: each way in which a chain can be wrong, and what becomes of a good one."""

import math
import subprocess
import tomllib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from linecert_service.domain.errors import ConfigurationError
from linecert_service.installation import chains, files, issuer_chains, issuer_install, trust
from linecert_service.installation.authorities import Authority, CaKey, Validity, distinguished_name, new_key
from linecert_service.installation.issuer_install import Chain, Installed
from linecert_service.installation.issuer_keys import KeyEntry, KeyWish
from support import rollover, weak_rsa
from support.installations import Installation
from support.openssl import needs_openssl

NAME = "line-3"
NOW = datetime.now(UTC)
YEAR = Validity(NOW, timedelta(days=365))
USAGE = dict.fromkeys(
    (
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    ),
    False,
)


@pytest.fixture
def key(installation: Installation) -> CaKey:
    """The new issuer's key, which is in its file; nothing names it yet."""
    entry = KeyEntry(f"file:pki/{NAME}.key.pem", f"pki/{NAME}.passphrase")
    KeyWish(NAME, entry, "p256", in_hsm=False, folder=installation.folder).make()
    made = entry.issuer(installation.folder, installation.folder)
    return chains.open_key(NAME, made).private_key


def install(
    installation: Installation,
    chain: Sequence[x509.Certificate],
    *,
    root_sha256: bytes | None = None,
    profile: str | None = None,
    staged_for: str | None = None,
) -> Installed:
    """Install a chain for the new key."""
    path = installation.folder / "chain.pem"
    path.write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in chain))
    entry = KeyEntry(f"file:pki/{NAME}.key.pem", f"pki/{NAME}.passphrase")
    asked = Chain(NAME, path, entry, root_sha256, profile, staged_for)
    return issuer_install.install(installation.settings(), asked, NOW.timestamp())


def issued(root: Authority, key: CaKey, validity: Validity = YEAR) -> x509.Certificate:
    """A good certificate for the key."""
    return root.subordinate(distinguished_name("line 3 CA"), key.public_key(), validity)


def builder(root: Authority, key: CaKey) -> x509.CertificateBuilder:
    """A certificate for the key that lacks its extensions."""
    return (
        x509.CertificateBuilder()
        .subject_name(distinguished_name("line 3 CA"))
        .issuer_name(root.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=365))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def signed(
    root: Authority,
    key: CaKey,
    *extensions: x509.ExtensionType,
    ca: bool = True,
    cert_sign: bool = True,
    subject: x509.Name | None = None,
) -> x509.Certificate:
    """A certificate with these constraints and uses, and more extensions; of this subject, if one is given."""
    usage = x509.KeyUsage(digital_signature=True, key_cert_sign=cert_sign, **USAGE)
    made = builder(root, key).add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    if subject is not None:
        made._subject_name = subject
    made = made.add_extension(usage, critical=True)
    for extension in extensions:
        made = made.add_extension(extension, critical=True)
    return made.sign(root.private_key, hashes.SHA256())


def root_of(name: str, path_length: int | None = None) -> Authority:
    """A root that this installation does not know."""
    return Authority.self_signed(distinguished_name(name), new_key(), YEAR, path_length=path_length)


Make = Callable[[Authority, CaKey], list[x509.Certificate]]


def below_an_intermediate(root: Authority, key: CaKey) -> list[x509.Certificate]:
    """Below one that allows no CA below itself."""
    between = root.intermediate(distinguished_name("between"), new_key(), YEAR)
    return [issued(between, key), between.certificate, root.certificate]


def below_a_weak_key(root: Authority, key: CaKey) -> list[x509.Certificate]:
    """Below an intermediate whose RSA key has primes that Fermat's method finds."""
    weak = rsa_key(*weak_rsa.primes_that_fermat_finds_in(50, 1024))
    usage = x509.KeyUsage(digital_signature=True, key_cert_sign=True, **USAGE)
    made = builder(root, weak).add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
    made._subject_name = distinguished_name("between")
    between = made.add_extension(usage, critical=True).sign(root.private_key, hashes.SHA256())
    return [issued(Authority(between, weak), key), between, root.certificate]


def rsa_key(p: int, q: int) -> rsa.RSAPrivateKey:
    """The key of these primes."""
    d = pow(65_537, -1, math.lcm(p - 1, q - 1))
    public = rsa.RSAPublicNumbers(65_537, p * q)
    crt = (rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q))
    return rsa.RSAPrivateNumbers(p, q, d, *crt, public).private_key()


def signed_with_pss(_root: Authority, key: CaKey) -> list[x509.Certificate]:
    """By a root with an RSA key, as RSASSA-PSS."""
    foreign = Authority.self_signed(distinguished_name("root"), new_key("rsa-3072"), YEAR, path_length=None)
    usage = x509.KeyUsage(digital_signature=True, key_cert_sign=True, **USAGE)
    made = builder(foreign, key).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    made = made.add_extension(usage, critical=True)
    assert isinstance(foreign.private_key, rsa.RSAPrivateKey)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    return [made.sign(foreign.private_key, hashes.SHA256(), rsa_padding=pss), foreign.certificate]


def pointing_to(root: Authority, key: CaKey, pointer: x509.AuthorityKeyIdentifier) -> list[x509.Certificate]:
    """With this authorityKeyIdentifier."""
    return [signed(root, key, pointer), root.certificate]


def with_a_foreign_root_of_the_same_name(root: Authority, key: CaKey) -> list[x509.Certificate]:
    """The root in the file has the right name and another key."""
    foreign = Authority.self_signed(root.certificate.subject, new_key(), YEAR, path_length=None)
    return [issued(root, key), foreign.certificate]


def of_a_foreign_root(_root: Authority, key: CaKey) -> list[x509.Certificate]:
    """A whole chain of somebody else."""
    foreign = root_of("somebody's root")
    return [issued(foreign, key), foreign.certificate]


PAST = Validity(NOW - timedelta(days=30), timedelta(days=20))
FUTURE = Validity(NOW + timedelta(days=30), timedelta(days=20))
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
SERVERS = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])

NAMES = x509.NameConstraints(permitted_subtrees=[x509.DNSName("example.com")], excluded_subtrees=None)
POLICIES = x509.PolicyConstraints(require_explicit_policy=0, inhibit_policy_mapping=None)
OTHER_NAME = [x509.DirectoryName(distinguished_name("another"))]


def without_key_identifier(root: Authority, key: CaKey) -> x509.Certificate:
    """A CA certificate that devices' certificates cannot point to."""
    usage = x509.KeyUsage(digital_signature=True, key_cert_sign=True, **USAGE)
    plain = builder(root, key)
    plain._extensions.clear()
    plain = plain.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return plain.add_extension(usage, critical=True).sign(root.private_key, hashes.SHA256())


WRONG: dict[str, tuple[Make, str]] = {
    "another key": (lambda root, _: [issued(root, new_key()), root.certificate], "does not belong to"),
    "CA:FALSE": (lambda root, key: [signed(root, key, ca=False), root.certificate], "CA:TRUE"),
    "no keyCertSign": (lambda root, key: [signed(root, key, cert_sign=False), root.certificate], "keyCertSign"),
    "pathLen too small": (below_an_intermediate, "raise pathLenConstraint"),
    "expired": (lambda root, key: [issued(root, key, PAST), root.certificate], "expired at"),
    "not valid yet": (lambda root, key: [issued(root, key, FUTURE), root.certificate], "valid only from"),
    "root first": (lambda root, key: [root.certificate, issued(root, key)], "put the issuer first"),
    "no root": (lambda root, key: [issued(root, key)], "which is no root"),
    "root of the same name": (with_a_foreign_root_of_the_same_name, "was not issued by"),
    "foreign root": (of_a_foreign_root, "a root of no issuer of this installation"),
    "unknown critical extension": (
        lambda root, key: [signed(root, key, UNKNOWN), root.certificate],
        "critical extension 1.3.6.1.4.1.99999.1",
    ),
    "not for clients": (lambda root, key: [signed(root, key, SERVERS), root.certificate], "clientAuth"),
    "no subjectKeyIdentifier": (
        lambda root, key: [without_key_identifier(root, key), root.certificate],
        "subjectKeyIdentifier",
    ),
    "authorityKeyIdentifier of another key": (
        lambda root, key: pointing_to(root, key, x509.AuthorityKeyIdentifier(bytes(20), None, None)),
        "has another key identifier than",
    ),
    "authorityKeyIdentifier of another certificate": (
        lambda root, key: pointing_to(root, key, x509.AuthorityKeyIdentifier(None, OTHER_NAME, 1)),
        "has another serial number and issuer than",
    ),
    "nameConstraints": (lambda root, key: [signed(root, key, NAMES), root.certificate], "nameConstraints"),
    "policyConstraints": (lambda root, key: [signed(root, key, POLICIES), root.certificate], "policyConstraints"),
    "the root's name": (
        lambda root, key: [signed(root, key, subject=root.certificate.subject), root.certificate],
        "has its issuer's name",
    ),
    "no name": (lambda root, key: [signed(root, key, subject=x509.Name([])), root.certificate], "an empty subject"),
    "RSASSA-PSS": (signed_with_pss, "PKCS #1 v1.5, not PSS"),
    "a weak RSA key above": (below_a_weak_key, "easily broken"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_chain_is_refused_with_its_reason(installation: Installation, key: CaKey, wrong: str) -> None:
    """The sentence says what is wrong; settings and chains stay as they were."""
    make, reason = WRONG[wrong]
    before = installation.config.read_text()
    with pytest.raises(ConfigurationError) as caught:
        install(installation, make(installation.root(), key))
    assert reason in str(caught.value)
    assert installation.config.read_text() == before
    assert not (installation.layout.pki / f"{NAME}.chain.pem").exists()


def test_a_chain_signed_with_a_weak_hash_is_refused(installation: Installation, key: CaKey) -> None:
    """SHA-224 here, as the library signs with no weaker one; SHA-1 is refused by the same list."""
    root = installation.root()
    usage = x509.KeyUsage(digital_signature=True, key_cert_sign=True, **USAGE)
    made = builder(root, key).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    weak = made.add_extension(usage, critical=True).sign(root.private_key, hashes.SHA224())
    with pytest.raises(ConfigurationError, match="SHA-256, SHA-384 or SHA-512"):
        install(installation, [weak, root.certificate])


def test_an_issuer_whose_root_is_a_client_ca_is_refused(installation: Installation, key: CaKey) -> None:
    """A device could pass for a station."""
    root = root_of("everybody's root")
    (installation.layout.pki / "station-ca.pem").write_bytes(root.certificate.public_bytes(Encoding.PEM))
    with pytest.raises(ConfigurationError, match="could pass for a station"):
        install(installation, [issued(root, key), root.certificate])


def test_a_good_chain_is_installed_and_signs_for_nobody(installation: Installation, key: CaKey) -> None:
    """The settings have one more issuer, lost no comment, and a server would start with them."""
    root = installation.root()
    before = installation.config.read_text()
    done = install(installation, [issued(root, key), root.certificate])
    after = installation.config.read_text()
    assert done.is_new
    assert set(before.splitlines()) <= set(after.splitlines())
    settings = installation.settings()
    assert settings.issuers[NAME].chain == done.chain
    assert {profile.issuer for profile in settings.profiles.values()} == {"issuer"}
    assert tomllib.loads(after)["issuers"][NAME]["chain"] == f"pki/{NAME}.chain.pem"
    trust.check(settings, NOW.timestamp()).close()


def test_another_root_is_taken_by_its_fingerprint(installation: Installation, key: CaKey) -> None:
    """A company has a root of its own; a fingerprint of another one is refused."""
    root = root_of("the company's root")
    chain = [issued(root, key), root.certificate]
    with pytest.raises(ConfigurationError, match="not in --root-sha256"):
        install(installation, chain, root_sha256=bytes(32))
    assert install(installation, chain, root_sha256=root.certificate.fingerprint(hashes.SHA256())).is_new


def test_it_signs_for_a_profile_only_when_that_is_asked_for(installation: Installation, key: CaKey) -> None:
    """At once, or staged behind the one that signs now; a profile that is not there is refused."""
    root = installation.root()
    chain = [issued(root, key), root.certificate]
    with pytest.raises(ConfigurationError, match="no such profile"):
        install(installation, chain, profile="other")
    install(installation, chain, staged_for="device")
    staged = installation.settings().profiles["device"]
    assert (staged.issuer, staged.next_issuer) == ("issuer", NAME)
    install(installation, chain, profile="device")
    active = installation.settings().profiles["device"]
    assert (active.issuer, active.next_issuer) == (NAME, None)


def test_what_was_staged_before_is_told(installation: Installation, key: CaKey) -> None:
    """Another issuer, or the time of a switch: neither goes without a word; what is in force is not staged."""
    root = installation.root()
    chain = [issued(root, key), root.certificate]
    rollover.add_issuer(installation)
    rollover.stage(installation)
    assert install(installation, chain, staged_for="device").dropped == (
        "profiles.device had issuer-next staged, and has it no more.",
    )
    assert not install(installation, chain, staged_for="device").dropped
    installation.edit(f'next_issuer = "{NAME}"\n', f'next_issuer = "{NAME}"\nswitch_at = 2099-01-01T00:00:00Z\n')
    assert install(installation, chain, profile="device").dropped == (
        f"profiles.device was to switch to {NAME} at 2099-01-01T00:00:00Z, and is not any more.",
    )


def test_what_the_environment_says_is_not_set_in_the_file(
    installation: Installation, key: CaKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A profile that stands there alone, or an issuer that is set there: one sentence, and nothing is changed."""
    root, before = installation.root(), installation.config.read_bytes()
    chain = [issued(root, key), root.certificate]
    for variable, value, wanted in (
        ("LINECERT_PROFILES__DEVICE__ISSUER", "issuer", {"profile": "device"}),
        ("LINECERT_PROFILES__OTHER", '{"issuer": "issuer", "validity": "1y"}', {"profile": "other"}),
        ("LINECERT_PROFILES__OTHER", '{"issuer": "issuer", "validity": "1y"}', {"staged_for": "other"}),
    ):
        with monkeypatch.context() as environment:
            environment.setenv(variable, value)
            with pytest.raises(ConfigurationError, match="the environment or"):
                install(installation, chain, **wanted)
        assert installation.config.read_bytes() == before
        assert not (installation.layout.pki / f"{NAME}.chain.pem").exists()


def test_a_chain_is_taken_back_where_the_settings_cannot_be_written(
    installation: Installation, key: CaKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The settings were changed meanwhile: a new chain is gone again, and one that was there is as it was."""
    root = installation.root()
    chain = [issued(root, key), root.certificate]
    written = installation.layout.pki / f"{NAME}.chain.pem"

    def edited_meanwhile(path: Path, content: bytes, check: Callable[[], None] | None = None) -> None:
        if path == written:
            installation.config.write_text(f"{installation.config.read_text()}# by hand\n")
        replace(path, content, check)

    def refuse(chain: Sequence[x509.Certificate]) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(files, "replace", edited_meanwhile)
            with pytest.raises(ConfigurationError, match="was changed meanwhile"):
                install(installation, chain)

    replace = files.replace
    refuse(chain)
    assert not written.exists()
    install(installation, chain)
    before = written.read_bytes()
    refuse([issued(root, key, Validity(NOW, timedelta(days=730))), root.certificate])
    assert written.read_bytes() == before


def test_staging_keeps_the_issuer_that_a_past_time_switched_to(installation: Installation, key: CaKey) -> None:
    """What signs now goes on to sign, however the settings say it."""
    installation.edit(
        'issuer = "issuer"\n', 'issuer = "old"\nnext_issuer = "issuer"\nswitch_at = 2020-01-01T00:00:00Z\n'
    )
    installation.edit(
        "[profiles.device]", '[issuers.old]\nkey = "file:gone.pem"\nchain = "pki/issuer.chain.pem"\n\n[profiles.device]'
    )
    root = installation.root()
    install(installation, [issued(root, key), root.certificate], staged_for="device")
    profile = installation.settings().profiles["device"]
    assert (profile.issuer, profile.next_issuer, profile.switch_at) == ("issuer", NAME, None)


def test_a_new_certificate_of_an_issuer_replaces_its_chain(installation: Installation, key: CaKey) -> None:
    """The same key for longer; another key under the same name is refused."""
    root = installation.root()
    install(installation, [issued(root, key), root.certificate])
    renewed = issued(root, key, Validity(NOW, timedelta(days=730)))
    done = install(installation, [renewed, root.certificate])
    assert not done.is_new
    assert x509.load_pem_x509_certificates(done.chain.read_bytes())[0] == renewed
    asked = Chain(NAME, installation.folder / "chain.pem", KeyEntry("file:pki/other.pem"))
    with pytest.raises(ConfigurationError, match="is another key than"):
        issuer_install.install(installation.settings(), asked, NOW.timestamp())


def test_the_same_certificate_with_another_chain_is_refused(installation: Installation, key: CaKey) -> None:
    """Answers that were given are given again with the chain that they had."""
    root = installation.root()
    own = issued(root, key)
    install(installation, [own, root.certificate])
    cross = Authority.self_signed(
        root.certificate.subject, root.private_key, Validity(NOW, timedelta(days=30)), path_length=None
    )
    sha256 = cross.certificate.fingerprint(hashes.SHA256())
    with pytest.raises(ConfigurationError, match="have the issuer's certificate made anew"):
        install(installation, [own, cross.certificate], root_sha256=sha256)


def test_nothing_names_the_key(installation: Installation, tmp_path: Path) -> None:
    """Neither settings, nor a request, nor an option."""
    asked = Chain(NAME, tmp_path / "chain.pem")
    with pytest.raises(ConfigurationError, match="nothing names the key"):
        issuer_install.install(installation.settings(), asked, NOW.timestamp())


def test_a_good_authority_key_identifier_of_every_form_is_taken(installation: Installation, key: CaKey) -> None:
    """Key identifier, issuer and serial number, all of the certificate above."""
    root = installation.root().certificate
    identifier = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    pointer = x509.AuthorityKeyIdentifier(identifier, [x509.DirectoryName(root.issuer)], root.serial_number)
    assert install(installation, pointing_to(installation.root(), key, pointer)).is_new


@needs_openssl
def test_a_key_for_pss_alone_is_refused(tmp_path: Path) -> None:
    """Its certificates would be signed with PKCS #1 v1.5, which such a key may not be used for (RFC 4055)."""
    made = tmp_path / "pss.pem"
    options = ["-newkey", "rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048", "-nodes", "-subj", "/CN=it"]
    command = ["openssl", "req", "-x509", *options, "-keyout", str(tmp_path / "key.pem"), "-out", str(made)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    with pytest.raises(ConfigurationError, match="not RSASSA-PSS"):
        issuer_chains._check_key(x509.load_pem_x509_certificate(made.read_bytes()), "it")


def test_a_weak_curve_is_refused(installation: Installation) -> None:
    """Of an intermediate above it: Azure and many others know three curves."""
    root = installation.root()
    between = root.intermediate(distinguished_name("between"), ec.generate_private_key(ec.SECP224R1()), YEAR)
    with pytest.raises(ConfigurationError, match="too weak"):
        issuer_chains._check_key(between.certificate, "it")
