"""One request to a hot route, from its body to the last byte of its answer."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import orjson

from compose.pipeline import Answer, Pipeline
from compose.trace import Trace
from serving.answer import Stamp, gather
from serving.config import ServingConfig
from serving.errors import BodyTooLarge, HttpError, ShuttingDown, to_http
from serving.forms import Form
from serving.http.asgi import ClientLeft, Leaving, Receive, Scope, Send, read_body, send_body
from serving.metrics import Metrics, who
from serving.prompts import ask
from serving.schema import Wanted
from serving.stream import Events, error_event

__all__ = ["Exchange", "Reply", "header_text"]

JSON = (b"content-type", b"application/json")

_SSE = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]

LINGER_S = 1.0
"""How long a refused body is left unread before the connection is closed. Closing at once resets
the connection, and some systems then throw away the answer that the client has not read yet."""


class Reply:
    """Sends one answer, and knows what a client has already seen of it."""

    __slots__ = ("_echo", "_send", "ended", "started", "status", "traces")

    def __init__(self, send: Send, trace: Trace, echo: bytes | None = None) -> None:
        self._send = send
        self._echo = echo
        self.traces = [trace]
        self.started = False
        self.ended = False
        self.status = "left"

    def headers(self) -> list[tuple[bytes, bytes]]:
        """What every answer carries; ``-`` where there is none (an expert named directly has no
        composition, an error may come before an expert)."""
        trace = self.traces[0]
        named = who(trace)
        if len(self.traces) > 1:
            named = ",".join(dict.fromkeys(map(who, self.traces)))
        headers = [
            (b"x-coterie-id", trace.id.encode()),
            (b"x-coterie-expert", header_text(named)),
            (b"x-coterie-composition", header_text(trace.composition or "-")),
            (b"x-coterie-decision-ms", b"%.3f" % trace.decision_ms),
        ]
        if self._echo is not None:
            headers.append((b"x-request-id", self._echo))
        return headers

    async def whole(self, body: bytes) -> None:
        self.started = self.ended = True
        self.status = "200"
        await send_body(self._send, 200, [JSON, *self.headers()], body)

    async def start_stream(self) -> None:
        self.started = True
        headers = [*_SSE, *self.headers()]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def piece(self, data: bytes) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end_stream(self, data: bytes, status: str = "200") -> None:
        self.ended = True
        self.status = status
        await self._send({"type": "http.response.body", "body": data})

    async def fail(self, error: HttpError) -> None:
        """An error body with its status, or the stream's last event if it has begun."""
        if self.ended:
            return
        if self.started:
            await self.end_stream(error_event(error), "broken")
            return
        self.started = self.ended = True
        self.status = str(error.status)
        headers = [JSON, *self.headers(), *error.headers]
        if isinstance(error, BodyTooLarge):
            await _refuse_unread(self._send, error, headers)
        else:
            await send_body(self._send, error.status, headers, error.body())


async def _refuse_unread(send: Send, error: HttpError, headers: list[tuple[bytes, bytes]]) -> None:
    body = error.body()
    headers += [(b"connection", b"close"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    await asyncio.sleep(LINGER_S)
    await send({"type": "http.response.body", "body": b""})


class Exchange:
    """The endpoint of one kind of completion.

    Parameters
    ----------
    route : the path, for the metrics
    form : how the answers look
    parse : body -> what is wanted; raises InvalidRequest
    """

    def __init__(
        self,
        route: str,
        form: Form,
        parse: Callable[[bytes], Wanted],
        pipeline: Pipeline,
        metrics: Metrics,
        config: ServingConfig,
    ) -> None:
        self.route = route
        self.form = form
        self.parse = parse
        self.pipeline = pipeline
        self.metrics = metrics
        self.config = config

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reply = Reply(send, Trace(secrets.token_hex(12)), request_id(scope))
        metrics = self.metrics
        metrics.in_flight += 1
        try:
            await self._serve(scope, receive, reply)
        except ClientLeft:
            pass
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            found = to_http(error, reply.traces[0].id)
            # By kind, not by code: codes may be an upstream's own, of any number.
            metrics.errors.labels(type(error).__name__).inc()
            await reply.fail(found)
        finally:
            metrics.in_flight -= 1
            metrics.record(self.route, reply.status, reply.traces)

    async def _serve(self, scope: Scope, receive: Receive, reply: Reply) -> None:
        raw = await read_body(scope, receive, self.config.max_body, self.config.body_timeout)
        wanted = self.parse(raw)
        with Leaving(receive) as leaving:
            try:
                await self._answer(wanted, reply)
            except asyncio.CancelledError:
                if leaving.left:
                    raise ClientLeft from None
                # The server ends its tasks when it shuts down. This one ends here, so there is
                # nothing above that would have to hear of it, and the client does hear of it.
                raise ShuttingDown("The server is shutting down; try again later.") from None

    async def _answer(self, wanted: Wanted, reply: Reply) -> None:
        answer, reply.traces = await ask(self.pipeline, wanted, reply.traces[0])
        trace = answer.trace
        stamp = Stamp(self.form, trace.id, int(time.time()), trace.expert or wanted.model)
        if wanted.stream:
            await _stream(answer, Events(stamp, wanted.include_usage), wanted, reply)
            return
        body = await gather(answer, stamp)
        if wanted.trace:
            body = orjson.dumps({**orjson.loads(body), "coterie": traced(reply.traces)})
        await reply.whole(body)


async def _stream(answer: Answer, events: Events, wanted: Wanted, reply: Reply) -> None:
    rest, encode, piece = answer.rest, events.encode, reply.piece
    try:
        await reply.start_stream()
        data = encode(answer.first)
        if data:
            await piece(data)
        async for chunk in rest:
            data = encode(chunk)
            if data:
                await piece(data)
    finally:
        await rest.aclose()
    await reply.end_stream(events.end(traced(reply.traces) if wanted.trace else None))


def traced(traces: Sequence[Trace]) -> dict[str, Any]:
    """The ``coterie`` object of an answer; several prompts have a trace each."""
    if len(traces) == 1:
        return {"trace": traces[0].to_dict()}
    return {"traces": [trace.to_dict() for trace in traces]}


def request_id(scope: Scope) -> bytes | None:
    """The client's own id, to be echoed; None if there is none or it could not be a header."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            fine = 0 < len(value) <= 200 and value.isascii() and value.decode().isprintable()
            return bytes(value) if fine else None
    return None


@lru_cache(1024)
def header_text(text: str) -> bytes:
    """A name as a header value: percent-encoded where a header could not hold it."""
    return quote(text, safe=" !#$&'()*+,-./:;<=>?@[]^_`{|}~").encode()
