"""`linecert-server issuer` with a key of each kind: what is refused, what is left behind, and what is recorded."""

import json
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from linecert_service.cli import main
from linecert_service.domain.errors import ConfigurationError
from linecert_service.installation import chains, issuer_requests
from linecert_service.installation.authorities import CaKeyType
from linecert_service.installation.issuer_keys import KeyEntry, KeyWish
from support import audit_log, databases, rollover, softhsm
from support.installations import Installation, make_installation
from support.issuer_places import NAME, PLACES, Place, place
from support.key_vault.double import KEY_NAME, key_vault
from support.key_vault.model import VAULT_HOST


class Site:
    """An installation, and what its commands print."""

    def __init__(self, installation: Installation, capsys: pytest.CaptureFixture[str]) -> None:
        self.installation = installation
        self._capsys = capsys

    def issuer(self, *arguments: object, fails: bool = False) -> str:
        """What a command of the group `issuer` prints: on stderr when it is to fail."""
        with pytest.raises(SystemExit) as ended:
            main(["issuer", *map(str, arguments), "--config", str(self.installation.config)])
        printed = self._capsys.readouterr()
        assert (ended.value.code == 1) is fails, printed
        return printed.err if fails else printed.out

    def request(self, where: Place, out: Path, *arguments: object, fails: bool = False) -> str:
        """Have a key made in a place."""
        return self.issuer("request", NAME, "--out", out, *where.options, *arguments, fails=fails)


@pytest.fixture
def site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Site:
    """A fresh installation, whose log is empty."""
    return Site(make_installation(tmp_path / "site"), capsys)


@pytest.mark.parametrize("kind", PLACES)
def test_a_key_that_is_there_is_used_only_when_asked_for(
    kind: str, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second request is refused, also when nothing remembers the first; --existing makes a CSR of the same key."""
    first, again = tmp_path / "first.pem", tmp_path / "again.pem"
    remembered = site.installation.layout.pki / f"{NAME}.request.toml"
    with place(kind, tmp_path, monkeypatch) as where:
        site.request(where, first)
        assert "names a key for" in site.request(where, again, fails=True)
        remembered.rename(tmp_path / "kept.toml")
        assert "is there already" in site.request(where, again, fails=True)
        assert not again.exists()
        (tmp_path / "kept.toml").rename(remembered)
        site.issuer("request", NAME, "--existing", "--out", again)
    keys = [x509.load_pem_x509_csr(path.read_bytes()).public_key() for path in (first, again)]
    assert keys[0] == keys[1]
    assert audit_log.ca_signatures(site.installation) == [(NAME, "certificate_request")] * 2


@pytest.mark.parametrize("kind", PLACES)
def test_no_key_is_made_where_nothing_can_be_recorded(
    kind: str, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log cannot be reached: the command refuses before it makes a key, and can be repeated as it is."""
    site.installation.edit("sqlite:///linecert.db", "sqlite:///gone/linecert.db")
    out = tmp_path / "csr.pem"
    with place(kind, tmp_path, monkeypatch) as where:
        assert "store.url" in site.request(where, out, fails=True)
        assert not out.exists()
        (site.installation.folder / "gone").mkdir()
        site.request(where, out)
    assert audit_log.ca_signatures(site.installation) == [(NAME, "certificate_request")]


@pytest.mark.parametrize("key_type", ["p384", "rsa-3072"])
@pytest.mark.parametrize("kind", PLACES)
def test_the_key_is_of_the_kind_that_was_asked_for(
    kind: str, key_type: CaKeyType, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no device may come with it from now on."""
    out = tmp_path / "csr.pem"
    with place(kind, tmp_path, monkeypatch) as where:
        told = site.request(where, out, "--key-type", key_type, "--subject", "CN=Line 3,O=Contoso")
    request = x509.load_pem_x509_csr(out.read_bytes())
    key = request.public_key()
    expected = (ec.EllipticCurvePublicKey, 384) if key_type == "p384" else (rsa.RSAPublicKey, 3072)
    assert isinstance(key, expected[0])
    assert key.key_size == expected[1]
    assert request.is_signature_valid
    assert request.subject.rfc4514_string() == "CN=Line 3,O=Contoso"
    made = issuer_requests.Requested(request, KeyEntry("file:unused"))
    assert made.csr_sha256 in told
    assert made.public_key_sha256 in site.installation.settings().own_keys.read_text()  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", PLACES)
def test_a_self_test_is_recorded_whatever_comes_of_it(
    kind: str, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event comes first: what the key may have signed stands in the log."""
    csr, chain = tmp_path / "csr.pem", tmp_path / "chain.pem"
    offline = site.installation.layout.offline
    with place(kind, tmp_path, monkeypatch) as where:
        site.request(where, csr)
        with pytest.raises(SystemExit):
            main(["issuer", "sign-request", str(csr), "--offline", str(offline), "--out", str(chain), "--yes"])
        site.issuer("install", NAME, chain, "--stage", "device")
        found = json.loads(site.issuer("self-test", "--json"))["issuers"]
    assert [(one["name"], one["verifies"]) for one in found] == [("issuer", True), (NAME, True)]
    assert audit_log.ca_signatures(site.installation) == [
        (NAME, "certificate_request"),
        ("issuer", "self_test"),
        (NAME, "self_test"),
    ]


def test_one_that_fails_hides_no_other(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a name those are tested that sign or are staged; each has its row, and the status is 1 at the end."""
    for name in ("retired", "staged"):
        rollover.add_issuer(site.installation, name)
        (site.installation.layout.pki / f"{name}.key.pem").unlink()
    rollover.stage(site.installation, "staged")
    with pytest.raises(SystemExit) as ended:
        main(["issuer", "self-test", "--json", "--config", str(site.installation.config)])
    printed = capsys.readouterr()
    found = {one["name"]: one for one in json.loads(printed.out)["issuers"]}
    assert ended.value.code == 1
    assert {name: one["verifies"] for name, one in found.items()} == {"issuer": True, "staged": False}
    assert "staged.key.pem" in found["staged"]["problem"]
    assert "what is said of staged" in printed.err
    assert "retired.key.pem" not in site.issuer("self-test", fails=True)


def test_it_records_on_postgresql_with_the_rights_of_a_server(site: Site, tmp_path: Path) -> None:
    """The command needs no more than the server has."""
    site.installation.edit("sqlite:///linecert.db", databases.new_postgresql_store())
    site.request(Place((), ""), tmp_path / "csr.pem")
    site.issuer("self-test")
    assert audit_log.ca_signatures(site.installation) == [(NAME, "certificate_request"), ("issuer", "self_test")]


def test_a_token_keeps_what_was_made_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key cannot be taken out, and was made with the identifier that the URI names."""
    token = softhsm.new_token(tmp_path / "softhsm", monkeypatch)
    monkeypatch.setenv("LINECERT_ISSUER_LINE_3_PIN", token.pin)
    entry = KeyEntry(token.uri(NAME).replace("?", ";id=%2A?"))
    KeyWish(NAME, entry, "p256", in_hsm=False, folder=tmp_path).make()
    signer = chains.open_key(NAME, entry.issuer(tmp_path, tmp_path))
    assert signer.may_leave is False  # type: ignore[attr-defined]
    signer.close()


def test_a_token_that_wants_a_pin_and_gets_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence says so; a wrong one is not shown."""
    token = softhsm.new_token(tmp_path / "softhsm", monkeypatch)
    wish = KeyWish(NAME, KeyEntry(token.uri(NAME)), "p256", in_hsm=False, folder=tmp_path)
    with pytest.raises(ConfigurationError, match="the token wants its PIN"):
        wish.make()
    monkeypatch.setenv("LINECERT_ISSUER_LINE_3_PIN", "3141-5926")
    with pytest.raises(ConfigurationError, match="refuses the PIN") as caught:
        wish.make()
    assert "3141" not in str(caught.value)


def test_a_vault_that_lets_nobody_create_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names the role; nothing was made. Keys in hardware are made there when that is asked for."""
    with key_vault(tmp_path / "vault", ec.generate_private_key(ec.SECP256R1())) as double:
        for name, value in double.environment.items():
            monkeypatch.setenv(name, value)
        entry = KeyEntry(f"https://{VAULT_HOST}/keys/{NAME}")
        wish = KeyWish(NAME, entry, "p256", in_hsm=True, folder=tmp_path)
        double.key(permissions=["get", "sign"])
        with pytest.raises(ConfigurationError, match="Key Vault Crypto Officer"):
            wish.make()
        assert "create" not in double.seen().requests
        double.key(permissions=["get", "sign", "create"])
        made = wish.make()
        signer = chains.open_key(NAME, made.issuer(tmp_path, tmp_path))
        # 90 % of what Azure documents for keys in hardware: the vault says that it is one.
        assert signer.limit == 1_800  # type: ignore[attr-defined]
        signer.close()


def test_the_name_of_a_key_that_was_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The vault keeps both for some days: the sentence says what can be done."""
    with key_vault(tmp_path / "vault", ec.generate_private_key(ec.SECP256R1())) as double:
        for name, value in double.environment.items():
            monkeypatch.setenv(name, value)
        double.key(deleted=True)
        wish = KeyWish(NAME, KeyEntry(f"https://{VAULT_HOST}/keys/{KEY_NAME}"), "p256", in_hsm=False, folder=tmp_path)
        with pytest.raises(ConfigurationError, match="recover it and use it with --existing, or purge it"):
            wish.make()
        assert "create" not in double.seen().requests


def test_a_vault_that_signs_with_another_key(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No CSR leaves, the attempt is in the log, and the sentence says how to go on with the key that is made."""
    out = tmp_path / "csr.pem"
    with key_vault(tmp_path / "vault", ec.generate_private_key(ec.SECP256R1())) as double:
        for name, value in double.environment.items():
            monkeypatch.setenv(name, value)
        where = Place(("--key", f"https://{VAULT_HOST}/keys/{NAME}"), "")
        double.let(wrong_key=True)
        said = site.request(where, out, fails=True)
        assert "signed with another key" in said
        assert "--existing" in said
        assert not out.exists()
        double.let(wrong_key=False)
        site.issuer("request", NAME, "--existing", "--out", out)
    assert audit_log.ca_signatures(site.installation) == [(NAME, "certificate_request")] * 2


@pytest.mark.parametrize("key", ["https://example.com/keys/a", f"https://{VAULT_HOST}/keys/a/{'0' * 32}"])
def test_a_place_in_a_vault_has_no_version(key: str, tmp_path: Path) -> None:
    """The vault gives it."""
    with pytest.raises(ConfigurationError, match="without a version"):
        KeyWish(NAME, KeyEntry(key), "p256", in_hsm=False, folder=tmp_path).make()


def test_hardware_is_the_vaults_alone(tmp_path: Path) -> None:
    """A token is hardware, and a file never."""
    with pytest.raises(ConfigurationError, match="--hsm"):
        KeyWish(NAME, KeyEntry("file:a.pem"), "p256", in_hsm=True, folder=tmp_path).make()
