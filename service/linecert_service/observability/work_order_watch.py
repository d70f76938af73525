"""Shows how far the open work orders are: read from the store now and then, never on the way of a certificate."""

import asyncio
from typing import Final

import structlog

from linecert_service.domain.errors import Refused
from linecert_service.domain.ports import WorkOrders
from linecert_service.observability.metrics import MAX_WORK_ORDERS, Metrics

REFRESH_SECONDS: Final = 10.0

_log = structlog.get_logger("linecert.work_orders")


class WorkOrderWatch:
    """Reads the open work orders again and again.

    Args:
        orders: the work orders.
        metrics: where they are shown.
    """

    def __init__(self, orders: WorkOrders, metrics: Metrics) -> None:
        self._orders = orders
        self._metrics = metrics

    async def run(self) -> None:
        """Look until the task is cancelled."""
        while True:
            try:
                await self.look()
            except Refused:
                # The store does not answer, or has more to do than it can: what was seen last is shown meanwhile.
                _log.debug("work orders not read")
            except Exception:  # noqa: BLE001 - whatever it is, the next look may do better
                _log.exception("work orders not read")
            await asyncio.sleep(REFRESH_SECONDS)

    async def look(self) -> None:
        """Look once.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        self._metrics.show_work_orders(await self._orders.newest_open(MAX_WORK_ORDERS))
