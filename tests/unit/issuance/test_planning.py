"""What is decided before a key is used: policy, validity, and what may still be a repetition."""

import hashlib
from typing import Any

import pytest

from linecert import contract
from linecert_service.csr.checker import CsrChecker
from linecert_service.domain.errors import Refused
from linecert_service.domain.requests import SignRequest
from linecert_service.issuance.certificate import Plan
from linecert_service.issuance.planning import Caller, Planner, RefusedClaim
from linecert_service.issuance.profile import Profile
from linecert_service.policy.patterns import RegistrationIdPatterns
from support import csrs
from support.claims import NOW
from support.issuing import YEAR, caller, issuer, profile, request


def planned(asked: SignRequest, by: Caller | None = None, *profiles: Profile) -> Plan:
    """The plan for a request."""
    known = {each.name: each for each in profiles or (profile(),)}
    return Planner(CsrChecker(), known).plan(asked, by or caller(), NOW)


def refused_claim(asked: SignRequest, by: Caller | None = None, *profiles: Profile) -> str:
    """The reason for which a request is refused, if the store does not know it."""
    with pytest.raises(RefusedClaim) as caught:
        planned(asked, by, *profiles)
    assert caught.value.claim.request_id == asked.request_id
    assert len(caught.value.claim.request_sha256) == 32
    return contract.refusal(caught.value.refusal.reason).name


def test_registration_id_of_the_request_must_be_the_csrs() -> None:
    """Byte for byte: another case is another ID here."""
    assert planned(request("Device-01", registration_id="Device-01"))
    with pytest.raises(Refused, match="CSR's common name is Device-01") as caught:
        planned(request("Device-01", registration_id="device-01"))
    assert caught.value.field == "registration_id"


@pytest.mark.parametrize(
    "asked, station, expected",
    [
        ({"profile": "other"}, {}, "PROFILE_NOT_ALLOWED"),
        ({}, {"default_profile": None, "profiles": ("device", "b")}, "PROFILE_NOT_ALLOWED"),
        ({}, {"default_profile": None, "profiles": ()}, "PROFILE_NOT_ALLOWED"),
        ({}, {"registration_id_patterns": RegistrationIdPatterns(["other-*"])}, "REGISTRATION_ID_NOT_ALLOWED"),
        ({}, {"work_order_required": True}, "WORK_ORDER_REQUIRED"),
        ({"replacement_reason": "LOST"}, {}, "REPLACEMENT_NOT_ALLOWED"),
        (
            {"replacement_reason": "LOST"},
            {"replacement_reasons": frozenset({"REWORK"})},
            "REPLACEMENT_NOT_ALLOWED",
        ),
    ],
    ids=["profile", "no default", "no profile", "pattern", "order", "reason", "other reason"],
)
def test_policy_refuses(asked: dict[str, Any], station: dict[str, Any], expected: str) -> None:
    """Each right of a station that a request goes beyond has its reason, and may still be a repetition."""
    assert refused_claim(request(**asked), caller(**station)) == expected


def test_key_type_is_the_profiles_choice() -> None:
    """A key that the service takes may still be none for this profile."""
    asked = request(csr=csrs.make(registration_id="device-01", key=csrs.key("RSA-2048")))
    assert refused_claim(asked, None, profile(key_types=("P-256",))) == "PUBLIC_KEY_NOT_ALLOWED"


def test_callers_own_key_is_no_device_key() -> None:
    """A station that sends its own key's CSR is stopped."""
    key = csrs.key("P-256")
    spki = key.public_key().public_bytes(
        csrs.serialization.Encoding.DER, csrs.serialization.PublicFormat.SubjectPublicKeyInfo
    )
    by = Caller(caller().station, hashlib.sha256(spki).digest())
    with pytest.raises(Refused) as caught:
        planned(request(csr=csrs.make(key=key)), by)
    assert contract.refusal(caught.value.reason).name == "PUBLIC_KEY_TAKEN"


def test_validity_of_the_profile() -> None:
    """NotBefore lies `backdate` in the past, and notAfter one second before the validity is over."""
    claim = planned(request()).claim
    assert (claim.not_before, claim.not_after) == (NOW - 300, NOW + 5 * YEAR - 1)


def test_validity_of_the_request() -> None:
    """A shorter validity is granted."""
    assert planned(request(validity=3600)).claim.not_after == NOW + 3599


def test_not_before_is_never_before_the_issuers() -> None:
    """A fresh issuer's certificates begin with it."""
    claim = planned(request(), None, profile(issuer(starts=NOW - 10))).claim
    assert claim.not_before == NOW - 10


def test_fixed_end() -> None:
    """9999-12-31T23:59:59Z, the time without an end of RFC 5280, is one where the issuer has it, too."""
    end = 253_402_300_799
    by = issuer(ends=end)
    fixed = profile(by, validity=None, max_validity=None, not_after=end)
    assert planned(request(), None, fixed).claim.not_after == end
    assert refused_claim(request(validity=60), None, fixed) == "VALIDITY_INVALID"


def test_fixed_end_that_has_passed() -> None:
    """A profile that ended makes nothing."""
    fixed = profile(validity=None, max_validity=None, not_after=NOW - 1)
    assert refused_claim(request(), None, fixed) == "VALIDITY_INVALID"


def test_validity_over_the_maximum() -> None:
    """A request gets no more than the profile allows."""
    assert refused_claim(request(validity=5 * YEAR + 1)) == "VALIDITY_INVALID"


@pytest.mark.parametrize("most, told", [(5 * YEAR, "1825 days at most"), (90, "90 seconds at most")])
def test_the_maximum_is_told_in_days_where_it_is_days(most: int, told: str) -> None:
    """A planner thinks in days, not in millions of seconds."""
    with pytest.raises(RefusedClaim) as caught:
        planned(request(validity=most + 1), None, profile(validity=60, max_validity=most))
    assert told in caught.value.refusal.message


def test_end_after_the_issuers() -> None:
    """Refused, unless the profile clamps."""
    short = issuer(ends=NOW + 60)
    assert refused_claim(request(), None, profile(short)) == "VALIDITY_EXCEEDS_ISSUER"
    assert planned(request(), None, profile(short, clamp=True)).claim.not_after == NOW + 60


def test_expired_issuer() -> None:
    """Nothing is made under an issuer that has ended, clamp or not."""
    assert refused_claim(request(), None, profile(issuer(ends=NOW - 1), clamp=True)) == "ISSUER_EXPIRED"


def test_attributes_are_recorded_as_canonical_json() -> None:
    """The order in which a station sends its attributes does not matter."""
    claim = planned(request(attributes={"b": "2", "a": "1"})).claim
    assert claim.attributes == '{"a":"1","b":"2"}'


def test_the_issuer_is_that_of_the_moment() -> None:
    """Before the set time the one, from it on the other; what was planned before keeps its own."""
    old, new = issuer(), issuer("P-384")
    staged = profile(old, following=profile(new), switch_at=NOW + 10)
    planner = Planner(CsrChecker(), {"device": staged})
    before = planner.plan(request(), caller(), NOW + 9.9)
    after = planner.plan(request(), caller(), NOW + 10)
    assert (before.profile.issuer, before.claim.issuer_sha256) == (old, old.sha256)
    assert (after.profile.issuer, after.claim.issuer_sha256) == (new, new.sha256)
    assert before.claim.request_sha256 == after.claim.request_sha256


def test_an_issuer_that_is_staged_without_a_time_waits() -> None:
    """However late it gets."""
    staged = profile(issuer(), following=profile(issuer("P-384")))
    assert planned(request(), None, staged).profile.issuer.public_key.key_size == 256
    assert staged.at(NOW + 50 * YEAR) is staged


def test_the_next_issuers_end_counts_after_the_switch() -> None:
    """VALIDITY_EXCEEDS_ISSUER or clamp, as with any issuer."""
    new = issuer("P-384", ends=NOW + YEAR)
    refusing = profile(following=profile(new), switch_at=NOW)
    assert refused_claim(request(), None, refusing) == "VALIDITY_EXCEEDS_ISSUER"
    clamping = profile(clamp=True, following=profile(new, clamp=True), switch_at=NOW)
    assert planned(request(), None, clamping).claim.not_after == NOW + YEAR


def test_a_profile_that_is_gone_is_refused() -> None:
    """A station may be known with a profile that the settings have just lost."""
    assert refused_claim(request(), caller(profiles=("gone",), default_profile="gone")) == "PROFILE_NOT_ALLOWED"
