"""The threads that read: the event loop never waits for the database."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from linecert.v1 import error_reason_pb2 as reasons
from linecert_service.domain.errors import RETRY_AFTER_SECONDS, Refused, StoreUnavailable

_T = TypeVar("_T")


class Readers:
    """A few threads in which queries run.

    Args:
        engine: the database's.
        threads: how many.
        limit: how many queries may run and wait at once; None: any number.

    Attributes:
        errors: what a database that does not answer raises: SQLAlchemy's errors and its driver's.
    """

    def __init__(self, engine: Engine, threads: int, limit: int | None = None) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="store-reader")
        self._limit = limit
        self._pending = 0
        self.errors: tuple[type[Exception], ...] = (SQLAlchemyError, engine.dialect.loaded_dbapi.Error)

    async def run(self, query: Callable[[], _T]) -> _T:
        """The result of `query`, which runs in one of the threads.

        Raises:
            StoreUnavailable: the database does not answer; the cause is chained.
            Refused: OVERLOADED, as many queries wait as may.
        """
        if self._limit is not None and self._pending >= self._limit:
            raise Refused(
                reasons.ERROR_REASON_OVERLOADED,
                "the server has as many audit requests as it takes at once: send again",
                retry_after=RETRY_AFTER_SECONDS,
            )
        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, query)
        except self.errors as error:
            raise StoreUnavailable("the audit store does not answer; send again") from error
        finally:
            self._pending -= 1

    def close(self) -> None:
        """Wait for what runs, and end the threads."""
        self._threads.shutdown(cancel_futures=True)
