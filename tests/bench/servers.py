"""The servers that are measured, each a process of its own on the loopback."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from bench import echo
from bench.figures import ECHO, SERVICE
from linecert_service.installation.authorities import CaKeyType
from support.installations import Installation

_PROGRAM: Final = Path(sysconfig.get_path("scripts"), "linecert-server")
_ANY_PORT: Final = "127.0.0.1:0"
_PATIENCE_SECONDS: Final = 30.0
_LOG_TAIL: Final = 2000


@dataclass(frozen=True, slots=True)
class Target:
    """A server that runs.

    Attributes:
        name: SERVICE or ECHO.
        port: on the loopback, with mutual TLS.
        pid: its process.
        client: folder of the caller's certificate and key and the server's CA, as `init` makes it.
        metrics_port: on the loopback; None: it has no metrics.
        database_pid: the parent of the processes of its database; None: it has none of its own.
    """

    name: str
    port: int
    pid: int
    client: Path
    metrics_port: int | None = None
    database_pid: int | None = None


def install(folder: Path, issuer: CaKeyType) -> Installation:
    """An installation as an operator makes it; it takes ports that are free."""
    listen = (f"--{name}listen={_ANY_PORT}" for name in ("", "metrics-", "health-"))
    command = [str(_PROGRAM), "init", str(folder), "--name=bench", f"--key-type={issuer}", *listen]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return Installation(folder)


def copy(installation: Installation, folder: Path, store_url: str) -> Installation:
    """The same installation with another store; it has not been served yet."""
    shutil.copytree(installation.folder, folder)
    other = Installation(folder)
    other.edit('url = "sqlite:///linecert.db"', f'url = "{store_url}"')
    return other


@contextlib.contextmanager
def linecert_server(installation: Installation, database_pid: int | None = None) -> Iterator[Target]:
    """The service, as an operator runs it, with its log in a file.

    Args:
        installation: what it serves.
        database_pid: the parent of the processes of its database.

    Raises:
        RuntimeError: it did not start, or did not end well; with the end of its log.
    """
    log = installation.folder / "server.log"
    with log.open("wb") as stream:
        environment = os.environ | {"LINECERT_SERVER__METRICS_LISTEN": f"127.0.0.1:{(metrics := _free_port())}"}
        process = subprocess.Popen(
            [_PROGRAM, "serve", "--config", installation.config], stdout=stream, stderr=stream, env=environment
        )
    try:
        yield Target(SERVICE, _port(process, log), process.pid, _client(installation), metrics, database_pid)
    finally:
        process.terminate()
        status = process.wait(_PATIENCE_SECONDS)
    if status:
        raise _failure(f"the server ended with status {status}", log)


@contextlib.contextmanager
def echo_server(installation: Installation, response: bytes) -> Iterator[Target]:
    """A server that answers the same calls with `response`, and does nothing else."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=echo.serve, args=(installation.folder, response, theirs), daemon=True)
    process.start()
    if process.pid is None or not ours.poll(_PATIENCE_SECONDS):
        raise RuntimeError("the echo server did not start")
    try:
        yield Target(ECHO, ours.recv(), process.pid, _client(installation))
    finally:
        process.terminate()
        process.join()


def _client(installation: Installation) -> Path:
    return installation.layout.client("station-01")


def _port(process: "subprocess.Popen[bytes]", log: Path) -> int:
    """The port that the server's log names when it serves."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        # A line that is not whole yet is read the next time.
        for line in log.read_text().split("\n")[:-1]:
            if line.startswith("{") and (entry := json.loads(line))["event"] == "serving":
                return int(entry["port"])
        time.sleep(0.05)
    raise _failure("the server did not start", log)


def _free_port() -> int:
    """A port for the metrics: the server's log does not name the one that it took."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _failure(problem: str, log: Path) -> RuntimeError:
    return RuntimeError(f"{problem}; its log ends:\n{log.read_text()[-_LOG_TAIL:]}")
