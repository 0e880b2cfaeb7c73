"""The load: keep-alive connections that each ask again as soon as they were answered.

Raw protocols with the least that a correct count needs, so that the generator is not what is
measured. Run as a program it reads one job a line (JSON) and prints one result a line.
"""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import sys
import time
from dataclasses import dataclass, field

import uvloop

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


@dataclass
class Tally:
    answers: int = 0
    chunks: int = 0
    errors: int = 0
    first_error: str = ""
    latencies: list[float] = field(default_factory=list)


class Asker(asyncio.Protocol):
    """One connection. Counts whole answers and ``data: {`` events until told to stop."""

    def __init__(self, request: bytes, tally: Tally) -> None:
        self.request, self.tally = request, tally
        self.transport: asyncio.Transport
        self.closed = asyncio.get_running_loop().create_future()
        self.buffer = b""
        self.need = 0  # bytes of an answer with a length; -1: chunked
        self.asked = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)

    def ask(self) -> None:
        self.buffer, self.need = b"", 0
        self.asked = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        if not self.need:
            data = self.buffer + data
            head = data.find(b"\r\n\r\n")
            if head < 0:
                self.buffer = data
                return
            if not data.startswith(b"HTTP/1.1 200"):
                self.fail(data)
                return
            length = _LENGTH.search(data, 0, head + 2)
            self.need = head + 4 + int(length[1]) if length else -1
            self.buffer = b""
        if self.need > 0:
            self.buffer += data
            if len(self.buffer) >= self.need:
                self.answered()
            return
        # What a marker that straddles two reads needs is carried over, and not counted twice.
        data = self.buffer + data
        self.tally.chunks += data.count(b"data: {")
        if data.endswith(b"\r\n0\r\n\r\n") or data == b"0\r\n\r\n":
            self.answered()
            return
        tail = data[-6:]
        self.buffer = tail if b"data: {" not in tail else b""

    def answered(self) -> None:
        self.tally.answers += 1
        self.tally.latencies.append(time.perf_counter() - self.asked)
        self.ask()

    def fail(self, data: bytes) -> None:
        self.tally.errors += 1
        self.tally.first_error = self.tally.first_error or data[:300].decode("latin-1")
        self.transport.abort()


def request_bytes(port: int, body: dict, path: str, headers: dict[str, str]) -> bytes:
    data = json.dumps(body).encode()
    fields = {"Host": f"127.0.0.1:{port}", "Content-Type": "application/json", **headers}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(data)}", "", ""]).encode() + data


async def drive(
    port: int,
    body: dict,
    connections: int,
    seconds: float,
    path: str = "/v1/chat/completions",
    headers: dict[str, str] | None = None,
) -> dict:
    """Answers and chunks a second, and the median latency in milliseconds."""
    loop = asyncio.get_running_loop()
    tally = Tally()
    request = request_bytes(port, body, path, headers or {})
    askers = [
        (await loop.create_connection(lambda: Asker(request, tally), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    await asyncio.sleep(min(0.3, seconds / 4))  # what comes while connections open is not counted
    before = tally.answers
    tally.answers = tally.chunks = 0
    tally.latencies.clear()
    start = time.perf_counter()
    await asyncio.sleep(seconds)
    elapsed = time.perf_counter() - start
    answers, chunks, latencies = tally.answers, tally.chunks, tally.latencies[:]
    for asker in askers:
        asker.transport.abort()
    await asyncio.gather(*(asker.closed for asker in askers))
    return {
        "answers_per_s": answers / elapsed,
        "all_answers": before + answers,
        "chunks_per_s": chunks / elapsed,
        "p50_ms": 1e3 * statistics.median(latencies) if latencies else None,
        "errors": tally.errors,
        "error": tally.first_error,
    }


def main() -> None:
    for line in sys.stdin:
        print(json.dumps(uvloop.run(drive(**json.loads(line)))), flush=True)


if __name__ == "__main__":
    main()
