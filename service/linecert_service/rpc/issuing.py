"""How a request for a certificate is taken on, and what its answer says; of SignDevice and of each item of a batch."""

import asyncio
from typing import Final, Protocol

import structlog

from linecert.v1 import error_reason_pb2 as reasons
from linecert.v1.issuance_pb2 import IssuerChain
from linecert.v1.signing_pb2 import SignDeviceResponse
from linecert_service.domain.clock import Clock
from linecert_service.domain.errors import Refused, SignerUnavailable, StoreUnavailable
from linecert_service.domain.records import Issued, Recorded
from linecert_service.domain.requests import SignRequest
from linecert_service.issuance.pipeline import Answer, Job, Pipeline, Validated
from linecert_service.issuance.profiles import ProfileTable
from linecert_service.policy.stations import Station
from linecert_service.rpc.admission import Admission
from linecert_service.rpc.audit_trail import AuditTrail
from linecert_service.rpc.dispatch import Call
from linecert_service.rpc.messages import chain_message, issued_message, planned_message

REPLY_SECONDS: Final = 0.2
"""How long before its deadline a call is answered that has no answer yet, so that the caller learns why."""

ANSWER_SECONDS: Final = 0.001
"""More for each answer of a batch, which has to be written."""

MIN_SECONDS: Final = 0.01
"""With less time than this nothing is begun."""

_log = structlog.get_logger("linecert.issuance")


class IssuanceMeter(Protocol):
    """Is told what was answered."""

    def certificate_issued(self, issuer: str, profile: str, line: str, station: str) -> None:
        """A certificate was issued."""

    def request_replayed(self) -> None:
        """An earlier answer was given again."""


class Issuing:
    """Takes requests on, and makes messages of their answers.

    Args:
        pipeline: issues.
        admission: slots for requests.
        profiles: the profiles in force.
        clock: the time.
        meter: is told what was answered.
        trail: tells the log of repetitions.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        admission: Admission,
        *,
        profiles: ProfileTable,
        clock: Clock,
        meter: IssuanceMeter,
        trail: AuditTrail,
    ) -> None:
        self.admission = admission
        self._pipeline = pipeline
        self._clock = clock
        self._meter = meter
        self._trail = trail
        self._chains: dict[bytes, IssuerChain] = {}
        self._profiles = profiles

    def begin(self, request: SignRequest, call: Call) -> Job:
        """Take a request on. Its answer is there when it is finished, which may be later than the call.

        Raises:
            Refused: DEADLINE_TOO_SHORT, OVERLOADED, SHUTTING_DOWN: nothing was begun.
        """
        if call.deadline - self._clock.monotonic() < MIN_SECONDS:
            raise too_short()
        station = call.caller.station
        job = Job(request, call.caller, call.deadline)
        leave = self.admission.enter(station.name)

        def finished(answer: asyncio.Future[Answer]) -> None:
            leave()
            # A repetition that was only validated gave nobody anything.
            recorded = None if answer.exception() or request.validate_only else answer.result()
            if isinstance(recorded, Recorded):
                self._tell(recorded, station)

        # When the request is finished: the slot is held until then.
        job.answer.add_done_callback(finished)
        self._pipeline.submit(job)
        return job

    def reply_time(self, call: Call, answers: int = 1) -> float:
        """Until when so many answers may be waited for, on the loop's clock."""
        left = call.deadline - self._clock.monotonic()
        return asyncio.get_running_loop().time() + max(left - REPLY_SECONDS - answers * ANSWER_SECONDS, left / 2)

    def answer_to(self, job: Job) -> Answer:
        """The answer, as far as there is one.

        Raises:
            Refused: the request was refused, or has no answer yet.
        """
        if job.answer.done():
            return job.answer.result()
        if job.at_signer:
            raise SignerUnavailable("the certificate is not signed yet: send again with the same request_id")
        raise StoreUnavailable("the answer is not recorded yet: send again with the same request_id")

    def response(self, answer: Answer, station: Station, *, validate_only: bool) -> SignDeviceResponse:
        """The answer as a message, without its chain."""
        if isinstance(answer, Validated):
            return SignDeviceResponse(issued=planned_message(answer.claim))
        own = answer.issued.record.station == station.name
        issued = issued_message(answer.issued, self._clock.time(), traced=own)
        if validate_only:
            for field in ("certificate", "serial_number", "log_index"):
                issued.ClearField(field)
        return SignDeviceResponse(issued=issued, replayed=answer.replayed)

    def chain(self, issued: Issued) -> IssuerChain:
        """Its chain. Made once for each issuer: the store knows one chain of it, and no other."""
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
            issuer = self._profiles.issuer_name(record.issuer_sha256)
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


def too_short() -> Refused:
    """The refusal of what there is no time for."""
    return Refused(
        reasons.ERROR_REASON_DEADLINE_TOO_SHORT,
        "the deadline is too short for an answer: nothing was started; send again with a longer one and the same "
        "request_id",
        retry_after=1.0,
    )
