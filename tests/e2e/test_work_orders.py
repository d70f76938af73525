"""Never more than ordered: whatever servers, crashes, repetitions and planners do at the same time."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import grpc
import pytest

from linecert.v1.issuance_pb2 import ReplacementReason
from linecert.v1.signing_pb2 import SignDeviceRequest, SignDeviceResponse
from linecert_service.domain.records import CertificateRecord, EventRecord
from support import audit_log
from support.audit_log import AuditLog
from support.databases import DATABASES, SQLITE, new_store
from support.fleet import fleet
from support.orders import Device, close_order, expect, get_order, open_order, reopen_order, update_order
from support.server import PLANNER, Caller, Refusal, ServerProcess, ask

SERVERS: Final = 8
CONNECTIONS: Final = 8
"""On SQLite, where one server has the file."""
DEVICES: Final = 100
CRASHES: Final = 4
ORDER, LISTED = "WO-17", "WO-18"
FIRST_QUANTITY: Final = 20
REPLACEMENT_LIMIT: Final = 5
LOST: Final = ReplacementReason.REPLACEMENT_REASON_LOST
REFUSALS: Final = {
    "WORK_ORDER_EXHAUSTED",
    "WORK_ORDER_CLOSED",
    "DEVICE_NOT_EXPECTED",
    "WORK_ORDER_REPLACEMENTS_EXHAUSTED",
    "NOTHING_TO_REPLACE",
    # Of the devices that are asked for under both orders.
    "REGISTRATION_ID_TAKEN",
}


@dataclass(slots=True)
class Replayed:
    """A work order as the log tells it, entry by entry."""

    quantity: int = 0
    replacement_limit: int = 0
    open: bool = False
    expected: int = 0
    devices: set[str] = field(default_factory=set)
    replacements: int = 0

    def certificate(self, record: CertificateRecord) -> None:
        """No certificate comes that the order did not allow at its place in the log."""
        if record.generation > 1:
            self.replacements += 1
            assert record.registration_key in self.devices
        else:
            assert self.open, record.log_index
            assert record.registration_key not in self.devices
            self.devices.add(record.registration_key)
        assert len(self.devices) <= self.quantity, record.log_index
        assert self.replacements <= self.replacement_limit, record.log_index

    def event(self, event: EventRecord) -> None:
        """Each change leads from the state before to another one."""
        detail = json.loads(event.detail or "{}")
        match event.kind:
            case "work_order_opened" | "work_order_reopened" | "work_order_closed":
                assert self.open == (event.kind == "work_order_closed")
                self.open = not self.open
            case "work_order_devices_imported":
                self.expected += int(detail["imported"])
                assert self.expected == int(detail["expected_devices"])
        if event.kind in {"work_order_opened", "work_order_updated"}:
            assert int(detail.get("quantity_before", self.quantity)) == self.quantity
            self.quantity = int(detail.get("quantity", self.quantity))
            self.replacement_limit = int(detail.get("replacement_limit", self.replacement_limit))
        assert len(self.devices) <= self.quantity


class Factory:
    """Stations and planners on all servers, who go on until they are answered.

    Attributes:
        answers: certificates that stations received.
        refused: the reasons that they got.
    """

    def __init__(self, servers: Sequence[ServerProcess], source: random.Random) -> None:
        self._stations = [servers[number % len(servers)].caller() for number in range(CONNECTIONS)]
        self._planners = [servers[number % len(servers)].caller(PLANNER) for number in range(CONNECTIONS)]
        self._source = source
        self.answers: list[SignDeviceResponse] = []
        self.refused: set[str] = set()

    async def make(self, device: str, order: str) -> None:
        """A device comes through: asked for twice at once, and later a third time and, perhaps, for a replacement."""
        request = ask(device, work_order=order)
        await asyncio.gather(*(self._sign(request) for _ in range(2)))
        await self._sign(request)
        if self._source.random() < 0.2:
            again = ask(device, replacement_reason=LOST)
            await asyncio.gather(*(self._sign(again) for _ in range(2)))

    async def plan(self, done: asyncio.Event) -> None:
        """Raise, lower, close and reopen the orders until `done`, and leave them open."""
        while not done.is_set():
            order = self._source.choice((ORDER, LISTED))
            stands = await self._asked(lambda planner, name=order: get_order(planner, name))
            quantity = max(1, stands.issued + self._source.randrange(-2, 12))
            await self._asked(lambda planner, name=order: close_order(planner, name))
            await self._asked(lambda planner, name=order, to=quantity: update_order(planner, name, quantity=to))
            await self._asked(lambda planner, name=order: reopen_order(planner, name))

    async def expect(self, devices: Sequence[str]) -> None:
        """Import the devices of an order, in pieces that overlap, as one who sends again would."""
        for start in range(0, len(devices), 10):
            part = [Device(registration_id=device) for device in devices[max(0, start - 5) : start + 10]]
            await self._asked(lambda planner, part=part: expect(planner, part, LISTED, each=3))

    async def open(self) -> None:
        """Open the orders."""
        for name in (ORDER, LISTED):
            await self._asked(
                lambda planner, name=name: open_order(
                    planner, name, quantity=FIRST_QUANTITY, replacement_limit=REPLACEMENT_LIMIT
                )
            )

    async def exhaust_and_close(self, name: str) -> None:
        """More than was first ordered, one more than that, and another one when it is closed."""
        stands = await self.look(name)
        quantity = max(stands.issued, FIRST_QUANTITY) + 1
        await self._asked(lambda planner: update_order(planner, name, quantity=quantity))
        for number in range(quantity - stands.issued + 1):
            await self.make(f"last-{number}", name)
        await self._asked(lambda planner: close_order(planner, name))
        await self.make("too-late", name)

    async def look(self, name: str) -> Any:
        """An order as it stands."""
        return await self._asked(lambda planner: get_order(planner, name))

    async def _sign(self, request: SignDeviceRequest) -> None:
        answer = await self._until_answered(self._stations, lambda station: station.sign(request))
        if isinstance(answer, SignDeviceResponse):
            self.answers.append(answer)
        else:
            self.refused.add(answer.reason)

    async def _asked(self, call: Callable[[Caller], Awaitable[Any]]) -> Any:
        answer = await self._until_answered(self._planners, call)
        assert not isinstance(answer, Refusal) or answer.reason == "WORK_ORDER_BELOW_ISSUED", answer
        return answer

    async def _until_answered(self, callers: Sequence[Caller], call: Callable[[Caller], Awaitable[Any]]) -> Any:
        """What a call is answered in the end, through whichever server: crashes are no answers."""
        while True:
            try:
                return await call(self._source.choice(callers))
            except grpc.aio.AioRpcError as error:
                refusal = Refusal.of(error)
                if refusal.status not in {"UNAVAILABLE", "CANCELLED", "DEADLINE_EXCEEDED"}:
                    return refusal
            await asyncio.sleep(0.05)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("database", DATABASES)
async def test_never_more_than_ordered(tmp_path: Path, database: str) -> None:
    """Eight servers on PostgreSQL, or one on SQLite, killed one after the other while planners change the orders.

    At each place of the log no more devices have a certificate than were ordered, none came while its order was
    closed, and replacements keep to their limit. In the end the counts are the distinct devices of the log, the devices
    that were expected are counted once, and nothing that was answered is missing.
    """
    source = random.Random(17)
    servers_wanted = 1 if database == SQLITE else SERVERS
    async with fleet(tmp_path, servers_wanted, new_store(database), 'replacement_reasons = ["LOST"]') as servers:
        factory = Factory(servers, source)
        await factory.open()
        devices = [f"device-{number}" for number in range(DEVICES)]
        listed = [f"listed-{number}" for number in range(DEVICES // 2)]
        done = asyncio.Event()
        planning = asyncio.ensure_future(factory.plan(done))
        await asyncio.gather(
            _some_at_a_time([lambda name=name: factory.make(name, ORDER) for name in devices]),
            _some_at_a_time([lambda name=name: factory.make(name, LISTED) for name in [*listed, *devices[:5]]]),
            factory.expect(listed),
            _crash(servers, source),
        )
        done.set()
        await planning
        await factory.exhaust_and_close(ORDER)
        stand = {name: await factory.look(name) for name in (ORDER, LISTED)}
    log = audit_log.verified(servers[0].installation)
    replayed = _replay(log)
    for name, order in stand.items():
        told = replayed[name]
        assert (order.issued, order.replacements) == (len(told.devices), told.replacements)
        assert (order.quantity, order.expected_devices) == (told.quantity, told.expected)
        assert order.issued <= order.quantity
    assert replayed[LISTED].expected == len(listed)
    assert replayed[LISTED].devices <= {*listed, *devices[:5]}
    assert {answer.issued.certificate for answer in factory.answers} <= {one.certificate for one in log.certificates}
    assert factory.refused <= REFUSALS
    # The test has tried what it claims.
    assert {"WORK_ORDER_EXHAUSTED", "WORK_ORDER_CLOSED"} <= factory.refused
    assert len(replayed[ORDER].devices) > FIRST_QUANTITY


def _replay(log: AuditLog) -> dict[str, Replayed]:
    """The orders, as the log tells them from its beginning to its end."""
    orders = {ORDER: Replayed(), LISTED: Replayed()}
    for entry in sorted([*log.certificates, *log.events], key=lambda entry: entry.log_index):
        if isinstance(entry, CertificateRecord):
            assert entry.work_order is not None
            orders[entry.work_order].certificate(entry)
        elif entry.kind.startswith("work_order_"):
            orders[json.loads(entry.detail or "{}")["work_order"]].event(entry)
    return orders


async def _crash(servers: Sequence[ServerProcess], source: random.Random) -> None:
    """Kill servers as a power cut would, one after the other, and start them again."""
    for _ in range(CRASHES):
        await asyncio.sleep(0.3)
        server = source.choice(servers)
        server.kill()
        await asyncio.to_thread(server.start)


async def _some_at_a_time(work: Sequence[Callable[[], Awaitable[None]]]) -> None:
    free = asyncio.Semaphore(12)

    async def one(job: Callable[[], Awaitable[None]]) -> None:
        async with free:
            await job()

    await asyncio.gather(*map(one, work))
