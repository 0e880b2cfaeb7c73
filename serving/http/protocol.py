"""uvicorn's HTTP protocol, with bounds on the head of a request and errors in OpenAI's format."""

from __future__ import annotations

import asyncio
import secrets
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.config import ServingConfig
from serving.errors import BodyTimeout, HeadersTooLarge, HttpError, MalformedHttp

__all__ = ["protocol_with"]


def protocol_with(limits: ServingConfig) -> type[asyncio.Protocol]:
    """The protocol class for a server; uvicorn makes one instance a connection."""

    class BoundedProtocol(_Bounded):
        config_limits = limits

    return BoundedProtocol


class _Bounded(HttpToolsProtocol):
    """Everything here runs only for a request whose head did not come in one piece, but for two
    assignments a request: uvicorn itself neither limits the size of a head nor waits with an eye
    on the clock, and a few thousand idle connections would be enough to starve it."""

    config_limits: ServingConfig
    _head_open = False
    _head_size = 0
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head_open:
            self._head_size += len(data)
            self._start_timer()
            if self._head_size > self.config_limits.max_header:
                limit = self.config_limits.max_header
                self._refuse(HeadersTooLarge(f"The headers are larger than {limit} bytes."))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_open = True

    def on_headers_complete(self) -> None:
        self._head_open = False
        self._head_size = 0
        if self._head_timer is not None:
            self._stop_timer()
        super().on_headers_complete()

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
