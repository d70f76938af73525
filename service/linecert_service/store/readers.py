"""The threads that read: the event loop never waits for the database."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from linecert_service.domain.errors import StoreUnavailable

READERS: Final = 5

_T = TypeVar("_T")


class Readers:
    """A few threads in which queries run.

    Args:
        engine: the database's, for the errors of its driver.
    """

    def __init__(self, engine: Engine) -> None:
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")
        self._errors: tuple[type[Exception], ...] = (SQLAlchemyError, engine.dialect.loaded_dbapi.Error)

    async def run(self, query: Callable[[], _T]) -> _T:
        """The result of `query`, which runs in one of the threads.

        Raises:
            StoreUnavailable: the database does not answer; the cause is chained.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, query)
        except self._errors as error:
            raise StoreUnavailable("the audit store does not answer; send again") from error

    def close(self) -> None:
        """Wait for what runs, and end the threads."""
        self._threads.shutdown(cancel_futures=True)
