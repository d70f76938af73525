"""Many threads inside, or one alone."""

import contextlib
import threading
from collections.abc import Iterator


class Busy(Exception):
    """Whoever is inside did not leave in time."""


class Turns:
    """Lets threads work side by side, and one be alone when it must."""

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._inside = 0
        self._taken = False

    @contextlib.contextmanager
    def shared(self, patience: float) -> Iterator[None]:
        """Be inside with others.

        Raises:
            Busy: one that is alone has not left within `patience` seconds.
        """
        with self._turn:
            self._wait(patience)
            self._inside += 1
        try:
            yield
        finally:
            with self._turn:
                self._inside -= 1
                self._turn.notify_all()

    @contextlib.contextmanager
    def alone(self, patience: float) -> Iterator[None]:
        """Be inside alone; nobody enters meanwhile.

        Raises:
            Busy: the others have not left within `patience` seconds.
        """
        with self._turn:
            self._wait(patience)
            self._taken = True
            if not self._turn.wait_for(lambda: not self._inside, patience):
                self._leave()
                raise Busy
        try:
            yield
        finally:
            with self._turn:
                self._leave()

    def _wait(self, patience: float) -> None:
        if not self._turn.wait_for(lambda: not self._taken, patience):
            raise Busy

    def _leave(self) -> None:
        self._taken = False
        self._turn.notify_all()
