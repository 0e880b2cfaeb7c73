"""One connection to an upstream: one request at a time, exact framing (RFC 9112)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import cast

import httptools

from experts.engines.http.response import HIGH_WATER, MAX_HEAD, Response
from experts.errors import BadUpstream, ExpertError, ExpertTimeout, ExpertUnavailable

DRAIN_SECONDS = 1.0


class Connection(asyncio.Protocol):
    """A transport, and the response that is being read from it (None: idle).

    It is fit for another request only when a response was read to its end, the upstream wants to
    keep it, the request was fully written, and not a byte came after the end.

    Parameters
    ----------
    ended : called once for each exchange with this connection and whether it can be used again.
    lost : called when an idle connection has gone.
    """

    def __init__(
        self,
        ended: Callable[[Connection, bool], None],
        lost: Callable[[Connection], None],
    ) -> None:
        self._ended, self._lost = ended, lost
        self.transport: asyncio.Transport | None = None
        self.response: Response | None = None
        self.idle_since = self.heard = 0.0  # of time.monotonic()
        self.closed = False
        self._paused = False
        self._draining: asyncio.TimerHandle | None = None

    def send(self, data: bytes, max_bytes: int) -> Response:
        """Write one whole request; the response fills as it comes."""
        assert self.transport is not None
        assert self.response is None
        response = self.response = Response(self, max_bytes)
        self.heard = time.monotonic()
        if self.closed or self.transport.is_closing():  # nobody would tell the response
            self._fail(ExpertUnavailable("The upstream closed the connection at once."))
        else:
            self.transport.write(data)
        return response

    def abandon(self) -> None:
        """Close at once, whatever is under way."""
        if self.transport is not None:
            self.transport.abort()
        self._finish(reusable=False)

    def give_up(self, silent_since: float, reason: str) -> None:
        """End the exchange if the upstream has been silent since then, and not for our sake."""
        if self.response is not None and not self._paused and self.heard < silent_since:
            self._fail(ExpertTimeout(reason))

    def drain(self) -> None:
        """Read the response to its end without a reader, for a second at most."""
        if self.response is not None and self._draining is None:
            self._draining = asyncio.get_running_loop().call_later(DRAIN_SECONDS, self.abandon)
            self.response.discard()
            self.resume()

    def resume(self) -> None:
        if self._paused and self.transport is not None:
            self._paused = False
            if not self.transport.is_closing():
                self.transport.resume_reading()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass

    def data_received(self, data: bytes) -> None:
        response = self.response
        if response is None:  # nobody asked: whatever it is, it must not meet the next request
            self.abandon()
            return
        response.received += len(data)
        self.heard = time.monotonic()
        try:
            response.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not response.complete:
                self._fail(_parse_error(error))
                return
            response.overrun = True
        if response.complete:
            self._finish(reusable=response.keep_alive and not response.overrun)
            response.wake()
        else:
            self._check(response)

    def eof_received(self) -> None:
        return None  # close the transport: connection_lost follows

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        response = self.response
        if response is None:
            self._lost(self)
        elif exc is None and response.end_of_input():
            self._finish(reusable=False)
            response.wake()
        elif response.received:
            self._fail(BadUpstream("The upstream closed the connection in mid-answer."))
        else:
            self._fail(ExpertUnavailable("The upstream closed the connection without an answer."))

    def _check(self, response: Response) -> None:
        """Hold the limits of a response that has not ended yet."""
        if not response.status and response.received > MAX_HEAD:
            self._fail(BadUpstream(f"The upstream's headers exceed {MAX_HEAD} bytes."))
        elif response.received > response.max_bytes:
            self._fail(BadUpstream(f"The upstream's answer exceeds {response.max_bytes} bytes."))
        elif self._draining is not None:
            response.discard()
        else:
            response.wake()
            if response.buffered > HIGH_WATER and not response.whole and not self._paused:
                assert self.transport is not None
                self._paused = True
                self.transport.pause_reading()

    def _fail(self, error: ExpertError) -> None:
        if self.response is not None:
            self.response.fail(error)
        self.abandon()

    def _finish(self, *, reusable: bool) -> None:
        response, self.response = self.response, None
        if response is None:
            return
        response.detach()
        if self._draining is not None:
            self._draining.cancel()
            self._draining = None
        transport = self.transport
        assert transport is not None
        self.resume()
        fit = reusable and not transport.is_closing() and not transport.get_write_buffer_size()
        if not fit:
            transport.abort()
        self._ended(self, fit)


def _parse_error(error: Exception) -> ExpertError:
    cause = error.__context__
    if isinstance(cause, ExpertError):
        return cause
    return BadUpstream(f"The upstream does not speak HTTP/1.1 ({type(error).__name__}).")
