"""What `linecert-server init` makes."""

import itertools
import shutil
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from linecert.transparency import VerifierKey
from linecert_service.domain.errors import ConfigurationError
from linecert_service.installation import init, own_keys, server_certificate, trust
from linecert_service.installation.authorities import CA_KEY_TYPES, CaKeyType, new_key, spki_sha256
from linecert_service.installation.init import InitOptions, create
from support.installations import NAME, Installation, make_installation

NOW = datetime.now(UTC)

FILES = {
    "linecert.toml": 0o644,
    "stations.toml": 0o644,
    "pki/issuer.chain.pem": 0o644,
    "pki/issuer.key.pem": 0o600,
    "pki/issuer.passphrase": 0o600,
    "pki/station-ca.pem": 0o644,
    "pki/server-ca.pem": 0o644,
    "pki/server.pem": 0o644,
    "pki/server.key.pem": 0o600,
    "pki/log.key.pem": 0o600,
    "pki/log.pub": 0o644,
    "pki/own-keys.txt": 0o644,
    "offline/root.pem": 0o644,
    "offline/root.key.pem": 0o600,
    "offline/station-ca.key.pem": 0o600,
    "offline/server-ca.key.pem": 0o600,
    **{
        f"clients/{name}/{file}": 0o600 if file == "key.pem" else 0o644
        for name in ("station-01", "auditor-01", "planner-01")
        for file in ("client.toml", "certificate.pem", "key.pem", "server-ca.pem")
    },
}


def certificate(installation: Installation, path: str) -> x509.Certificate:
    """The first certificate of a file."""
    return x509.load_pem_x509_certificate((installation.folder / path).read_bytes())


def verify(*arguments: str | Path) -> None:
    """Openssl's opinion, where there is an openssl."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl")
    done = subprocess.run(
        ["openssl", "verify", "-x509_strict", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_makes_these_files_with_keys_for_the_owner_alone(installation: Installation) -> None:
    """No more, no less, and no key that another user of the machine can read."""
    made = {
        str(path.relative_to(installation.folder)): stat.S_IMODE(path.stat().st_mode)
        for path in installation.folder.rglob("*")
        if path.is_file()
    }
    assert made == FILES


def test_folders_with_keys_are_for_the_owner_alone(installation: Installation) -> None:
    """Also the folders of callers, which travel with their keys."""
    for folder in ("pki", "offline", "clients", "clients/station-01"):
        assert stat.S_IMODE((installation.folder / folder).stat().st_mode) == 0o700


def test_a_server_would_start_with_it(installation: Installation) -> None:
    """All checks before a start pass; the one warning is that the CA keys are still there."""
    trusted = trust.check(installation.settings(), NOW.timestamp())
    assert [warning for warning in trusted.warnings if "offline" not in warning] == []
    assert len(trusted.warnings) == 1


@pytest.mark.parametrize("key_type", [kind for kind in CA_KEY_TYPES if kind != "rsa-4096"])
def test_root_and_issuer_have_the_keys_that_were_asked_for(tmp_path: Path, key_type: CaKeyType) -> None:
    """All else stays P-256, and openssl accepts the chain in its strict mode."""
    made = make_installation(tmp_path / "linecert", key_type=key_type)
    expected = new_key(key_type).public_key()
    for authority in made.chain():
        key = authority.public_key()
        assert isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
        assert (type(key), key.key_size) == (type(expected), expected.key_size)
    assert isinstance(certificate(made, "pki/server.pem").public_key(), ec.EllipticCurvePublicKey)
    chain = made.layout.pki / "issuer.chain.pem"
    verify("-CAfile", chain, chain)


def test_openssl_accepts_server_and_callers(installation: Installation) -> None:
    """Each for its purpose, in strict mode."""
    pki = installation.layout.pki
    verify(
        "-purpose", "sslserver", "-CAfile", pki / "server-ca.pem", "-verify_hostname", "localhost", pki / "server.pem"
    )
    for name in ("station-01", "auditor-01", "planner-01"):
        file = installation.layout.client(name) / "certificate.pem"
        verify("-purpose", "sslclient", "-CAfile", pki / "station-ca.pem", file)


def test_lifetimes_are_those_of_the_design(installation: Installation) -> None:
    """Root 30 years, issuer 20, station CA and server CA 10, server and callers 1, each backdated by five minutes."""
    issuer, root = installation.chain()
    years = {
        30: root,
        20: issuer,
        10: certificate(installation, "pki/station-ca.pem"),
        1: certificate(installation, "pki/server.pem"),
    }
    for count, one in years.items():
        assert one.not_valid_after_utc - one.not_valid_before_utc == count * timedelta(days=365) + timedelta(minutes=5)
    for one in (certificate(installation, "pki/server-ca.pem"),):
        assert one.not_valid_after_utc == years[10].not_valid_after_utc
    assert certificate(installation, "clients/station-01/certificate.pem").not_valid_after_utc == (
        years[1].not_valid_after_utc
    )


def test_ca_certificates_have_the_extensions_that_dps_asks_for(installation: Installation) -> None:
    """Critical basicConstraints and keyUsage, SKI and AKI; the issuer makes no further CAs."""
    issuer, root = installation.chain()
    for authority in (issuer, root):
        constraints = authority.extensions.get_extension_for_class(x509.BasicConstraints)
        usage = authority.extensions.get_extension_for_class(x509.KeyUsage)
        assert constraints.critical
        assert constraints.value.ca
        assert usage.critical
        assert usage.value.digital_signature
        assert usage.value.key_cert_sign
        assert usage.value.crl_sign
        identifier = authority.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
        assert identifier.key_identifier == (
            root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
        )
    assert issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0
    assert root.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length is None


def test_callers_are_known_by_a_uri_and_may_only_be_clients(installation: Installation) -> None:
    """No caller's certificate can stand for a server, nor the server's for a caller."""
    for role in ("station", "auditor", "planner"):
        extensions = certificate(installation, f"clients/{role}-01/certificate.pem").extensions
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.UniformResourceIdentifier) == [f"urn:linecert:{NAME}:{role}:{role}-01"]
        usage = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    server = certificate(installation, "pki/server.pem").extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(server) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_the_server_is_named_by_all_its_names_and_those_asked_for() -> None:
    """Localhost in every form, the machine, what it listens at, and --host; each once."""
    hosts = server_certificate.hosts_of("192.0.2.1:8443", ("line-ca.example", "localhost"))
    assert hosts[:3] == ("localhost", "127.0.0.1", "::1")
    assert "192.0.2.1" in hosts
    assert "line-ca.example" in hosts
    assert len(set(hosts)) == len(hosts)


def test_the_issuers_key_opens_with_its_pass_phrase_only(installation: Installation) -> None:
    """It is encrypted PKCS#8, and the pass phrase is random."""
    pem = (installation.layout.pki / "issuer.key.pem").read_bytes()
    assert pem.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    passphrase = (installation.layout.pki / "issuer.passphrase").read_bytes().strip()
    assert len(passphrase) >= 43
    load_pem_private_key(pem, passphrase)
    with pytest.raises(ValueError, match="password"):
        load_pem_private_key(pem, b"guess")


def test_the_logs_verifier_key_is_that_of_its_private_key(installation: Installation) -> None:
    """`log.pub` is a signed-note verifier key under the origin of the first epoch."""
    key = load_pem_private_key((installation.layout.pki / "log.key.pem").read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    text = (installation.layout.pki / "log.pub").read_text()
    assert VerifierKey.parse(text.strip()).name == f"{NAME}/1"
    assert text == f"{VerifierKey(f'{NAME}/1', key.public_key())}\n"


def test_every_key_that_was_made_is_recorded(installation: Installation) -> None:
    """A device that comes with one of them is refused."""
    recorded = own_keys.read(installation.layout.own_keys)
    keys = [
        load_pem_private_key(path.read_bytes(), None).public_key()
        for path in installation.folder.rglob("*key.pem")
        if path.name != "issuer.key.pem"
    ]
    keys.append(installation.chain()[0].public_key())
    assert {spki_sha256(key) for key in keys} == recorded


def test_clients_are_told_where_the_server_is(tmp_path: Path) -> None:
    """Localhost when the server listens everywhere or on the loopback, else where it listens."""
    for number, (listen, address) in enumerate(
        [("0.0.0.0:8443", "localhost:8443"), ("[::1]:1", "localhost:1"), ("192.0.2.1:8443", "192.0.2.1:8443")]
    ):
        layout = create(tmp_path / str(number), InitOptions("n", listen=listen), NOW)
        assert f'addresses = ["{address}"]' in (layout.client("station-01") / "client.toml").read_text()


def test_an_organization_stands_in_the_names_of_the_cas(tmp_path: Path) -> None:
    """As customers of a DPS instance see them."""
    create(tmp_path / "x", InitOptions("n", organization="Contoso"), NOW)
    subjects = [one.subject.rfc4514_string() for one in Installation(tmp_path / "x").chain()]
    assert subjects == ["CN=n device issuing CA,O=Contoso", "CN=n device root CA,O=Contoso"]


def test_two_installations_share_no_secret(tmp_path: Path) -> None:
    """Everything secret is made anew."""
    for name in ("a", "b"):
        create(tmp_path / name, InitOptions("n"), NOW)
    secrets = [path for path in FILES if FILES[path] == 0o600]
    assert all((tmp_path / "a" / path).read_bytes() != (tmp_path / "b" / path).read_bytes() for path in secrets)


def test_a_folder_that_is_not_empty_is_refused_and_left_alone(tmp_path: Path) -> None:
    """A second init would orphan every certificate of the first."""
    (tmp_path / "x").mkdir()
    (tmp_path / "x/file").write_text("mine")
    with pytest.raises(ConfigurationError, match="not empty"):
        create(tmp_path / "x", InitOptions("n"), NOW)
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["file"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    """It may be a volume, which cannot be replaced by another folder."""
    (tmp_path / "x").mkdir(mode=0o750)
    inode = (tmp_path / "x").stat().st_ino
    create(tmp_path / "x", InitOptions("n"), NOW)
    assert (tmp_path / "x").stat().st_ino == inode
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == [
        "clients",
        "linecert.toml",
        "offline",
        "pki",
        "stations.toml",
    ]


@pytest.mark.parametrize("existing", [True, False])
def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, existing: bool) -> None:
    """The last step fails: no folder, no keys, nothing beside it either."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    if existing:
        (tmp_path / "x").mkdir()
    before = set(tmp_path.rglob("*"))
    monkeypatch.setattr(own_keys, "record", full)
    with pytest.raises(OSError, match="No space"):
        create(tmp_path / "x", InitOptions("n"), NOW)
    assert set(tmp_path.rglob("*")) == before


BAD_OPTIONS = {
    "slash_in_name": (InitOptions("a/1"), "--name"),
    "long_name": (InitOptions("n" * 41), "--name"),
    "no_port": (InitOptions("n", listen="127.0.0.1"), "--listen"),
    "no_metrics_port": (InitOptions("n", metrics_listen="x"), "--metrics-listen"),
    "no_health_port": (InitOptions("n", health_listen="x:y"), "--health-listen"),
    "host_with_port": (InitOptions("n", hosts=("a.example:8443",)), "--host"),
    "host_with_umlaut": (InitOptions("n", hosts=("münchen.example",)), "--host"),
    "long_organization": (InitOptions("n", organization="x" * 65), "--subject-organization"),
}


@pytest.mark.parametrize("options, option", BAD_OPTIONS.values(), ids=BAD_OPTIONS.keys())
def test_a_bad_option_is_named_before_anything_is_made(tmp_path: Path, options: InitOptions, option: str) -> None:
    """The message says which."""
    with pytest.raises(ConfigurationError, match=option):
        create(tmp_path / "x", options, NOW)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    "host, name", [("ict-07.factory.example", "ict-07"), ("a b", "a-b"), ("", "linecert"), ("x" * 63, "x" * 40)]
)
def test_any_host_name_gives_a_name(monkeypatch: pytest.MonkeyPatch, host: str, name: str) -> None:
    """`init` needs no --name on a machine with an odd host name."""
    monkeypatch.setattr(init.socket, "gethostname", lambda: host)
    assert init.default_name() == name


def test_serial_numbers_differ(installation: Installation) -> None:
    """No two certificates of an installation are confused by an index over serials."""
    files = ("pki/station-ca.pem", "pki/server-ca.pem", "pki/server.pem", "clients/station-01/certificate.pem")
    serials = [
        one.serial_number
        for one in itertools.chain(installation.chain(), (certificate(installation, f) for f in files))
    ]
    assert len(set(serials)) == len(serials)
