"""An upstream that answers at once: OpenAI's chat completions from constants, on the loopback.

A request with ``"stream": true`` gets ``EVENTS`` server-sent events, each in a write of its own,
one event of every open stream in turn (as an engine that decodes a batch would); any other request
gets ``ANSWER``. Run as a program it prints its port and serves until its standard input closes.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys

import uvloop

EVENTS = 200
WORDS = [f"word{number} " for number in range(EVENTS - 2)]  # LiteLLM ends a stream that repeats


def _event(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    event = {
        "id": "chatcmpl-1f0e9d8c7b6a59483726150403020100",
        "object": "chat.completion.chunk",
        "created": 1760000000,
        "model": "stub",
        "choices": [choice],
    }
    return b"data: %b\n\n" % json.dumps(event, separators=(",", ":")).encode()


def _chunked(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


ANSWER = json.dumps(
    {
        "id": "chatcmpl-1f0e9d8c7b6a59483726150403020100",
        "object": "chat.completion",
        "created": 1760000000,
        "model": "stub",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "".join(WORDS[:20])},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 12, "completion_tokens": 20, "total_tokens": 32},
    },
    separators=(",", ":"),
).encode()
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(ANSWER),
    ANSWER,
)
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)
FIRST = _chunked(_event({"role": "assistant", "content": ""}))
TOKENS = [_chunked(_event({"content": word})) for word in reversed(WORDS)]
LAST = _chunked(_event({}, "stop")) + _chunked(b"data: [DONE]\n\n") + b"0\r\n\r\n"

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_STREAM = re.compile(rb'"stream": ?true')


class Stub(asyncio.Protocol):
    """One connection; requests come one after another."""

    def __init__(self, ticker: Ticker) -> None:
        self.ticker = ticker
        self.transport: asyncio.Transport
        self.buffer = b""
        self.left = 0  # events still to send
        self.paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        self.left = 0
        self.ticker.streams.discard(self)

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head = self.buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        length = _LENGTH.search(self.buffer, 0, head)
        if length is not None:
            end = head + 4 + int(length[1])
        else:  # chunked, or no body
            end = self.buffer.find(b"\r\n0\r\n\r\n", head) + 7
            if end < 7:
                return
        if len(self.buffer) < end:
            return
        stream = _STREAM.search(self.buffer, head, end)
        self.buffer = self.buffer[end:]
        if stream is None:
            self.transport.write(WHOLE)
        else:
            self.transport.write(STREAM_HEAD + FIRST)
            self.left = len(TOKENS)
            self.ticker.add(self)


class Ticker:
    """Gives every open stream its next event, one event a turn of the loop."""

    def __init__(self) -> None:
        self.streams: set[Stub] = set()

    def add(self, stream: Stub) -> None:
        if not self.streams:
            asyncio.get_running_loop().call_soon(self.turn)
        self.streams.add(stream)

    def turn(self) -> None:
        for stream in tuple(self.streams):
            if stream.paused:
                continue
            if stream.left:
                stream.left -= 1
                stream.transport.write(TOKENS[stream.left])
            else:
                stream.transport.write(LAST)
                self.streams.discard(stream)
        if self.streams:
            asyncio.get_running_loop().call_soon(self.turn)


async def main() -> None:
    loop = asyncio.get_running_loop()
    ticker = Ticker()
    server = await loop.create_server(lambda: Stub(ticker), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()
    loop.add_reader(sys.stdin, lambda: sys.stdin.read(1) or ended.set())
    await ended.wait()


if __name__ == "__main__":
    uvloop.run(main())
