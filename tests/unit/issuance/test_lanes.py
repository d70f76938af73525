"""What stands before threads: no more is handed over than can be worked on."""

import asyncio
from collections.abc import Sequence

from linecert_service.issuance.lanes import Lanes


class Workshop:
    """Work that a test lets end."""

    def __init__(self) -> None:
        self.begun: list[list[str]] = []
        self._open: list[asyncio.Future[None]] = []

    async def work(self, items: Sequence[str]) -> None:
        """Work on some items until the test says otherwise."""
        self.begun.append(list(items))
        done = asyncio.get_running_loop().create_future()
        self._open.append(done)
        await done

    def end(self) -> None:
        """End what began first."""
        self._open.pop(0).set_result(None)

    async def end_one(self) -> None:
        """End what began first, and let the lane go on."""
        self.end()
        await settle()


async def settle() -> None:
    """Let the event loop run what is ready."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_no_more_is_under_way_than_there_are_lanes() -> None:
    """What waits is taken by turns of the stations as lanes become free, and not before."""
    shop = Workshop()
    lanes = Lanes(shop.work, lanes=2)
    for number in range(6):
        lanes.put("flooder", f"f{number}")
    await settle()
    lanes.put("modest", "m0")
    assert shop.begun == [["f0"], ["f1"]]
    await shop.end_one()
    await shop.end_one()
    assert shop.begun[2:] == [["f2"], ["m0"]]
    for _ in range(5):
        await shop.end_one()
    assert [item for items in shop.begun for item in items] == ["f0", "f1", "f2", "m0", "f3", "f4", "f5"]


async def test_items_that_wait_go_together() -> None:
    """As many as one call takes."""
    shop = Workshop()
    lanes = Lanes(shop.work, lanes=1, together=3)
    for number in range(4):
        lanes.put("station", f"s{number}")
    await settle()
    await shop.end_one()
    assert shop.begun == [["s0", "s1", "s2"], ["s3"]]
    await shop.end_one()


async def test_what_comes_when_a_lane_has_just_ended_is_not_forgotten() -> None:
    """At no moment is an item neither taken nor somebody's to take."""
    shop = Workshop()
    lanes = Lanes(shop.work, lanes=1)
    for pauses in range(6):
        lanes.put("station", f"s{pauses}")
        await settle()
        shop.end()
        for _ in range(pauses):
            await asyncio.sleep(0)
    await settle()
    assert len(shop.begun) == 6
