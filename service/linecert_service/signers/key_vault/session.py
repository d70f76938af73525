"""Requests to one host, for Azure's SDK: a third of what it takes the SDK to ask for a signature is saved here."""

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from requests import Request, Response, Session
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3 import Timeout
from urllib3.connection import HTTPConnection


class HostSession(Session):
    """A session of `requests` that knows one host.

    What the environment says of it (HTTPS_PROXY, REQUESTS_CA_BUNDLE) is looked up once; cookies, redirects and netrc
    are left out. Any thread may use it.

    Args:
        url: of the host.
        connections: how many are kept.
    """

    def __init__(self, url: str, connections: int) -> None:
        super().__init__()
        self._adapter = _Adapter(pool_connections=1, pool_maxsize=connections, max_retries=0)
        self._prepared = Request("GET", url).prepare()
        bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
        self._pool = self._adapter.get_connection_with_tls_context(
            self._prepared, verify=bundle or True, proxies=get_environ_proxies(url)
        )

    def request(  # type: ignore[override]  # the SDK gives no more than these
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        data: Any,
        timeout: tuple[float, float],
        **_options: Any,
    ) -> Response:
        """Send a request.

        Args:
            method: of HTTP.
            url: on the host.
            headers: all of them.
            data: the body; None without one.
            timeout: seconds to connect, and to wait for octets.

        Raises:
            urllib3.exceptions.HTTPError: there is no answer.
        """
        parts = urlsplit(url)
        raw = self._pool.urlopen(
            method,
            f"{parts.path}?{parts.query}",
            body=data,
            headers=headers,
            retries=False,
            redirect=False,
            timeout=Timeout(connect=timeout[0], read=timeout[1]),
            preload_content=False,
            decode_content=False,
        )
        return self._adapter.build_response(self._prepared, raw)

    def close(self) -> None:
        """Close the connections."""
        self._adapter.close()
        super().close()


class _Adapter(HTTPAdapter):
    """Sends at once through proxies too, where urllib3 would wait for more: 40 ms for each signature."""

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        """The pools of connections through a proxy."""
        return super().proxy_manager_for(proxy, socket_options=HTTPConnection.default_socket_options, **proxy_kwargs)
