"""From a request to a plan: everything that is decided before a key is used."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from linecert import registration_id
from linecert.transparency import canonical_json
from linecert.v1 import error_reason_pb2 as reasons
from linecert_service.domain.errors import Refused
from linecert_service.domain.requests import Claim, DeviceCsr, SignRequest
from linecert_service.issuance.certificate import Plan
from linecert_service.issuance.profile import Profile
from linecert_service.issuance.request_hash import request_hash
from linecert_service.issuance.validity import validity_for
from linecert_service.policy import rights
from linecert_service.policy.stations import Station


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: from the peer certificate and `stations.toml`, never from the request.

    Attributes:
        station: its entry.
        spki_sha256: SHA-256 of its own public key, which no device may come with.
    """

    station: Station
    spki_sha256: bytes


class RefusedClaim(Exception):
    """The request breaks a rule, but may be the repetition of one that was answered.

    Attributes:
        refusal: what it is refused with, if it is none.
        claim: what to ask the store for.
    """

    def __init__(self, refusal: Refused, claim: Claim) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal
        self.claim = claim


class CsrJudge(Protocol):
    """What judges CSRs; see `csr.checker`."""

    def check(self, data: bytes, caller_spki_sha256: bytes | None) -> DeviceCsr:
        """What the CSR asks for. Raises Refused."""


class Planner:
    """Makes plans.

    Args:
        csrs: what judges CSRs.
        profiles: the profiles by name.
    """

    def __init__(self, csrs: CsrJudge, profiles: Mapping[str, Profile]) -> None:
        self._csrs = csrs
        self._profiles = profiles

    def plan(self, request: SignRequest, caller: Caller, now: float) -> Plan:
        """Check a request as far as that needs no store.

        Args:
            request: what is asked.
            caller: by whom.
            now: seconds since 1970, UTC.

        Raises:
            Refused: for the form of the CSR, or a registration ID that is not the CSR's.
            RefusedClaim: for anything else.
        """
        csr = self._csrs.check(request.csr, caller.spki_sha256)
        _check_registration_id(request, csr)
        claim = _claim(request, csr, caller.station)
        try:
            return self._allowed(request, csr, caller.station, claim, now)
        except Refused as refusal:
            refusal.registration_key = claim.registration_key
            raise RefusedClaim(refusal, claim) from None

    def _allowed(self, request: SignRequest, csr: DeviceCsr, station: Station, claim: Claim, now: float) -> Plan:
        name = rights.profile_for(station, request.profile)
        # From here on it has this issuer, whatever comes: a switch concerns what is planned after it.
        profile = self._profile(name).at(now)
        rights.check_request(station, request, csr.registration_id)
        if csr.key_type not in profile.key_types:
            raise Refused(
                reasons.ERROR_REASON_PUBLIC_KEY_NOT_ALLOWED,
                f"profile {name} takes no {csr.key_type} keys: make one of {', '.join(profile.key_types)}",
                field="csr",
            )
        not_before, not_after = validity_for(profile, request.validity, now)
        planned = replace(
            claim,
            profile=name,
            issuer_sha256=profile.issuer.sha256,
            not_before=not_before,
            not_after=not_after,
        )
        return Plan(planned, profile, csr)

    def _profile(self, name: str) -> Profile:
        if name not in self._profiles:
            # Taken out of the settings since the caller was looked up.
            raise Refused(
                reasons.ERROR_REASON_PROFILE_NOT_ALLOWED,
                f"profile {name} is not there any more: ask for another one, or have the operator bring it back",
                field="profile",
            )
        return self._profiles[name]


def _check_registration_id(request: SignRequest, csr: DeviceCsr) -> None:
    if request.registration_id is not None and request.registration_id != csr.registration_id:
        raise Refused(
            reasons.ERROR_REASON_REGISTRATION_ID_MISMATCH,
            f"the CSR's common name is {csr.registration_id}, not the registration_id of the request: look whether the "
            "CSR is this device's",
            field="registration_id",
        )


def _claim(request: SignRequest, csr: DeviceCsr, station: Station) -> Claim:
    """What is asked of the store as far as it is known before the profile is: enough to find a repetition."""
    return Claim(
        station=station.name,
        line=station.line,
        request_id=request.request_id,
        request_sha256=request_hash(request, csr),
        registration_id=csr.registration_id,
        registration_key=registration_id.key(csr.registration_id),
        spki_sha256=csr.spki_sha256,
        csr_sha256=csr.csr_sha256,
        profile=request.profile or station.default_profile or "",
        work_order=request.work_order,
        lot=request.lot,
        attributes=canonical_json(dict(request.attributes)).decode() if request.attributes else None,
        replacement_reason=request.replacement_reason,
        issuer_sha256=b"",
        not_before=0,
        not_after=0,
    )
