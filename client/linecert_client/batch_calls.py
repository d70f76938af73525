"""The client's batch: any number of requests over BatchSignDevices, a few calls in flight at once."""

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from linecert_client import batch_sender
from linecert_client.batch_sender import Outcome, Sender
from linecert_client.calls import Calls
from linecert_client.device_requests import DeviceRequest
from linecert_client.progress import Progress, silent

CALLS_IN_FLIGHT: Final = 2
"""While the service answers one call, it has the next one to work on."""
MOST_CALLS_IN_FLIGHT: Final = 16


class BatchCalls(Calls):
    """Asks for many certificates."""

    def sign_batch(
        self,
        requests: Iterable[DeviceRequest],
        *,
        deadline: float | None = None,
        progress: Progress = silent,
        parallel: int = CALLS_IN_FLIGHT,
    ) -> Generator[Outcome, None, None]:
        """Ask for any number of device certificates; each succeeds or is refused by itself.

        Requests are read as they are needed and sent in calls of at most 500. What may be sent again (UNAVAILABLE,
        RESOURCE_EXHAUSTED with a time, a call without an answer) is sent again with the same request_id: a lost answer
        never makes a second certificate. So is the whole batch, after an error or a crash, with the request_ids that
        it had.

        Args:
            requests: what is asked for; a private key in a CSR is found out and not sent.
            deadline: seconds for which a call goes on trying without any outcome; each outcome starts them anew.
            progress: is told how many more have their outcome.
            parallel: calls in flight at once, 1 to 16.

        Yields:
            For each request, in order: `IssuedDevice`, or `Refused`. A refusal with the action `retry` was not cured
            before the deadline.

        Raises:
            ValueError: `parallel` is out of range.
            Refused: the service refuses the caller, or everything that is sent, until the deadline.
            TlsError: TLS itself fails.
            Unavailable: for the whole deadline no server could serve a call.
            DeadlineExceeded: for the whole deadline a call had no answer.
        """
        if parallel not in range(1, MOST_CALLS_IN_FLIGHT + 1):
            raise ValueError(f"parallel must be 1 to {MOST_CALLS_IN_FLIGHT}")
        sender = Sender(self._servers, self._deadline(deadline), self._examine)
        pool = ThreadPoolExecutor(parallel, thread_name_prefix="linecert-batch")
        under_way: deque[Future[list[Outcome]]] = deque()
        try:
            for portion in batch_sender.portions(requests):
                under_way.append(pool.submit(sender.send, portion))
                # One more than are in flight: it waits for its turn while the next portion is read.
                while under_way and (len(under_way) > parallel or under_way[0].done()):
                    yield from _told(under_way.popleft().result(), progress)
            while under_way:
                yield from _told(under_way.popleft().result(), progress)
        finally:
            sender.stop()
            pool.shutdown(cancel_futures=True)


def _told(outcomes: list[Outcome], progress: Progress) -> list[Outcome]:
    progress(len(outcomes))
    return outcomes
