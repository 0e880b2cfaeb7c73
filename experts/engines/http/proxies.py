"""Which proxy a request goes through, and how a connection through it is opened."""

from __future__ import annotations

import asyncio
import base64
import ssl
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import (  # type: ignore[attr-defined]
    getproxies_environment,
    proxy_bypass_environment,
)

from experts.errors import ConfigError, ExpertUnavailable

MAX_CONNECT_HEAD = 16 << 10  # bytes of a proxy's answer to CONNECT


@dataclass(frozen=True, slots=True)
class Proxy:
    """An ``http://`` proxy. ``authorization`` is a whole header value, kept out of ``repr``."""

    host: str
    port: int
    authorization: bytes | None = None

    def __repr__(self) -> str:
        return f"Proxy({self.host}:{self.port})"


def proxy_for(origin: SplitResult, configured: str | None) -> Proxy | None:
    """The proxy for an origin: the configured one, else what the environment says.

    The environment's names are curl's: ``http_proxy``, ``https_proxy``, ``all_proxy`` and
    ``no_proxy``, in either case. An empty ``configured`` means none, whatever the environment says.
    Raises ConfigError for a proxy of another scheme.
    """
    if configured is not None:
        return parse_proxy(configured) if configured else None
    proxies = getproxies_environment()
    if proxy_bypass_environment(origin.netloc, proxies):
        return None
    url = proxies.get(origin.scheme) or proxies.get("all")
    return parse_proxy(url) if url else None


def parse_proxy(url: str) -> Proxy:
    parts = urlsplit(url if "://" in url else f"http://{url}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if parts.scheme != "http" or not host:
        raise ConfigError("A proxy must be http://host:port.", path="proxy")
    authorization = None
    if parts.username is not None:
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = b"Basic " + base64.b64encode(user.encode())
    return Proxy(host, port or 80, authorization)


class _Tunnel(asyncio.Protocol):
    """Waits for a proxy's answer to CONNECT (RFC 9110, section 9.3.6)."""

    def __init__(self) -> None:
        self._head = b""
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        words = head.split(None, 2)
        ready = bool(end) and not rest and words[0].startswith(b"HTTP/1.")
        if ready and len(words) > 1 and words[1].isdigit():
            self._answer(int(words[1]))
        elif end or len(self._head) > MAX_CONNECT_HEAD:
            self._answer(0)

    def connection_lost(self, exc: Exception | None) -> None:
        self._answer(0)

    def _answer(self, status: int) -> None:
        if not self.status.done():
            self.status.set_result(status)


async def open_tunnel(
    proxy: Proxy, host: str, port: int, context: ssl.SSLContext, protocol: asyncio.Protocol
) -> None:
    """Connect ``protocol`` to host:port with TLS through the proxy.

    Raises ExpertUnavailable if the proxy refuses, and OSError (ssl.SSLError) like any connection.
    """
    loop = asyncio.get_running_loop()
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    transport, tunnel = await loop.create_connection(_Tunnel, proxy.host, proxy.port)
    try:
        transport.write(b"\r\n".join([*_connect_head(target, proxy), b"", b""]))
        status = await tunnel.status
        if not 200 <= status < 300:
            raise ExpertUnavailable(_refusal(status))
        secured = await loop.start_tls(transport, protocol, context, server_hostname=host)
    except BaseException:
        transport.abort()
        raise
    if secured is None:  # closed meanwhile
        raise ConnectionResetError
    protocol.connection_made(secured)


def _connect_head(target: str, proxy: Proxy) -> list[bytes]:
    lines = [f"CONNECT {target} HTTP/1.1".encode(), f"Host: {target}".encode()]
    if proxy.authorization is not None:
        lines.append(b"Proxy-Authorization: " + proxy.authorization)
    return lines


def _refusal(status: int) -> str:
    if status == 407:
        return "The proxy asks for a login: put it into the HTTPS_PROXY variable's URL."
    return f"The proxy did not open a tunnel (status {status or 'unreadable'})."
