"""The little of ASGI that the routes share: reading a body, sending one, noticing who left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from types import TracebackType
from typing import Any

from serving.errors import BodyTimeout, BodyTooLarge, CompressedBody, CrossOrigin

__all__ = ["ClientLeft", "Headers", "Leaving", "Receive", "Scope", "Send", "read_body", "send_body"]

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Headers = Sequence[tuple[bytes, bytes]]

WATCH_AFTER_S = 0.02
"""A request answered sooner than this never pays for the task that watches its client."""


class ClientLeft(Exception):
    """The client closed its connection: there is nobody to answer."""


async def read_body(scope: Scope, receive: Receive, limit: int, seconds: float) -> bytes:
    """The whole body, at most ``limit`` bytes, which may take ``seconds`` to come.

    A body whose content-length is beyond the limit is refused without reading any of it. Raises
    BodyTooLarge, BodyTimeout, CompressedBody, CrossOrigin, ClientLeft.
    """
    _check_head(scope, limit)
    try:
        async with asyncio.timeout(seconds):
            return await _gather(receive, limit)
    except TimeoutError:
        raise BodyTimeout("body", seconds) from None


def _check_head(scope: Scope, limit: int) -> None:
    """Refuse what can be refused before the body has come."""
    origin = host = b""
    for name, value in scope["headers"]:
        if name == b"content-length":
            if len(value) > 19 or (value.isdigit() and int(value) > limit):
                raise BodyTooLarge(limit)
        elif name == b"content-encoding":
            if value.lower() not in (b"", b"identity"):
                raise CompressedBody
        elif name == b"host":
            host = value
        elif name == b"origin":
            origin = value
    # A page from anywhere may make a browser post plain text here. It could not read the answer,
    # but the experts would work for it, on a server that only this machine is meant to reach.
    if origin and origin.partition(b"//")[2] != host:
        raise CrossOrigin


async def _gather(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise ClientLeft
        part: bytes = event.get("body", b"")
        size += len(part)
        if size > limit:
            raise BodyTooLarge(limit)
        if not event.get("more_body", False):
            return part if not parts else b"".join([*parts, part])
        parts.append(part)


async def send_body(
    send: Send, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes
) -> None:
    """A whole answer; ``headers`` include its content-type, not its content-length."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


class Leaving:
    """Cancels the task that runs its block as soon as the client goes away.

    After a disconnect an ASGI server drops silently what is sent, so only ``receive`` tells. The
    request's body must have been read to its end before.

    >>> with Leaving(receive) as leaving:  # doctest: +SKIP
    ...     await answer()
    >>> leaving.left  # doctest: +SKIP
    """

    __slots__ = ("_owner", "_receive", "_timer", "_watcher", "left")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._owner: asyncio.Task[Any] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._watcher: asyncio.Task[None] | None = None
        self.left = False

    def __enter__(self) -> Leaving:
        self._owner = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(WATCH_AFTER_S, self._start)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()

    def _start(self) -> None:
        self._watcher = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.left = True
        if self._owner is not None:
            self._owner.cancel()
