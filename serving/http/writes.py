"""Fewer and larger writes to a client's socket."""

from __future__ import annotations

import asyncio
from typing import Any

__all__ = ["Gathering"]


class Gathering:
    """A transport that writes once a turn of the event loop, whatever it was given in that turn.

    uvicorn writes the head of an answer and its body apart, which costs a system call and a packet
    more, and wakes the client for a head alone. Everything else goes to the transport itself, after
    what is still to be written.
    """

    __slots__ = ("_loop", "_parts", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        self._parts = []
        self._transport.abort()

    def _flush(self) -> None:
        parts = self._parts
        if not parts:
            return
        self._parts = []
        if not self._transport.is_closing():  # the client may have left since
            self._transport.write(parts[0] if len(parts) == 1 else b"".join(parts))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
