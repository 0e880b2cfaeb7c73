"""A real server on the loopback whose answers a test writes byte by byte."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest


@dataclass
class Request:
    """What came in. ``connection`` numbers the connections in the order in which they opened."""

    line: str
    headers: dict[str, str]
    body: bytes
    connection: int


@dataclass
class Peer:
    """One open connection, from the server's side."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, *parts: bytes) -> None:
        """Each part in a write of its own, with turns of the loop between them."""
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()
            await asyncio.sleep(0.002)

    async def gone(self) -> bool:
        """Wait until the other side has closed."""
        with suppress(ConnectionError):
            while await self.reader.read(65536):
                pass
        return True


Answer = Callable[[Request, Peer], Awaitable[object]]


@dataclass
class Upstream:
    """A running server. An answer that returns False closes its connection."""

    port: int = 0
    requests: list[Request] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


async def read_request(peer: Peer, connection: int) -> Request | None:
    try:
        head = await peer.reader.readuntil(b"\r\n\r\n")
        line, *fields = head.decode("latin-1").rstrip().split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (f.partition(":") for f in fields)
        }
        body = await peer.reader.readexactly(int(headers.get("content-length", "0")))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return Request(line, headers, body, connection)


@asynccontextmanager
async def run_server(
    handle: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    *,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[int]:
    """Give each connection to ``handle`` and close it afterwards, at the latest with the block."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(asyncio.CancelledError, asyncio.IncompleteReadError, ConnectionError):
            await handle(reader, writer)
        writer.close()
        with suppress(asyncio.CancelledError, ConnectionError, ssl.SSLError):
            await writer.wait_closed()
        tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls, limit=1 << 20)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tuple(tasks))


@asynccontextmanager
async def run_upstream(
    answer: Answer, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Upstream]:
    upstream = Upstream()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream.connections += 1
        number, peer = upstream.connections, Peer(reader, writer)
        while (request := await read_request(peer, number)) is not None:
            upstream.requests.append(request)
            if await answer(request, peer) is False:
                break

    async with run_server(handle, tls=tls) as upstream.port:
        yield upstream


@pytest.fixture
def listen() -> Callable[..., AbstractAsyncContextManager[int]]:
    """``async with listen(handle) as port``, where handle(reader, writer) is a coroutine."""
    return run_server


@pytest.fixture
def serve() -> Callable[..., AbstractAsyncContextManager[Upstream]]:
    """``async with serve(answer) as upstream``, where answer(request, peer) is a coroutine."""
    return run_upstream


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
