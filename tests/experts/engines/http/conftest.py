"""A client and its upstream, a certificate authority, and a proxy: all made for the test."""

from __future__ import annotations

import asyncio
import base64
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from experts.engines.http.client import HttpClient, HttpLimits

Listen = Callable[..., AbstractAsyncContextManager[int]]


@pytest.fixture
def talk(serve: Any, run: Any) -> Callable[..., None]:
    """Run ``visit(client, upstream)`` against a server with this answer."""

    def _talk(answer: Any, visit: Any, /, **limits: Any) -> None:
        async def main() -> None:
            async with serve(answer) as upstream:
                client = HttpClient(upstream.url, {"X-Test": "1"}, limits=HttpLimits(**limits))
                try:
                    await visit(client, upstream)
                finally:
                    await client.close()

        run(main())

    return _talk


@pytest.fixture
def answers() -> Callable[..., Any]:
    """An answer that is always these bytes, each part in a write of its own."""

    def _answers(*parts: bytes, close: bool = False) -> Any:
        async def answer(request: Any, peer: Any) -> bool:
            await peer.send(*parts)
            return not close

        return answer

    return _answers


@pytest.fixture
def post() -> Callable[..., Awaitable[bytes]]:
    """``await post(client, body)``: the whole answer."""

    async def _post(client: HttpClient, body: bytes = b"{}") -> bytes:
        return await (await client.post("/v1/x", body)).read()

    return _post


@dataclass(frozen=True)
class Authority:
    ca_file: Path
    context: ssl.SSLContext


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A CA that no system trusts, and a server context with its certificate for localhost."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command to make certificates")
    folder = tmp_path_factory.mktemp("authority")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(
        *("req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2"),
        *("-subj", "/CN=Test authority", "-addext", "keyUsage=critical,keyCertSign"),
    )
    openssl("req", *new_key, "-keyout", "key.pem", "-out", "csr.pem", "-subj", "/CN=localhost")
    (folder / "ext").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl(
        *("x509", "-req", "-in", "csr.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2"),
        *("-CAcreateserial", "-extfile", "ext", "-out", "cert.pem"),
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return Authority(folder / "ca.pem", context)


@dataclass
class ProxyServer:
    """``seen`` holds the first line of every request, ``logins`` what authorised them."""

    port: int = 0
    seen: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def run_proxy(
    listen: Listen, login: str | None = None, status: int = 200
) -> AsyncIterator[ProxyServer]:
    """A forward proxy: CONNECT for tunnels, absolute-form requests for plain HTTP."""
    proxy = ProxyServer()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        proxy.seen.append(f"{method} {target}")
        wanted = None if login is None else base64.b64encode(login.encode())
        if wanted is not None and b"Proxy-Authorization: Basic " + wanted not in head:
            writer.write(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")
            return
        if wanted is not None:
            proxy.logins.append(login or "")
        if status != 200:
            writer.write(b"HTTP/1.1 %d No\r\n\r\n" % status)
            return
        netloc = target if method == "CONNECT" else target.split("/")[2]
        host, _, port = netloc.rpartition(":")
        upstream_reader, upstream_writer = await asyncio.open_connection(host, int(port))
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            upstream_writer.write(head)
        try:
            await asyncio.gather(_copy(reader, upstream_writer), _copy(upstream_reader, writer))
        finally:
            upstream_writer.close()
            with suppress(ConnectionError, asyncio.CancelledError):
                await upstream_writer.wait_closed()

    async with listen(handle) as proxy.port:
        yield proxy


@pytest.fixture
def proxy_server(listen: Listen) -> Callable[..., AbstractAsyncContextManager[ProxyServer]]:
    """``async with proxy_server(login="user:word") as proxy``."""
    return partial(run_proxy, listen)
