"""From when to when a certificate is valid. Times in whole seconds since 1970 UTC, durations in seconds."""

from linecert.v1 import error_reason_pb2 as reasons
from linecert_service.domain.errors import Refused
from linecert_service.issuance.profile import Profile


def validity_for(profile: Profile, asked: int | None, now: float) -> tuple[int, int]:
    """NotBefore and notAfter of a certificate that is made at `now`.

    notAfter is part of the validity (RFC 5280, section 4.1.2.5), hence the one second less.

    Args:
        profile: the certificate's profile.
        asked: the validity that the request asks for; None: the profile's.
        now: the time.

    Raises:
        Refused: VALIDITY_INVALID, ISSUER_EXPIRED, VALIDITY_EXCEEDS_ISSUER.
    """
    issuer = profile.issuer
    if now > issuer.not_after:
        raise Refused(
            reasons.ERROR_REASON_ISSUER_EXPIRED,
            f"issuer {issuer.name}, or a certificate above it, has expired: the operator has to install a new one",
        )
    not_before = max(int(now) - profile.backdate, issuer.not_before)
    not_after = _end(profile, asked, int(now))
    if not_after > issuer.not_after:
        if not profile.clamp:
            raise Refused(
                reasons.ERROR_REASON_VALIDITY_EXCEEDS_ISSUER,
                f"the certificate would end after its issuer {issuer.name}: ask for a shorter validity, or set "
                f"`validity` or `clamp = true` of profile {profile.name}",
                field=None if asked is None else "validity",
            )
        not_after = issuer.not_after
    return not_before, not_after


def _end(profile: Profile, asked: int | None, now: int) -> int:
    if asked is not None:
        if profile.max_validity is None:
            problem = f"profile {profile.name} has a fixed end: ask without validity"
        elif asked > profile.max_validity:
            problem = f"profile {profile.name} allows {_span(profile.max_validity)} at most"
        else:
            return now + asked - 1
        raise Refused(reasons.ERROR_REASON_VALIDITY_INVALID, problem, field="validity")
    if profile.not_after is not None:
        if profile.not_after <= now:
            raise Refused(
                reasons.ERROR_REASON_VALIDITY_INVALID,
                f"profile {profile.name} has a fixed end that has passed: the operator has to set another `not_after`",
            )
        return profile.not_after
    if profile.validity is None:  # pragma: no cover - the settings do not let this through
        raise AssertionError(profile.name)
    return now + profile.validity - 1


def _span(seconds: int) -> str:
    """In days, where it is days."""
    days, rest = divmod(seconds, 86_400)
    return f"{seconds} seconds" if rest else f"{days} day{'' if days == 1 else 's'}"
