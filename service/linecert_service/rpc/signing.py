"""SigningService: what stations call."""

import asyncio
from collections.abc import Mapping
from typing import Final, Protocol

import structlog
from google.protobuf.duration_pb2 import Duration

from linecert.v1 import error_reason_pb2 as reasons
from linecert.v1.issuance_pb2 import IssuerChain
from linecert.v1.options_pb2 import Role
from linecert.v1.signing_pb2 import (
    GetIssuersRequest,
    GetIssuersResponse,
    SignDeviceRequest,
    SignDeviceResponse,
)
from linecert_service.domain.clock import Clock
from linecert_service.domain.errors import Refused, StoreUnavailable
from linecert_service.domain.records import Issued, Recorded
from linecert_service.issuance.pipeline import Answer, Job, Pipeline, Validated
from linecert_service.issuance.profile import Profile
from linecert_service.policy.stations import Station
from linecert_service.rpc import fields
from linecert_service.rpc.admission import Admission
from linecert_service.rpc.audit_trail import AuditTrail
from linecert_service.rpc.dispatch import Call, Handler
from linecert_service.rpc.messages import chain_message, issued_message, planned_message

REPLY_SECONDS: Final = 0.2
"""How long before its deadline a call is answered that has no answer yet, so that the caller learns why."""

MIN_SECONDS: Final = 0.01
"""With less time than this nothing is begun."""

_log = structlog.get_logger("linecert.issuance")


class IssuanceMeter(Protocol):
    """Is told what was answered."""

    def certificate_issued(self, issuer: str, profile: str, line: str, station: str) -> None:
        """A certificate was issued."""

    def request_replayed(self) -> None:
        """An earlier answer was given again."""


class SigningHandlers:
    """The methods of SigningService.

    Args:
        pipeline: issues.
        admission: slots for requests.
        profiles: the profiles by name.
        clock: the time.
        meter: is told what was answered.
        trail: tells the log of repetitions.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        admission: Admission,
        *,
        profiles: Mapping[str, Profile],
        clock: Clock,
        meter: IssuanceMeter,
        trail: AuditTrail,
    ) -> None:
        self._pipeline = pipeline
        self._admission = admission
        self._profiles = profiles
        self._clock = clock
        self._meter = meter
        self._trail = trail
        self._chains: dict[bytes, IssuerChain] = {}
        self._issuer_names = {profile.issuer.sha256: profile.issuer.name for profile in profiles.values()}

    def by_method(self) -> dict[str, Handler]:
        """The handlers by method name."""
        return {"SignDevice": self.sign_device, "GetIssuers": self.get_issuers}

    async def sign_device(self, message: SignDeviceRequest, call: Call) -> SignDeviceResponse:
        """Issue one device certificate."""
        request = fields.sign_request(message)
        if call.deadline - self._clock.monotonic() < MIN_SECONDS:
            raise _too_short()
        job = Job(request, call.caller, call.deadline)
        leave = self._admission.enter(call.caller.station.name)

        def finished(answer: asyncio.Future[Answer]) -> None:
            leave()
            # A repetition that was only validated gave nobody anything.
            recorded = None if answer.exception() or request.validate_only else answer.result()
            if isinstance(recorded, Recorded):
                self._tell(recorded, call.caller.station)

        # When the request is finished, which may be later than the call: the slot is held until then.
        job.answer.add_done_callback(finished)
        self._pipeline.submit(job)
        return self._response(await self._answer(job, call), call, validate_only=request.validate_only)

    async def get_issuers(self, _message: GetIssuersRequest, call: Call) -> GetIssuersResponse:
        """The chains, and what the caller may ask for."""
        station = call.caller.station
        only_station = station.roles == {Role.ROLE_STATION}
        profiles = [profile for name, profile in self._profiles.items() if not only_station or name in station.profiles]
        issuers = {profile.issuer.sha256: profile.issuer for profile in profiles}
        return GetIssuersResponse(
            chains=[chain_message(issuer.chain_der, sha256) for sha256, issuer in issuers.items()],
            profiles=[_profile_message(profile, self._clock.time()) for profile in profiles],
            station=station.name,
            line=station.line,
        )

    async def _answer(self, job: Job, call: Call) -> Answer:
        left = call.deadline - self._clock.monotonic()
        if not await _done_within(job.answer, max(left - REPLY_SECONDS, left / 2)):
            raise StoreUnavailable("the answer is not recorded yet: send again with the same request_id")
        return job.answer.result()

    def _response(self, answer: Answer, call: Call, *, validate_only: bool) -> SignDeviceResponse:
        if isinstance(answer, Validated):
            return SignDeviceResponse(issued=planned_message(answer.claim))
        own = answer.issued.record.station == call.caller.station.name
        issued = issued_message(answer.issued, self._clock.time(), traced=own)
        if validate_only:
            for field in ("certificate", "serial_number", "log_index"):
                issued.ClearField(field)
        return SignDeviceResponse(
            issued=issued,
            chain=self._chain(answer.issued),
            replayed=answer.replayed,
        )

    def _chain(self, issued: Issued) -> IssuerChain:
        """Made once for each issuer: the store knows one chain of it, and no other."""
        sha256 = issued.record.issuer_sha256
        if sha256 not in self._chains:
            self._chains[sha256] = chain_message(issued.chain, sha256)
        return self._chains[sha256]

    def _tell(self, answer: Recorded, station: Station) -> None:
        record = answer.issued.record
        if answer.replayed:
            self._meter.request_replayed()
            self._trail.replayed(station, record)
        else:
            issuer = self._issuer_names.get(record.issuer_sha256, "")
            self._meter.certificate_issued(issuer, record.profile, record.line, record.station)
        _log.info(
            "replayed" if answer.replayed else "issued",
            registration_id=record.registration_id,
            serial_number=record.serial.hex(),
            log_index=record.log_index,
            station=record.station,
            line=record.line,
            work_order=record.work_order,
            profile=record.profile,
            generation=record.generation,
        )


async def _done_within(answer: asyncio.Future[Answer], seconds: float) -> bool:
    """Wait for an answer without awaiting it: a call that is cancelled must not cancel what was taken on."""
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()

    def wake(*_: object) -> None:
        if not waiter.done():
            waiter.set_result(None)

    answer.add_done_callback(wake)
    timer = loop.call_later(seconds, wake)
    try:
        await waiter
    finally:
        timer.cancel()
        answer.remove_done_callback(wake)
    return answer.done()


def _too_short() -> Refused:
    return Refused(
        reasons.ERROR_REASON_DEADLINE_TOO_SHORT,
        "the deadline is too short for an answer: nothing was started; send again with a longer one and the same "
        "request_id",
        retry_after=1.0,
    )


def _profile_message(profile: Profile, now: float) -> GetIssuersResponse.Profile:
    fixed = max(0, (profile.not_after or 0) - int(now))
    return GetIssuersResponse.Profile(
        name=profile.name,
        issuer_certificate_sha256=profile.issuer.sha256.hex(),
        validity=Duration(seconds=profile.validity or fixed),
        max_validity=Duration(seconds=profile.max_validity or fixed),
        key_types=profile.key_types,
    )
