"""uvicorn's HTTP protocol, with bounds on the head of a request and errors in OpenAI's format."""

from __future__ import annotations

import asyncio
import secrets
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.config import ServingConfig
from serving.errors import BodyTimeout, HeadersTooLarge, HttpError, MalformedHttp
from serving.http.writes import Gathering

__all__ = ["protocol_with"]


def protocol_with(limits: ServingConfig) -> type[asyncio.Protocol]:
    """The protocol class for a server; uvicorn makes one instance a connection."""

    class BoundedProtocol(_Bounded):
        config_limits = limits

    return BoundedProtocol


class _Bounded(HttpToolsProtocol):
    """What uvicorn leaves open: it limits neither the size of a head nor the time that one may
    take, and it forgets about a request when the next one comes before the first is answered.

    Requests that a client sends ahead of an answer (pipelining) are dropped, and the connection is
    closed after that answer, as RFC 9112, section 9.3.2, lets a server do. With uvicorn's queue,
    nobody would notice that the client of the first one has left, and its expert would go on.
    """

    config_limits: ServingConfig
    _head_open = False
    _head_size = 0
    _head_timer: asyncio.TimerHandle | None = None
    _deaf = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.transport = cast(asyncio.Transport, Gathering(transport, self.loop))
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._answering() and not self.cycle.more_body:
            self._turn_deaf()
        if self._deaf:
            return
        super().data_received(data)
        if self._head_open:
            self._head_size += len(data)
            self._start_timer()
            if self._head_size > self.config_limits.max_header:
                limit = self.config_limits.max_header
                self._refuse(HeadersTooLarge(f"The headers are larger than {limit} bytes."))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._answering():
            self._turn_deaf()
        else:
            self._head_open = True

    def on_headers_complete(self) -> None:
        if self._deaf:
            return
        self._head_open = False
        self._head_size = 0
        if self._head_timer is not None:
            self._stop_timer()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self._deaf:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._deaf:
            super().on_message_complete()

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _turn_deaf(self) -> None:
        self._deaf = True
        self.cycle.keep_alive = False

    def send_400_response(self, msg: str) -> None:
        self._refuse(MalformedHttp(msg))

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing: a client that offers to upgrade gets HTTP/1.1, and that is no news."""

    def _start_timer(self) -> None:
        if self._head_timer is None:
            seconds = self.config_limits.header_timeout
            self._head_timer = self.loop.call_later(seconds, self._late)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _late(self) -> None:
        self._head_timer = None
        if self._head_open:
            self._refuse(BodyTimeout("headers", self.config_limits.header_timeout))
        elif not self.transport.is_closing():
            self.transport.close()

    def _refuse(self, error: HttpError) -> None:
        """Answer without an application: there is no request that one could be given."""
        self._head_open = False
        if self.transport.is_closing():
            return
        if self._answering():  # what is written now would end up inside that answer
            self.transport.close()
            return
        body = error.body()
        phrase = HTTPStatus(error.status).phrase
        head = (
            f"HTTP/1.1 {error.status} {phrase}\r\ncontent-type: application/json\r\n"
            f"x-coterie-id: {secrets.token_hex(12)}\r\nx-coterie-expert: -\r\n"
            "x-coterie-composition: -\r\nx-coterie-decision-ms: 0.000\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
