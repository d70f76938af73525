"""BatchSignDevices: many requests in one call, each of which succeeds or fails by itself."""

from typing import Final, TypeAlias

import structlog
from google.protobuf.descriptor import MethodDescriptor
from google.rpc import code_pb2, status_pb2

from linecert.v1 import error_reason_pb2 as reasons
from linecert.v1 import signing_pb2
from linecert.v1.issuance_pb2 import IssuerChain
from linecert.v1.signing_pb2 import BatchSignDevicesRequest, BatchSignDevicesResponse, SignDeviceRequest
from linecert_service.domain.errors import Refused
from linecert_service.domain.records import Recorded
from linecert_service.issuance.pipeline import MAX_BURST, Job
from linecert_service.policy.stations import Station
from linecert_service.rpc import fields
from linecert_service.rpc.dispatch import INTERNAL_MESSAGE, Call, Handler
from linecert_service.rpc.errors import status_of
from linecert_service.rpc.issuing import Issuing, too_short
from linecert_service.rpc.rejections import Rejections, named
from linecert_service.rpc.under_way import UnderWay

MAX_BATCH: Final = 500

WINDOW: Final = 2 * MAX_BURST
"""How many requests of a batch are under way at once: one burst is recorded while the next one is signed."""

_METHOD: Final[MethodDescriptor] = signing_pb2.DESCRIPTOR.services_by_name["SigningService"].methods_by_name[
    "BatchSignDevices"
]
_log = structlog.get_logger("linecert.rpc")


_Item: TypeAlias = Job | Refused


class BatchHandlers:
    """BatchSignDevices.

    Args:
        issuing: takes requests on.
        rejections: is told of each item that is refused.
    """

    def __init__(self, issuing: Issuing, rejections: Rejections) -> None:
        self._issuing = issuing
        self._rejections = rejections

    def by_method(self) -> dict[str, Handler]:
        """The handlers by method name."""
        return {"BatchSignDevices": self.batch_sign_devices}

    async def batch_sign_devices(self, message: BatchSignDevicesRequest, call: Call) -> BatchSignDevicesResponse:
        """Issue for up to 500 devices. Only the batch's own size is a refusal of the call."""
        _check_size(message)
        under_way = UnderWay()
        end = self._issuing.reply_time(call, len(message.requests))
        items = [await self._begin(item, call, under_way, end) for item in message.requests]
        await under_way.at_most(0, end)
        chains: dict[str, IssuerChain] = {}
        results = [
            self._result(request, item, call, chains) for request, item in zip(message.requests, items, strict=True)
        ]
        return BatchSignDevicesResponse(results=results, chains=chains.values())

    async def _begin(self, message: SignDeviceRequest, call: Call, under_way: UnderWay, end: float) -> _Item:
        try:
            request = fields.sign_request(message)
            await self._slot(call, under_way, end)
            job = self._issuing.begin(request, call)
        except Refused as refused:
            return refused
        under_way.add(job.answer)
        return job

    async def _slot(self, call: Call, under_way: UnderWay, end: float) -> None:
        """Wait until the next request may begin, until `end` on the loop's clock.

        Raises:
            Refused: DEADLINE_TOO_SHORT: the call's time is up before.
        """
        if not await under_way.at_most(WINDOW - 1, end):
            raise too_short()
        if not await self._issuing.admission.room(call.caller.station.name, end):
            raise too_short()

    def _result(
        self, request: SignDeviceRequest, item: _Item, call: Call, chains: dict[str, IssuerChain]
    ) -> BatchSignDevicesResponse.Result:
        station = call.caller.station
        if isinstance(item, Refused):
            return self._refused(request, item, station)
        try:
            answer = self._issuing.answer_to(item)
            response = self._issuing.response(answer, station, validate_only=item.request.validate_only)
        except Refused as refused:
            return self._refused(request, refused, station)
        except Exception:  # noqa: BLE001 - as for a call: this item gets a status, the others go on
            _log.exception("item failed", method=_METHOD.name, station=station.name)
            return BatchSignDevicesResponse.Result(
                error=status_pb2.Status(code=code_pb2.INTERNAL, message=INTERNAL_MESSAGE)
            )
        if isinstance(answer, Recorded):
            chain = self._issuing.chain(answer.issued)
            chains[chain.issuer_certificate_sha256] = chain
        return BatchSignDevicesResponse.Result(response=response)

    def _refused(
        self, request: SignDeviceRequest, refused: Refused, station: Station
    ) -> BatchSignDevicesResponse.Result:
        self._rejections.tell(refused, _METHOD, station, named(station) | fields.request_facts(request, refused))
        return BatchSignDevicesResponse.Result(error=status_of(refused))


def _check_size(message: BatchSignDevicesRequest) -> None:
    if len(message.requests) > MAX_BATCH:
        raise Refused(
            reasons.ERROR_REASON_BATCH_TOO_LARGE,
            f"the batch has {len(message.requests)} requests, at most {MAX_BATCH} are taken: send several batches",
            field="requests",
        )
