"""What a station may ask for, judged before anything is built or signed."""

from linecert.v1 import error_reason_pb2 as reasons
from linecert_service.domain.errors import Refused
from linecert_service.domain.requests import SignRequest
from linecert_service.policy.stations import Station


def profile_for(station: Station, asked: str | None) -> str:
    """The name of the profile that a request gets.

    Raises:
        Refused: PROFILE_NOT_ALLOWED.
    """
    name = asked if asked is not None else station.default_profile
    if name is None:
        raise Refused(
            reasons.ERROR_REASON_PROFILE_NOT_ALLOWED,
            f"station {station.name} has no default profile: name one of {_listed(station)}"
            if station.profiles
            else f"station {station.name} has no profiles: add some to its entry in stations.toml",
            field="profile",
        )
    if name not in station.profiles:
        raise Refused(
            reasons.ERROR_REASON_PROFILE_NOT_ALLOWED,
            f"the profile asked for is not one of {station.name}'s: {_listed(station)}",
            field="profile",
        )
    return name


def check_request(station: Station, request: SignRequest, registration_id: str) -> None:
    """Whether the station may make this request for this device.

    Raises:
        Refused: REGISTRATION_ID_NOT_ALLOWED, WORK_ORDER_REQUIRED or REPLACEMENT_NOT_ALLOWED.
    """
    if not station.registration_id_patterns.allow(registration_id):
        raise Refused(
            reasons.ERROR_REASON_REGISTRATION_ID_NOT_ALLOWED,
            f"station {station.name} may not issue for this registration ID: see registration_id_patterns of its entry "
            "in stations.toml",
            field="csr",
        )
    if station.work_order_required and request.work_order is None:
        raise Refused(
            reasons.ERROR_REASON_WORK_ORDER_REQUIRED,
            f"station {station.name} issues for work orders only: name the one that the device is made for",
            field="work_order",
        )
    if request.replacement_reason is not None and request.replacement_reason not in station.replacement_reasons:
        raise Refused(
            reasons.ERROR_REASON_REPLACEMENT_NOT_ALLOWED,
            f"station {station.name} may not replace a certificate for the reason {request.replacement_reason}: "
            "see replacement_reasons of its entry in stations.toml",
            field="replacement_reason",
        )


def _listed(station: Station) -> str:
    return ", ".join(station.profiles) or "none"
