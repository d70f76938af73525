"""Requests of which a fifth comes twice, in each way in which a factory asks twice."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import grpc

from linecert.v1.signing_pb2 import SignDeviceRequest, SignDeviceResponse
from support.server import Caller, Refusal, ask, device_key

SAME_REQUEST: Final = "the same request"
ONE_BURST: Final = "the same request in one burst"
NEW_REQUEST_ID: Final = "the same device under another request_id"
OTHER_KEY: Final = "the same device with another key"
OTHER_DEVICE: Final = "the same key for another device"
OTHER_CASE: Final = "the same device in another case"

REFUSED_FOR: Final = {
    OTHER_KEY: "REGISTRATION_ID_TAKEN",
    OTHER_DEVICE: "PUBLIC_KEY_TAKEN",
    OTHER_CASE: "REGISTRATION_ID_CASE_DIFFERS",
}
"""Which reason the second of two gets; in the other ways it gets the first one's certificate."""

WAYS: Final = (SAME_REQUEST, ONE_BURST, NEW_REQUEST_ID, *REFUSED_FOR)

Outcome: TypeAlias = SignDeviceResponse | Refusal


@dataclass(slots=True)
class Wish:
    """One device, asked for once or twice.

    Attributes:
        way: in which it is asked for twice; None: it is not.
        requests: one or two.
        outcomes: what they were answered.
    """

    way: str | None
    requests: Sequence[SignDeviceRequest]
    outcomes: Sequence[Outcome] = ()

    @property
    def answers(self) -> list[SignDeviceResponse]:
        """The outcomes that are certificates."""
        return [outcome for outcome in self.outcomes if isinstance(outcome, SignDeviceResponse)]

    async def ask(self, callers: Sequence[Caller], source: random.Random) -> None:
        """Send the requests at the same moment, through different callers if not in one burst."""
        chosen = source.sample(callers, len(self.requests))
        if self.way == ONE_BURST:
            chosen = chosen[:1] * 2
        self.outcomes = await asyncio.gather(*map(outcome, chosen, self.requests))

    def check(self) -> None:
        """One certificate, the same in each answer; who asked for what cannot be is told so."""
        first, *others = sorted(self.answers, key=lambda answer: answer.replayed)
        assert not first.replayed
        for other in others:
            assert (other.replayed, other.issued, other.chain) == (True, first.issued, first.chain)
        refusals = [outcome.reason for outcome in self.outcomes if isinstance(outcome, Refusal)]
        assert refusals == ([REFUSED_FOR[self.way]] if self.way in REFUSED_FOR else [])

    async def check_again(self, callers: Sequence[Caller], source: random.Random) -> None:
        """Sent once more, each request is answered as before."""
        for request, before in zip(self.requests, self.outcomes, strict=True):
            again = await outcome(source.choice(callers), request)
            if isinstance(before, SignDeviceResponse):
                assert isinstance(again, SignDeviceResponse)
                assert (again.replayed, again.issued, again.chain) == (True, before.issued, before.chain)
            else:
                assert again == before


async def outcome(caller: Caller, request: SignDeviceRequest) -> Outcome:
    """What a request is answered."""
    try:
        return await caller.sign(request)
    except grpc.aio.AioRpcError as error:
        return Refusal.of(error)


def wishes(count: int) -> list[Wish]:
    """Wishes for so many devices; each fifth is asked for twice, in each way in turn."""
    made = []
    for number in range(count):
        device = f"device-{number}"
        way = None if number % 5 else WAYS[number // 5 % len(WAYS)]
        first = ask(device)
        made.append(Wish(way, [first] if way is None else [first, _second(way, device, first)]))
    return made


def _second(way: str, device: str, first: SignDeviceRequest) -> SignDeviceRequest:
    others = {
        NEW_REQUEST_ID: ask(device),
        OTHER_KEY: ask(device, key=device_key(f"another of {device}")),
        OTHER_DEVICE: ask(f"{device}-b", key=device_key(device)),
        OTHER_CASE: ask(device.upper()[:1] + device[1:], key=device_key(device)),
    }
    return others.get(way, first)
