"""What each HTTP client library costs as the client of a gateway.

    python -m benchmarks.clients [--seconds 2] [--passes 3] [--json]

Every client asks the stub upstream over the loopback: one request at a time, 16 at a time, and 64
streams. It has one core, the stub another. Clients that are not installed are named
(``pip install aiohttp pyreqwest`` brings them all). The reasons that this table gave are in
``docs/http-client.md``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any, Protocol

import uvloop

from benchmarks.processes import cores, running_stub
from experts.engines.http.client import HttpClient

BODY = {"model": "stub", "messages": [{"role": "user", "content": "Say something. " * 8}]}
WHOLE = json.dumps(BODY).encode()
STREAM = json.dumps({**BODY, "stream": True}).encode()
HEADERS = {"Content-Type": "application/json"}
PATH = "/v1/chat/completions"


class Client(Protocol):
    """Two ways to ask: for a body, and for the pieces of one as they come."""

    async def whole(self) -> bytes: ...

    def stream(self) -> AsyncIterator[bytes]: ...


class Own:
    def __init__(self, url: str) -> None:
        self.client = HttpClient(url, HEADERS, proxy="")

    async def whole(self) -> bytes:
        return await (await self.client.post(PATH, WHOLE)).read()

    async def stream(self) -> AsyncIterator[bytes]:
        response = await self.client.post(PATH, STREAM)
        while data := await response.next():
            yield data


class Aiohttp:
    def __init__(self, url: str, client: Any) -> None:
        self.url, self.client = url + PATH, client

    async def whole(self) -> bytes:
        async with self.client.post(self.url, data=WHOLE, headers=HEADERS) as response:
            return await response.read()

    async def stream(self) -> AsyncIterator[bytes]:
        async with self.client.post(self.url, data=STREAM, headers=HEADERS) as response:
            async for data in response.content.iter_any():
                yield data


class Pyreqwest:
    def __init__(self, url: str, client: Any) -> None:
        self.url, self.client = url + PATH, client

    async def whole(self) -> bytes:
        request = self.client.post(self.url).body_bytes(WHOLE).headers(HEADERS).build()
        return bytes(await (await request.send()).bytes())

    async def stream(self) -> AsyncIterator[bytes]:
        request = self.client.post(self.url).body_bytes(STREAM).headers(HEADERS)
        async with request.streamed_read_buffer_limit(0).build_streamed() as response:
            while (data := await response.body_reader.read_chunk()) is not None:
                yield bytes(data)


class Httpx:
    def __init__(self, url: str, client: Any) -> None:
        self.url, self.client = url + PATH, client

    async def whole(self) -> bytes:
        return (await self.client.post(self.url, content=WHOLE, headers=HEADERS)).content

    async def stream(self) -> AsyncIterator[bytes]:
        request = self.client.stream("POST", self.url, content=STREAM, headers=HEADERS)
        async with request as response:
            async for data in response.aiter_raw():
                yield data


async def _own(url: str, stack: AsyncExitStack) -> Client:
    client = Own(url)
    stack.push_async_callback(client.client.close)
    return client


async def _aiohttp(url: str, stack: AsyncExitStack) -> Client:
    import aiohttp

    connector = aiohttp.TCPConnector(limit=0)
    return Aiohttp(url, await stack.enter_async_context(aiohttp.ClientSession(connector=connector)))


async def _pyreqwest(url: str, stack: AsyncExitStack) -> Client:
    from pyreqwest.client import ClientBuilder

    return Pyreqwest(url, await stack.enter_async_context(ClientBuilder().no_proxy().build()))


async def _httpx(url: str, stack: AsyncExitStack) -> Client:
    import httpx

    limits = httpx.Limits(max_connections=None)
    client = httpx.AsyncClient(limits=limits, trust_env=False)
    return Httpx(url, await stack.enter_async_context(client))


MAKERS: dict[str, Callable[[str, AsyncExitStack], Any]] = {
    "own": _own,
    "aiohttp": _aiohttp,
    "pyreqwest": _pyreqwest,
    "httpx": _httpx,
}


async def measure(name: str, url: str, seconds: float) -> dict[str, float]:
    """One pass of one client. CPU is this process's: the client, its threads, the event loop."""
    async with AsyncExitStack() as stack:
        client: Client = await MAKERS[name](url, stack)
        await _workers(client, 4, 0.2)
        alone, _ = await _workers(client, 1, seconds)
        cpu = time.process_time()
        many, elapsed = await _workers(client, 16, seconds)
        cpu = time.process_time() - cpu
        chunks, stream_elapsed = await _streams(client, 64, seconds)
        return {
            "p50_ms": 1e3 * statistics.median(alone),
            "answers_per_s": len(many) / elapsed,
            "cpu_us": 1e6 * cpu / len(many),
            "chunks_per_s": chunks / stream_elapsed,
        }


async def _workers(client: Client, count: int, seconds: float) -> tuple[list[float], float]:
    latencies: list[float] = []
    start = time.perf_counter()

    async def work() -> None:
        while (begin := time.perf_counter()) < start + seconds:
            await client.whole()
            latencies.append(time.perf_counter() - begin)

    await asyncio.gather(*(work() for _ in range(count)))
    return latencies, time.perf_counter() - start


async def _streams(client: Client, count: int, seconds: float) -> tuple[int, float]:
    chunks = 0
    start = time.perf_counter()

    async def work() -> None:
        nonlocal chunks
        while time.perf_counter() < start + seconds:
            async for data in client.stream():
                chunks += data.count(b"data: {")

    await asyncio.gather(*(work() for _ in range(count)))
    return chunks, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print JSON, not a table")
    options = parser.parse_args()
    measured, stub_core = cores()
    passes: dict[str, list[dict[str, float]]] = {name: [] for name in MAKERS}
    with running_stub(stub_core) as port:
        os.sched_setaffinity(0, measured)
        for turn in range(options.passes):
            for name in list(passes):
                print(f"pass {turn + 1} of {options.passes}: {name}", file=sys.stderr)
                try:
                    result = uvloop.run(measure(name, f"http://127.0.0.1:{port}", options.seconds))
                except ImportError:
                    del passes[name]
                    print(f"{name} is not installed: pip install {name}", file=sys.stderr)
                else:
                    passes[name].append(result)
    table = {
        name: {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        for name, runs in passes.items()
    }
    print(json.dumps(table, indent=1) if options.json else format_table(table))


def format_table(table: dict[str, dict[str, float]]) -> str:
    lines = ["| client | p50 ms, 1 at a time | answers/s at 16 | CPU us/answer | chunks/s at 64 |"]
    lines.append("|---|---|---|---|---|")
    for name, row in table.items():
        cells = (f"{row['answers_per_s']:,.0f}", f"{row['cpu_us']:.0f}")
        lines.append(
            f"| {name} | {row['p50_ms']:.3f} | {' | '.join(cells)} | {row['chunks_per_s']:,.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
