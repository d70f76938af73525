"""SigningService, but for batches: what stations call."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from google.protobuf.duration_pb2 import Duration

from linecert.v1.options_pb2 import Role
from linecert.v1.signing_pb2 import (
    GetIssuersRequest,
    GetIssuersResponse,
    SignDeviceRequest,
    SignDeviceResponse,
)
from linecert_service.domain.clock import Clock
from linecert_service.domain.records import Recorded
from linecert_service.issuance.issuer import Issuer
from linecert_service.issuance.profile import Profile
from linecert_service.rpc import fields
from linecert_service.rpc.dispatch import Call, Handler
from linecert_service.rpc.issuing import Issuing
from linecert_service.rpc.messages import chain_message
from linecert_service.rpc.under_way import UnderWay


class SigningHandlers:
    """SignDevice and GetIssuers.

    Args:
        issuing: takes requests on.
        profiles: the profiles by name.
        clock: the time.
        known: gives the chains of all issuers that have signed, by certificate hash.
    """

    def __init__(
        self,
        issuing: Issuing,
        profiles: Mapping[str, Profile],
        clock: Clock,
        known: Callable[[], Mapping[bytes, Sequence[bytes]]],
    ) -> None:
        self._issuing = issuing
        self._known = known
        self._profiles = profiles
        self._clock = clock

    def by_method(self) -> dict[str, Handler]:
        """The handlers by method name."""
        return {"SignDevice": self.sign_device, "GetIssuers": self.get_issuers}

    async def sign_device(self, message: SignDeviceRequest, call: Call) -> SignDeviceResponse:
        """Issue one device certificate."""
        request = fields.sign_request(message)
        job = self._issuing.begin(request, call)
        under_way = UnderWay()
        under_way.add(job.answer)
        await under_way.at_most(0, self._issuing.reply_time(call))
        answer = self._issuing.answer_to(job)
        response = self._issuing.response(answer, call.caller.station, validate_only=request.validate_only)
        if isinstance(answer, Recorded):
            response.chain.CopyFrom(self._issuing.chain(answer.issued))
        return response

    async def get_issuers(self, _message: GetIssuersRequest, call: Call) -> GetIssuersResponse:
        """The chains, also of issuers that are staged to follow, and what the caller may ask for.

        Who sees what others issued gets the chains of issuers before, too: old certificates are verified by them.
        """
        station = call.caller.station
        only_station = station.roles == {Role.ROLE_STATION}
        profiles = [profile for name, profile in self._profiles.items() if not only_station or name in station.profiles]
        now = self._clock.time()
        chains: dict[bytes, Sequence[bytes]] = {each.sha256: each.chain_der for each in _issuers(profiles, now)}
        if not only_station:
            chains.update(self._known())
        return GetIssuersResponse(
            chains=[chain_message(chain, sha256) for sha256, chain in chains.items()],
            profiles=[_profile_message(profile.at(now), now) for profile in profiles],
            station=station.name,
            line=station.line,
        )


def _issuers(profiles: Sequence[Profile], now: float) -> Iterable[Issuer]:
    """Those that sign; behind them those that are to follow, which DPS has to know before."""
    signing = {profile.at(now).issuer.sha256: profile.at(now).issuer for profile in profiles}
    staged = {issuer.sha256: issuer for profile in profiles for issuer in profile.issuers_from(now)}
    return {**signing, **staged}.values()


def _profile_message(profile: Profile, now: float) -> GetIssuersResponse.Profile:
    fixed = max(0, (profile.not_after or 0) - int(now))
    return GetIssuersResponse.Profile(
        name=profile.name,
        issuer_certificate_sha256=profile.issuer.sha256.hex(),
        validity=Duration(seconds=profile.validity or fixed),
        max_validity=Duration(seconds=profile.max_validity or fixed),
        key_types=profile.key_types,
    )
