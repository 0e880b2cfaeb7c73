"""The adapter that engines use: POST to one origin over pooled, kept-alive connections."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from experts.engines.http.connection import Connection
from experts.engines.http.proxies import open_tunnel, proxy_for
from experts.engines.http.response import Response
from experts.errors import ConfigError, ExpertOverloaded, ExpertUnavailable


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Seconds, connections and bytes.

    ``wait`` is how long a request may wait for one of ``connections`` to be free; ``idle`` after
    which a kept connection is closed; ``silence`` how long an upstream may send nothing before it
    is given up; ``answer`` what it may send for one request.
    """

    connect: float = 10.0
    wait: float = 10.0
    connections: int = 1024
    idle: float = 55.0
    silence: float = 600.0
    answer: int = 64 << 20


class HttpClient:
    """HTTP/1.1 to one origin.

    Parameters
    ----------
    base_url : ``http(s)://host[:port][/prefix]``; the paths of requests are appended.
    headers : sent with every request.
    proxy : ``http://host:port``; None: from the environment; empty: none.
    tls : the context for ``https``; None: :func:`tls_context`'s default.

    Raises ConfigError for a URL, proxy or header that cannot work.
    """

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        *,
        proxy: str | None = None,
        tls: ssl.SSLContext | None = None,
        limits: HttpLimits = HttpLimits(),
    ) -> None:
        parts = urlsplit(base_url)
        try:
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
            raise ConfigError("base_url must be http(s)://host[:port][/prefix].", path="base_url")
        secure = parts.scheme == "https"
        self._host, self._port = host, port or (443 if secure else 80)
        self._tls = (tls or tls_context()) if secure else None
        self._proxy = proxy_for(parts, proxy)
        self._limits = limits
        self._places = asyncio.Semaphore(limits.connections)
        self._idle: deque[Connection] = deque()
        self._busy: set[Connection] = set()
        self._closed = False
        self._sweeper: asyncio.TimerHandle | None = None
        netloc = parts.netloc.rpartition("@")[2]
        self._target = parts.path.rstrip("/")
        fields = {"Host": netloc, "Accept-Encoding": "identity", **headers}
        if self._proxy is not None and not secure:  # RFC 9112, section 3.2.2: absolute-form
            self._target = f"http://{netloc}{self._target}"
            if self._proxy.authorization is not None:
                fields["Proxy-Authorization"] = self._proxy.authorization.decode()
        self._fields = b"".join(_field(name, value) for name, value in fields.items())
        self._heads: dict[str, bytes] = {}

    async def post(self, path: str, body: bytes) -> Response:
        """Send a JSON body and wait for status and headers.

        Whoever gets the response must read it to its end, or ``close()`` it. A kept connection
        that turns out to be closed before a byte of an answer came is replaced once: the upstream
        had hung up before it saw the request (RFC 9112, section 9.3.1).

        Raises ExpertUnavailable, ExpertOverloaded (no free connection) and BadUpstream.
        """
        data = b"%b%d\r\n\r\n%b" % (self._heads.get(path) or self._head_for(path), len(body), body)
        kept = await self._place()
        if kept is not None:
            response = kept.send(data, self._limits.answer)
            try:
                return await self._head(response)
            except ExpertUnavailable:
                if response.received or self._closed:
                    raise
            await self._acquire()
        connection = await self._connect()
        return await self._head(connection.send(data, self._limits.answer))

    async def close(self) -> None:
        """Close every connection; requests in flight end with an error."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in (*self._idle, *self._busy):
            if connection.response is not None:
                connection.response.fail(ExpertUnavailable("The client was closed."))
            connection.abandon()
        self._idle.clear()
        await asyncio.sleep(0)  # lets the transports close

    def _head_for(self, path: str) -> bytes:
        """All of a request to this path up to the number of its body's bytes."""
        line = f"POST {self._target}{path} HTTP/1.1\r\n".encode()
        head = self._heads[path] = line + self._fields + b"Content-Length: "
        return head

    @staticmethod
    async def _head(response: Response) -> Response:
        try:
            await response.head()
        except BaseException:
            response.close()
            raise
        return response

    async def _place(self) -> Connection | None:
        """Take a place, and a kept connection if there is one."""
        await self._acquire()
        self._prune()
        if not self._idle:
            return None
        connection = self._idle.pop()
        self._busy.add(connection)
        return connection

    async def _acquire(self) -> None:
        if self._closed:
            raise ExpertUnavailable("The client is closed.")
        if not self._places.locked():
            await self._places.acquire()
            return
        try:
            async with asyncio.timeout(self._limits.wait):
                await self._places.acquire()
        except TimeoutError:
            message = f"All {self._limits.connections} connections to the upstream are busy."
            raise ExpertOverloaded(message) from None

    async def _connect(self) -> Connection:
        """Open a connection. The caller has a place; it is given back on failure."""
        connection = Connection(self._ended, self._lost)
        try:
            async with asyncio.timeout(self._limits.connect):
                await self._open(connection)
        except BaseException as error:
            self._places.release()
            if connection.transport is not None:
                connection.transport.abort()
            if isinstance(error, TimeoutError):
                message = f"No connection within {self._limits.connect:g} s."
            elif isinstance(error, ssl.SSLCertVerificationError):
                message = f"The upstream's certificate does not verify: {error.verify_message}."
            elif isinstance(error, OSError):
                message = f"No connection: {error.strerror or type(error).__name__}."
            else:
                raise
            raise ExpertUnavailable(message) from error
        self._busy.add(connection)
        if self._sweeper is None:
            self._sweep()
        return connection

    async def _open(self, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        proxy = self._proxy
        if proxy is not None and self._tls is not None:
            await open_tunnel(proxy, self._host, self._port, self._tls, connection)
        elif proxy is not None:
            await loop.create_connection(lambda: connection, proxy.host, proxy.port)
        else:
            await loop.create_connection(lambda: connection, self._host, self._port, ssl=self._tls)

    def _ended(self, connection: Connection, fit: bool) -> None:
        self._busy.discard(connection)
        self._places.release()
        if fit and not self._closed:
            connection.idle_since = time.monotonic()
            self._idle.append(connection)
        elif fit:
            connection.abandon()

    def _lost(self, connection: Connection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)

    def _sweep(self) -> None:
        """Look after the connections now and then, as long as there are any.

        One timer for all of them: a timer for each request would cost more than the request's own
        share of the pool.
        """
        loop = asyncio.get_running_loop()
        self._prune()
        silent_since = time.monotonic() - self._limits.silence
        for connection in tuple(self._busy):
            connection.give_up(silent_since, f"Nothing came for {self._limits.silence:g} s.")
        self._sweeper = None
        if self._busy or self._idle:
            self._sweeper = loop.call_later(min(5.0, self._limits.silence / 4), self._sweep)

    def _prune(self) -> None:
        oldest = time.monotonic() - self._limits.idle
        while self._idle and self._idle[0].idle_since < oldest:
            self._idle.popleft().abandon()


def tls_context(ca_file: Path | None = None, *, verify: bool = True) -> ssl.SSLContext:
    """The system's authorities (``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` included) and ``ca_file``.

    Raises ConfigError if the file cannot be read.
    """
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:  # ssl.SSLError included
            reason = error.strerror or type(error).__name__
            raise ConfigError(
                f"No certificates in {str(ca_file)!r}: {reason}", path="ca_file"
            ) from None
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _field(name: str, value: str) -> bytes:
    text = f"{name}: {value}\r\n"
    if not name or ":" in name or not text[:-2].isascii() or not text[:-2].isprintable():
        raise ConfigError(f"Header {name!r} cannot be sent.", path="headers")
    return text.encode()
