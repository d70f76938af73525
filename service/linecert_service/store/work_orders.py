"""Work orders in the store: changes go through the committer, reading past it. See `domain.ports.WorkOrders`."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from functools import partial
from typing import Final

from sqlalchemy import ColumnElement, func, or_, select

from linecert_service.domain.errors import Refused
from linecert_service.domain.work_orders import (
    ExpectedDevice,
    OrderChange,
    OrderChanged,
    OrderFilter,
    OrderOutcome,
    OrderPage,
    WorkOrder,
)
from linecert_service.store.backend import Backend
from linecert_service.store.committer import Committer
from linecert_service.store.readers import Readers
from linecert_service.store.rows import CLOSED, OPEN, work_order_of
from linecert_service.store.schema import EXPECTED_DEVICES, WORK_ORDERS

SCAN: Final = 10_000
"""How many orders a page looks at, whatever is wanted."""

PORTION: Final = 1_000
"""Expected devices at a time: some 140 KB as a message, and a few milliseconds of a reading thread."""

_O: Final = WORK_ORDERS.c
_E: Final = EXPECTED_DEVICES.c


class StoreWorkOrders:
    """The work orders of a store.

    Args:
        backend: the database.
        committer: makes the changes.
        readers: the threads that read.
    """

    def __init__(self, backend: Backend, committer: Committer, readers: Readers) -> None:
        self._backend = backend
        self._committer = committer
        self._readers = readers

    async def change(self, change: OrderChange, actor: str) -> OrderChanged:
        """Make a change; it is on disk when this returns."""
        answer: asyncio.Future[OrderOutcome] = asyncio.get_running_loop().create_future()

        def answered(outcome: OrderOutcome) -> None:
            # Who asked may be gone; the change is made all the same.
            if not answer.done():
                answer.set_result(outcome)

        self._committer.change(change, actor, answered)
        outcome = await answer
        if isinstance(outcome, Refused):
            raise outcome
        return outcome

    async def find(self, name: str) -> WorkOrder | None:
        """The order of this name."""
        return await self._readers.run(lambda: self._find(name))

    async def page(self, wanted: OrderFilter, after: str | None, size: int) -> OrderPage:
        """At most `size` orders behind the name `after`."""
        return await self._readers.run(lambda: self._page(wanted, after, size))

    async def newest_open(self, limit: int) -> Sequence[WorkOrder]:
        """At most `limit` open orders, those that were opened last."""
        return await self._readers.run(lambda: self._newest_open(limit))

    async def expected(self, name: str, after: str | None) -> AsyncGenerator[Sequence[ExpectedDevice], None]:
        """The devices that an order names, behind the key `after` and some at a time, each in its own transaction."""
        while portion := await self._readers.run(partial(self._expected, name, after)):
            yield portion
            if len(portion) < PORTION:
                return
            after = portion[-1].registration_key

    def _find(self, name: str) -> WorkOrder | None:
        with self._backend.engine.begin() as connection:
            row = connection.execute(select(WORK_ORDERS).where(_O.name == name)).first()
        return work_order_of(row) if row else None

    def _page(self, wanted: OrderFilter, after: str | None, size: int) -> OrderPage:
        looked_at = select(_O.name).where(*() if after is None else (_O.name > after,)).order_by(_O.name).limit(SCAN)
        query = select(WORK_ORDERS).where(_O.name.in_(looked_at), *self._conditions(wanted)).order_by(_O.name)
        with self._backend.engine.begin() as connection:
            orders = [work_order_of(row) for row in connection.execute(query.limit(size))]
            if len(orders) == size:
                return OrderPage(orders, orders[-1].name)
            names = looked_at.subquery().c.name
            count, reached = connection.execute(select(func.count(), func.max(names))).one()
        return OrderPage(orders, reached if count == SCAN else None)

    def _newest_open(self, limit: int) -> Sequence[WorkOrder]:
        query = select(WORK_ORDERS).where(_O.state == OPEN).order_by(_O.open_time.desc()).limit(limit)
        with self._backend.engine.begin() as connection:
            return [work_order_of(row) for row in connection.execute(query)]

    def _expected(self, name: str, after: str | None) -> Sequence[ExpectedDevice]:
        behind = () if after is None else (_E.registration_key > after,)
        query = select(_E.registration_key, _E.spki_sha256).where(_E.work_order == name, *behind)
        with self._backend.engine.begin() as connection:
            rows = connection.execute(query.order_by(_E.registration_key).limit(PORTION))
            return [ExpectedDevice(*row) for row in rows]

    def _conditions(self, wanted: OrderFilter) -> Iterator[ColumnElement[bool]]:
        if wanted.open is not None:
            yield _O.state == (OPEN if wanted.open else CLOSED)
        if wanted.line is not None:
            yield self._made_on(wanted.line)
        if wanted.visible is not None:
            yield self._made_on(wanted.visible.line)
            yield _O.profile.in_(wanted.visible.profiles)

    def _made_on(self, line: str) -> ColumnElement[bool]:
        # The names of lines have no character that JSON would escape, so the text between the quotes is one of them.
        return or_(_O.lines == "[]", self._backend.contains(_O.lines, f'"{line}"'))
