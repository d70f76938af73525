"""The double's process: a proxy that is at the same time where its connections lead. Started by `double.py`.

    CONNECT HOST:443     then TLS and HTTP as HOST: the vault, or Entra ID
    GET /metadata/...    the instance metadata service
    POST /double         the test's own: sets what goes wrong, and answers what was seen

Prints its port, then runs until its standard input ends.
"""

import asyncio
import contextlib
import json
import ssl
import sys
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

if not __package__:
    # Run as a script: the modules beside it are the package `support.key_vault`.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from support.key_vault.entra import LOGIN_HOST, Entra
from support.key_vault.model import VAULT_HOST, Answer, Key, Vault

_REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    429: "Throttled",
}
_CUT: Final = None


class Request:
    """A request as it came."""

    def __init__(self, head: bytes) -> None:
        start, *lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = start.split(" ", 2)
        self.headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)
        }
        self.body = b""
        parts = urlsplit(self.target)
        self.path, self.query = parts.path, dict(parse_qsl(parts.query))

    @property
    def form(self) -> dict[str, str]:
        """The body as a form."""
        return dict(parse_qsl(self.body.decode()))


class Double:
    """Serves connections."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._entra = Entra(**settings["entra"])
        self._vault = Vault([Key.of(fields) for fields in settings["keys"]], self._entra)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(settings["certificate"])
        self._writers: set[asyncio.StreamWriter] = set()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection until it ends."""
        self._writers.add(writer)
        # A connection that is open when the double ends is cancelled, which is no news.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            await self._serve(reader, writer)
        self._writers.discard(writer)
        with contextlib.suppress(OSError, ssl.SSLError):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host = ""
        while True:
            request = Request(await reader.readuntil(b"\r\n\r\n"))
            if request.method == "CONNECT":
                host = request.target.removesuffix(":443")
                if host not in {VAULT_HOST, LOGIN_HOST} or self._unreachable(host):
                    return
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await writer.drain()
                await writer.start_tls(self._tls)
                continue
            request.body = await reader.readexactly(int(request.headers.get("content-length", "0")))
            answer = await self._answer(host, request)
            if answer is _CUT:
                writer.transport.abort()
                return
            octets = _http(answer)
            if host == VAULT_HOST and answer.status == 200 and self._vault.faults.cut_off:
                writer.write(octets[:-1])
                await writer.drain()
                return
            writer.write(octets)
            await writer.drain()

    def _unreachable(self, host: str) -> bool:
        return self._vault.faults.refuse if host == VAULT_HOST else not self._entra.working

    async def _answer(self, host: str, request: Request) -> Answer | None:
        if host == VAULT_HOST:
            return await self._of_vault(request)
        if host == LOGIN_HOST:
            if self._entra.hanging:
                await asyncio.sleep(3_600)
            return (
                _CUT
                if not self._entra.working
                else Answer(*self._entra.answer(request.method, request.path, request.form))
            )
        if request.path.startswith("/metadata/identity/oauth2/token"):
            return Answer(*self._entra.instance_metadata(request.query))
        if request.path == "/double":
            return Answer(200, self._control(json.loads(request.body)))
        return Answer(404, {})

    async def _of_vault(self, request: Request) -> Answer | None:
        faults = self._vault.faults
        if faults.refuse or faults.reset:
            return _CUT
        if faults.hang:
            await asyncio.sleep(3_600)
        answer = self._vault.answer(request.method, request.path, request.query, request.headers, request.body)
        await asyncio.sleep(faults.latency)
        lost = faults.lose_replies and answer.status == 200 and request.method == "POST"
        return _CUT if lost else answer

    def _control(self, wanted: dict[str, Any]) -> dict[str, Any]:
        for name, value in wanted.get("faults", {}).items():
            setattr(self._vault.faults, name, value)
        for name, value in wanted.get("key", {}).items():
            for key in self._vault.keys:
                setattr(key, name, value)
        for name, value in wanted.get("entra", {}).items():
            setattr(self._entra, name, value)
        if wanted.get("revoke"):
            self._entra.revoke_all()
        if self._vault.faults.refuse:
            for writer in self._writers:
                if writer.get_extra_info("ssl_object"):
                    writer.transport.abort()
        if wanted.get("forget"):
            self._vault.peak = 0
            self._vault.seen.clear()
        return {"seen": dict(self._vault.seen), "peak": self._vault.peak, "tokens": dict(self._entra.given)}


def _http(answer: Answer) -> bytes:
    body = answer.encoded()
    lines = [
        f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, 'Error')}",
        "Content-Type: application/json; charset=utf-8",
        f"Content-Length: {len(body)}",
        "x-ms-keyvault-service-version: 1.9.0.1",
        *(f"{name}: {value}" for name, value in answer.headers.items()),
    ]
    return "\r\n".join((*lines, "", "")).encode() + body


async def _main(settings: dict[str, Any]) -> None:
    double = Double(settings)
    server = await asyncio.start_server(double.connected, "127.0.0.1", 0, backlog=256)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(_main(json.loads(sys.argv[1])))
