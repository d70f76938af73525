"""Build, sign, verify: what leaves is what was planned, and signed by the CA's key."""

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from linecert_service.csr.checker import CsrChecker
from linecert_service.domain.errors import SignatureUnusable, SignerUnavailable
from linecert_service.issuance.certificate import Plan, make, new_serial
from linecert_service.issuance.issuer import FAULT_SECONDS, Issuer
from linecert_service.issuance.planning import Planner
from linecert_service.issuance.template import Template, key_identifier
from linecert_service.signers.local import LocalSigner
from support import csrs
from support.claims import NOW
from support.doubles import FakeClock, NullMeter
from support.issuing import ca_key, caller, issuer, profile, request


def plan(of: Issuer, key_type: str = "P-256", **changes: Any) -> Plan:
    """A plan for a device with a key of this type."""
    profiles = {"device": profile(of, **changes)}
    csr = csrs.make(registration_id="Device-01", key=csrs.key(key_type))
    return Planner(CsrChecker(), profiles).plan(request(csr=csr), caller(), NOW)


def test_serial_always_has_twenty_octets() -> None:
    """Top bit 0, next bit 1, the rest as drawn: positive, and of one length in DER."""
    assert new_serial(lambda _: 0) == 1 << 158
    assert new_serial(lambda bits: (1 << bits) - 1) == (1 << 159) - 1


@pytest.mark.parametrize("kind", ["P-256", "P-384", "RSA-2048"])
@pytest.mark.parametrize("key_type", ["P-256", "RSA-2048"])
def test_certificate_is_as_planned(kind: str, key_type: str) -> None:
    """Names, validity and key are the plan's, the signature is the issuer's, with the hash that fits its key."""
    by = issuer(kind)
    planned = plan(by, key_type, subject={"O": "Contoso", "OU": "Line 3"})
    made = make(planned, NullMeter())
    certificate = x509.load_der_x509_certificate(made.certificate)
    assert by.has_signed(certificate.tbs_certificate_bytes, certificate.signature)
    assert certificate.subject.rfc4514_string() == "CN=Device-01,OU=Line 3,O=Contoso"
    assert certificate.not_valid_before_utc.timestamp() == NOW - 300
    assert certificate.not_valid_after_utc.timestamp() == planned.claim.not_after
    assert certificate.serial_number.to_bytes(20, "big") == made.serial
    assert isinstance(certificate.signature_hash_algorithm, hashes.SHA384 if kind == "P-384" else hashes.SHA256)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.key_encipherment == key_type.startswith("RSA")


def test_key_of_another_ca_is_found_out() -> None:
    """What another key signed does not verify, never leaves, and the issuer is not in order from then on."""
    by = issuer(signs=ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(SignerUnavailable, match="does not verify"):
        make(plan(by), NullMeter())
    with pytest.raises(SignerUnavailable, match="does not verify"):
        by.check()


def test_issuer_is_in_order_again_after_a_good_signature() -> None:
    """The fault is of the last signature, not for ever."""
    by = issuer(signs=ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(SignerUnavailable):
        make(plan(by), NullMeter())
    by.signer.private_key = ca_key("P-256")  # type: ignore[misc]  # a key that came back
    make(plan(by), NullMeter())
    by.check()


def test_bad_signature_is_held_against_an_issuer_for_a_minute() -> None:
    """A server that a balancer took out of service gets no call that could show the key mended: so it is let in again.

    Another bad signature takes it out for another minute.
    """
    clock, whole = FakeClock(NOW), issuer()
    by = Issuer(whole.name, whole.chain, LocalSigner(ec.generate_private_key(ec.SECP256R1())), clock.monotonic)
    for _ in range(2):
        with pytest.raises(SignatureUnusable):
            make(plan(by), NullMeter())
        clock.pass_by(FAULT_SECONDS - 1)
        with pytest.raises(SignerUnavailable, match="does not verify"):
            by.check()
        clock.pass_by(1)
        by.check()


def other_bytes(made: bytes, position: int) -> bytes:
    """`made` with one bit changed."""
    return made[:position] + bytes([made[position] ^ 1]) + made[position + 1 :]


@pytest.mark.parametrize("what", ["serial", "common name", "issuer", "key", "not after", "key identifier"])
def test_certificate_other_than_planned_is_found_out(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A good signature over other content does not leave either, and the issuer is not in order from then on."""
    by = issuer()
    planned = plan(by)
    spki, identifier = planned.csr.spki, key_identifier(planned.csr.spki)
    fill = Template.fill

    def altered(template: Template, **facts: Any) -> bytes:
        tbs = fill(template, **facts)
        places = {
            "serial": tbs.index(facts["serial"]) + 5,
            "common name": tbs.index(b"Device-01") + 8,
            "issuer": tbs.index(b"Test issuer"),
            "key": tbs.index(spki) + 30,
            "not after": tbs.index(b"Z", tbs.index(b"Z") + 1) - 1,
            "key identifier": tbs.index(identifier),
        }
        return other_bytes(tbs, places[what])

    monkeypatch.setattr(Template, "fill", altered)
    with pytest.raises(SignatureUnusable, match="another certificate than planned") as caught:
        make(planned, NullMeter())
    assert len(caught.value.serial) == 20
    with pytest.raises(SignerUnavailable, match="another certificate"):
        by.check()


def test_certificate_that_cannot_be_read_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Octets that are no certificate are no answer."""
    planned = plan(issuer())
    monkeypatch.setattr(Template, "fill", lambda *_, **__: b"\x30\x00")
    with pytest.raises(SignatureUnusable):
        make(planned, NullMeter())


@pytest.mark.parametrize("error", [ValueError("secret"), TypeError("secret")])
def test_signer_that_fails_is_unavailable(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a backend raises becomes SIGNER_UNAVAILABLE, and its text stays inside."""
    planned = plan(issuer())

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Issuer, "sign", fail)
    with pytest.raises(SignerUnavailable) as caught:
        make(planned, NullMeter())
    assert "secret" not in caught.value.message
