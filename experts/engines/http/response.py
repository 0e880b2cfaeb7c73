"""One HTTP response: filled by the parser of its connection, drained by its reader."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httptools

from experts.errors import BadUpstream, ExpertError

if TYPE_CHECKING:
    from experts.engines.http.connection import Connection

MAX_HEAD = 64 << 10  # bytes of status line and headers
HIGH_WATER = 256 << 10  # bytes waiting for the reader at which the connection stops reading


class Response:
    """Status, headers (lower-case names, the last of equals) and the body as it comes.

    It belongs to one request only and owns its parser and its buffers, so nothing of it can be left
    behind on a connection that goes on to serve another request.

    Parameters
    ----------
    connection : what it is read from; let go once the last byte has come.
    max_bytes : how much the upstream may send in all, framing included.
    """

    __slots__ = (
        "_interim",
        "_parts",
        "_waiter",
        "buffered",
        "complete",
        "connection",
        "error",
        "headers",
        "keep_alive",
        "max_bytes",
        "overrun",
        "parser",
        "received",
        "released",
        "status",
        "whole",
    )

    def __init__(self, connection: Connection, max_bytes: int) -> None:
        self.connection: Connection | None = connection
        self.parser = httptools.HttpResponseParser(self)
        self.status = 0  # until the headers are complete
        self.headers: dict[bytes, bytes] = {}
        self.max_bytes = max_bytes
        self.received = self.buffered = 0
        self.complete = self.keep_alive = self.overrun = self.released = False
        self.error: ExpertError | None = None
        self._interim = False
        self.whole = False  # the reader wants it all at once
        self._parts: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None

    # What the reader calls.

    async def head(self) -> None:
        """Wait for status and headers."""
        while not self.status and self.error is None:
            await self._wait()
        if not self.status and self.error is not None:
            raise self.error

    async def read(self) -> bytes:
        """The whole body, or what is left of it. Raises the error that cut it short."""
        self.whole = True
        while not self.complete and self.error is None:
            if self.connection is not None:
                self.connection.resume()
            await self._wait()
        if self.error is not None:
            raise self.error
        return self._take()

    async def next(self) -> bytes:
        """What has come since the last call, at least one byte; empty at the end of the body."""
        while not self._parts:
            if self.error is not None:
                raise self.error
            if self.complete:
                return b""
            if self.connection is not None:
                self.connection.resume()
            await self._wait()
        return self._take()

    def close(self) -> None:
        """Stop: unless the response has ended or is released, its connection closes at once."""
        if self.connection is not None and not self.released:
            self.connection.abandon()

    def release(self) -> None:
        """The reader needs no more: the rest, if it comes soon, is read and thrown away.

        For a stream that has said ``[DONE]``: only the framing's end is missing, and the
        connection is worth keeping.
        """
        self.released = True
        if self.connection is not None:
            self.connection.drain()

    # What the connection calls.

    def fail(self, error: ExpertError) -> None:
        if not self.complete and self.error is None:
            self.error = error
            self.wake()

    def wake(self) -> None:
        """Let the reader look, if there is something for it to see."""
        if self._waiter is None or self._waiter.done():
            return
        ended = self.complete or self.error is not None
        if ended or (self.status and not self.whole):
            self._waiter.set_result(None)

    def end_of_input(self) -> bool:
        """Whether the end of the connection is the end of this body (RFC 9112, section 6.3)."""
        framed = b"content-length" in self.headers or b"transfer-encoding" in self.headers
        if not self.status or framed:
            return False
        self.complete = True
        return True

    def discard(self) -> None:
        """Throw away what has come of the body."""
        self._parts.clear()
        self.buffered = 0

    def detach(self) -> None:
        """Forget connection and parser (which refers back to this: no cycle for the collector)."""
        self.connection = None
        del self.parser

    # What the parser calls (httptools' names).

    def on_message_begin(self) -> None:
        if self.complete:
            self.overrun = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.status:
            self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        if self.complete:
            return
        status = self.parser.get_status_code()
        if status < 200:  # 100 Continue, 103 Early Hints: the real one follows
            self._interim = True
            self.headers.clear()
            return
        coding = self.headers.get(b"transfer-encoding")
        if coding is not None and coding.lower() != b"chunked":
            raise BadUpstream("The upstream used a transfer coding other than chunked.")
        self.status = status

    def on_body(self, data: bytes) -> None:
        if not self.complete:
            self._parts.append(data)
            self.buffered += len(data)

    def on_message_complete(self) -> None:
        if self._interim:
            self._interim = False
        else:
            self.complete = True
            self.keep_alive = self.parser.should_keep_alive()

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _take(self) -> bytes:
        parts = self._parts
        self._parts, self.buffered = [], 0
        return parts[0] if len(parts) == 1 else b"".join(parts)
