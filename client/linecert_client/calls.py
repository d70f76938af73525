"""What every method of the client stands on: connections, retries, and streams that go on where they broke off."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc

from linecert_client import retry, tls_probe
from linecert_client.channels import Server, Servers
from linecert_client.config import ClientConfig
from linecert_client.credentials import Credential
from linecert_client.refusals import refused
from linecert_client.tls_probe import Unreached

_Answer = TypeVar("_Answer")


class Calls:
    """The connections of a client. A context manager; safe for threads.

    Args:
        config: where the service is and which files to use.

    Attributes:
        credential: the client certificate in use.

    Raises:
        ConfigurationError: a file is missing or wrong.
        TlsError: the client certificate has expired.
    """

    def __init__(self, config: ClientConfig) -> None:
        self._config = config
        self.credential = Credential.load(config)
        self.credential.check_time()
        self._servers = Servers(config.addresses, self.credential)

    @classmethod
    def from_folder(cls, folder: Path | str) -> Self:
        """A client from a folder with `client.toml`, as `linecert-server init` and `station add` make it.

        Raises:
            ConfigurationError: `client.toml` or a file that it names is missing or wrong.
            TlsError: the client certificate has expired.
        """
        return cls(ClientConfig.from_folder(folder))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connections."""
        self._servers.close()

    def _call(
        self,
        method: Callable[[Server], Any],
        request: Any,
        deadline: float | None,
        request_id: str | None = None,
    ) -> Any:
        return retry.call(
            lambda timeout: _attempt(method(self._servers.next()), request, timeout),
            deadline=self._deadline(deadline),
            examine_transport=self._examine,
            request_id=request_id,
        )

    def _stream(
        self, method: Callable[[Server], Any], request: Callable[[], Any], deadline: float | None
    ) -> Iterator[Any]:
        """The messages of a stream, opened again when it breaks.

        Args:
            method: the stub's method.
            request: gives the request for what is still to come: it is asked again after the consumer has taken a
                message.
            deadline: seconds that may pass without a message.
        """
        attempts = retry.Attempts(self._deadline(deadline), self._examine)
        while True:
            went_on = False
            call = method(self._servers.next())(request(), timeout=attempts.timeout())
            try:
                for message in call:
                    went_on = True
                    yield message
            except grpc.RpcError as error:
                last = refused(error)
            else:
                return
            finally:
                call.cancel()
            if went_on:
                attempts = retry.Attempts(self._deadline(deadline), self._examine)
            # The time of an attempt ran out while messages came: nothing is wrong with the server.
            if not (went_on and last.status == "DEADLINE_EXCEEDED"):
                attempts.wait_after(last)

    def _deadline(self, deadline: float | None) -> float:
        return self._config.deadline if deadline is None else deadline

    def _examine(self, left: float) -> Unreached | None:
        return tls_probe.examine(self._config, self.credential, left)


def _attempt(method: Callable[..., _Answer], request: Any, timeout: float) -> _Answer:
    try:
        return method(request, timeout=timeout)
    except grpc.RpcError as error:
        raise refused(error) from error
