"""What leaves the CA is what strict verifiers want: every device key under every kind of issuer."""

import asyncio
import functools
import itertools
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID
from google.protobuf.duration_pb2 import Duration
from pkilint import loader
from pkilint.pkix import certificate as lint
from pkilint.pkix import extension, name
from pkilint.validation import ValidationFindingSeverity

from linecert.v1.signing_pb2 import SignDeviceResponse
from linecert_service.installation.authorities import CA_KEY_TYPES, CaKeyType
from support import csrs
from support.installations import Installation
from support.issuers import END_OF_TIME, in_days, install_issuer
from support.openssl import needs_openssl, verify_client_chain
from support.server import ask, chain_pem, installation_at, leaf, refused, serving

SECOND_PROFILE = """\
[profiles.named]
issuer = "issuer"
validity = "30d"
backdate = "2m"
subject = { C = "DE", O = "Contoso", OU = "Line 3" }
"""
PROFILES = ("device", "named")
CASES = tuple(itertools.product(CA_KEY_TYPES, PROFILES, csrs.ACCEPTED_KEY_TYPES))
five_years = timedelta(days=5 * 365)


@dataclass(frozen=True, slots=True)
class Made:
    """A certificate as the device gets it, and the key that it was asked for."""

    response: SignDeviceResponse
    key: csrs.PrivateKey

    @property
    def leaf(self) -> x509.Certificate:
        """The device's certificate."""
        return leaf(self.response.issued)

    @property
    def issuer(self) -> x509.Certificate:
        """The issuer's certificate."""
        return x509.load_der_x509_certificate(self.response.chain.intermediates[0])

    @property
    def root(self) -> x509.Certificate:
        """The root's certificate."""
        return x509.load_der_x509_certificate(self.response.chain.root)


def add_profile(installation: Installation, text: str, profile: str) -> None:
    """Add a profile that station-01 may ask for."""
    with installation.config.open("a") as file:
        file.write(text)
    added = f'profiles = ["device", "{profile}"]\ndefault_profile = "device"'
    installation.edit('profiles = ["device"]', added, file="stations.toml")


@functools.cache
def made_by(issuer: CaKeyType) -> dict[tuple[str, str], Made]:
    """A certificate of each profile for each kind of device key, by an issuer of this kind."""
    with tempfile.TemporaryDirectory() as folder:
        installation = installation_at(Path(folder) / "server", issuer)
        add_profile(installation, SECOND_PROFILE, "named")
        return asyncio.run(_make_all(installation))


async def _make_all(installation: Installation) -> dict[tuple[str, str], Made]:
    made = {}
    async with serving(installation) as server:
        station = server.caller()
        for number, (profile, key_type) in enumerate(itertools.product(PROFILES, csrs.ACCEPTED_KEY_TYPES)):
            key = csrs.key(key_type, number)
            request = ask(f"Device-{number}:x.Y_z", key=key, profile=profile)
            made[profile, key_type] = Made(await station.sign(request), key)
    return made


@pytest.fixture(params=CASES, ids="-".join)
def made(request: pytest.FixtureRequest) -> Made:
    """One certificate for each combination."""
    issuer, profile, key_type = request.param
    return made_by(issuer)[profile, key_type]


@needs_openssl
def test_openssl_accepts_the_chain(made: Made, tmp_path: Path) -> None:
    """Leaf, intermediate and root pass `openssl verify -x509_strict -purpose sslclient`."""
    assert len(made.response.chain.intermediates) == 1
    verify_client_chain(chain_pem(made.response), tmp_path)


def test_pkilint_finds_no_error(made: Made) -> None:
    """A linter of RFC 5280 has nothing to complain about."""
    document = loader.load_certificate(made.response.issued.certificate, "leaf")
    results = _linter().validate(document.root)
    findings = [description for result in results for description in result.finding_descriptions]
    serious = (ValidationFindingSeverity.ERROR, ValidationFindingSeverity.FATAL)
    assert [str(found.finding.code) for found in findings if found.finding.severity in serious] == []


@functools.cache
def _linter() -> object:
    decoding = lint.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS)
    return lint.create_pkix_certificate_validator_container(
        decoding,
        [
            lint.create_issuer_validator_container([]),
            lint.create_validity_validator_container(),
            lint.create_subject_validator_container([]),
            lint.create_extensions_validator_container([]),
            lint.create_spki_validator_container([]),
        ],
    )


def test_the_serial_number_has_20_octets(made: Made) -> None:
    """Top bit 0, next bit 1: positive, and of one length in DER."""
    assert made.leaf.serial_number >> 158 == 1
    assert made.response.issued.serial_number == f"{made.leaf.serial_number:040x}"


def test_the_extensions_are_those_of_a_tls_client(made: Made) -> None:
    """No CA; keyEncipherment for RSA only; clientAuth; SKI; AKI equal to the issuer's SKI; and nothing else."""
    rsa = isinstance(made.leaf.public_key(), RSAPublicKey)
    usage = dict.fromkeys(
        ("content_commitment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign"), False
    )
    expected = {
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (
            x509.KeyUsage(
                **usage, digital_signature=True, key_encipherment=rsa, encipher_only=False, decipher_only=False
            ),
            True,
        ),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False),
        (x509.SubjectKeyIdentifier.from_public_key(made.key.public_key()), False),
        (
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
                made.issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
            ),
            False,
        ),
    }
    assert {(found.value, found.critical) for found in made.leaf.extensions} == expected
    assert len(made.leaf.extensions) == len(expected)


def test_key_and_chain_belong_together(made: Made) -> None:
    """The leaf has the key of the CSR, and each certificate is signed by the next."""
    assert made.leaf.public_key() == made.key.public_key()
    made.leaf.verify_directly_issued_by(made.issuer)
    made.issuer.verify_directly_issued_by(made.root)
    made.root.verify_directly_issued_by(made.root)


@pytest.mark.parametrize("profile", PROFILES)
def test_the_subject_is_the_profiles_and_the_name_in_its_case(profile: str) -> None:
    """Fixed attributes in the profile's order, then the common name as asked for, as UTF8String."""
    fixed = (
        csrs.attribute("2.5.4.6", "DE", csrs.PRINTABLE_STRING),
        csrs.attribute("2.5.4.10", "Contoso"),
        csrs.attribute("2.5.4.11", "Line 3"),
    )
    made = made_by("p256")[profile, "P-256"]
    number = PROFILES.index(profile) * len(csrs.ACCEPTED_KEY_TYPES)
    common_name = csrs.common_name(f"Device-{number}:x.Y_z")
    expected = csrs.name(*(fixed if profile == "named" else ()), common_name)
    assert made.leaf.subject.public_bytes() == expected


@pytest.mark.parametrize(
    "profile, backdate, validity",
    [("device", timedelta(minutes=5), five_years), ("named", timedelta(minutes=2), timedelta(days=30))],
)
def test_the_validity_is_the_profiles(profile: str, backdate: timedelta, validity: timedelta) -> None:
    """Backdated by the profile's time; and the last second counts, as RFC 5280 has it."""
    made = made_by("p256")[profile, "P-256"].response.issued
    issue_time = made.issue_time.ToDatetime().replace(microsecond=0)
    start, end = made.not_before.ToDatetime(), made.not_after.ToDatetime()
    assert end - start == backdate + validity - timedelta(seconds=1)
    assert timedelta() <= issue_time - (start + backdate) <= timedelta(seconds=30)


@pytest.fixture
def issuer_of_30_days(installation: Installation) -> x509.Certificate:
    """An issuer that ends before the profile's certificates would, as that of Azure's tutorial does."""
    return install_issuer(installation, end=in_days(30)).certificate


async def test_a_validity_asked_for_is_given(installation: Installation) -> None:
    """A shorter one than the profile's."""
    async with serving(installation) as server:
        made = leaf((await server.caller().sign(ask(validity=Duration(seconds=3600)))).issued)
    assert made.not_valid_after_utc - made.not_valid_before_utc == timedelta(seconds=3600 + 300 - 1)


async def test_the_issuers_end_is_not_passed(installation: Installation, issuer_of_30_days: x509.Certificate) -> None:
    """Past it is VALIDITY_EXCEEDS_ISSUER, with what to do; a shorter validity is given."""
    del issuer_of_30_days
    async with serving(installation) as server:
        station = server.caller()
        refusal = await refused(station.sign(ask()))
        await station.sign(ask(validity=Duration(seconds=86_400)))
    assert (refusal.status, refusal.reason) == ("FAILED_PRECONDITION", "VALIDITY_EXCEEDS_ISSUER")
    assert "`validity`" in refusal.message
    assert "clamp" in refusal.message


async def test_a_profile_that_clamps_ends_with_the_issuer(
    installation: Installation, issuer_of_30_days: x509.Certificate
) -> None:
    """`clamp = true` gives the issuer's end instead of a refusal."""
    installation.edit("clamp = false", "clamp = true")
    async with serving(installation) as server:
        made = leaf((await server.caller().sign(ask())).issued)
    assert made.not_valid_after_utc == issuer_of_30_days.not_valid_after_utc


@needs_openssl
async def test_a_certificate_without_end(installation: Installation, tmp_path: Path) -> None:
    """`not_after = 9999-12-31T23:59:59Z` becomes 99991231235959Z, and OpenSSL takes it."""
    install_issuer(installation, end=END_OF_TIME)
    installation.edit('validity = "5y"\n# The most', "not_after = 9999-12-31T23:59:59Z\n# The most")
    installation.edit('max_validity = "5y"\n', "")
    async with serving(installation) as server:
        station = server.caller()
        response = await station.sign(ask())
        refusal = await refused(station.sign(ask("device-02", validity=Duration(seconds=60))))
    made = leaf(response.issued)
    assert made.not_valid_after_utc == END_OF_TIME
    assert b"\x18\x0f99991231235959Z" in made.tbs_certificate_bytes
    assert response.issued.not_after.ToDatetime(tzinfo=END_OF_TIME.tzinfo) == END_OF_TIME
    verify_client_chain(chain_pem(response), tmp_path)
    assert (refusal.reason, refusal.field) == ("VALIDITY_INVALID", "validity")


@pytest.fixture(autouse=True, scope="module")
def _forget() -> Iterator[None]:
    yield
    made_by.cache_clear()
