"""The HTTP face: one ASGI application over a pipeline.

There is no web framework below it. The two hot routes have to cost microseconds, and the others
are six functions without parameters; see ``pages/openapi.py`` for the document that describes them.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import orjson

from compose.pipeline import Pipeline
from compose.trace import Trace
from serving.config import ServingConfig
from serving.errors import HttpError, NotReady, UnknownPath, WrongMethod, to_http
from serving.exchange import Exchange, Reply, request_id
from serving.forms import ChatForm, CompletionForm
from serving.http.asgi import Receive, Scope, Send, send_body
from serving.metrics import Metrics
from serving.pages import openapi
from serving.pages.catalogue import Catalogue
from serving.schema import parse_chat, parse_completion

__all__ = ["App", "create_app"]

logger = logging.getLogger("coterie.serving")

QUICK_START_S = 0.5
"""Experts that are ready within this time are ready before the port opens. Slower ones load behind
the open port, so that ``/healthz`` answers and ``/readyz`` can say how far it is."""


def create_app(pipeline: Pipeline, config: ServingConfig | None = None) -> App:
    """The ASGI application that serves ``pipeline``; its lifespan starts and closes it."""
    return App(pipeline, config or ServingConfig())


@dataclass(frozen=True, slots=True)
class Page:
    """A small answer to a GET."""

    body: bytes
    type: bytes = b"application/json"
    status: int = 200


class App:
    """Routes requests; see :func:`create_app`.

    Attributes
    ----------
    ready : the pipeline has started and is not being closed
    failure : why the pipeline could not be started, or None
    metrics : what ``/metrics`` shows
    """

    def __init__(self, pipeline: Pipeline, config: ServingConfig) -> None:
        self.pipeline = pipeline
        self.ready = False
        self.failure: BaseException | None = None
        self.metrics = Metrics()
        self.catalogue = Catalogue(pipeline)
        self._starting: asyncio.Task[None] | None = None
        shared = (pipeline, self.metrics, config)
        chat, text = "/v1/chat/completions", "/v1/completions"
        self._hot: Mapping[str, Exchange] = {
            chat: Exchange(chat, ChatForm(), parse_chat, *shared),
            text: Exchange(text, CompletionForm(), parse_completion, *shared),
        }
        self._pages: Mapping[str, Callable[[], Page]] = {
            "/v1/models": lambda: Page(orjson.dumps(self.catalogue.all())),
            "/healthz": lambda: Page(b'{"status":"ok"}'),
            "/readyz": self._readyz,
            "/metrics": self._metrics,
            "/openapi.json": lambda: Page(orjson.dumps(openapi.document())),
            "/docs": lambda: Page(openapi.page(), b"text/html; charset=utf-8"),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            hot = self._hot.get(scope["path"])
            if hot is not None and scope["method"] == "POST" and self.ready:
                await hot(scope, receive, send)
            else:
                await self._small(scope, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})

    async def started(self) -> bool:
        """Wait until the pipeline has started (True), or has failed to, or is being closed."""
        if self._starting is not None:
            await asyncio.wait([self._starting])
        return self.ready

    async def _small(self, scope: Scope, send: Send) -> None:
        """Everything that asks no expert."""
        trace = Trace(secrets.token_hex(12))
        reply = Reply(send, trace, request_id(scope))
        try:
            page = self._page(scope["method"], scope["path"])
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            await reply.fail(to_http(error, trace.id))
            return
        headers = [(b"content-type", page.type), *reply.headers()]
        await send_body(send, page.status, headers, page.body)

    def _page(self, method: str, path: str) -> Page:
        """Raises UnknownPath, WrongMethod, NotReady, UnknownModel."""
        path = path.rstrip("/") or "/"
        if path in self._hot:
            if method != "POST":
                raise WrongMethod(method, path, ["POST"])
            if self.ready:
                raise UnknownPath(f"Leave out the slash at the end: POST {path}.")
            raise self._not_ready()
        model = path.removeprefix("/v1/models/") if path.startswith("/v1/models/") else None
        if path not in self._pages and model is None:
            raise UnknownPath(f"There is nothing at {path[:200]!r}. GET /docs lists what there is.")
        if method not in ("GET", "HEAD"):
            raise WrongMethod(method, path, ["GET", "HEAD"])
        if model is not None:
            return Page(orjson.dumps(self.catalogue.one(model)))
        return self._pages[path]()

    def _not_ready(self) -> HttpError:
        if self.failure is not None:
            return NotReady("The experts could not be started; the server's log says why.")
        return NotReady(
            "The experts are starting or stopping; GET /readyz tells when they are ready.",
            headers=[(b"retry-after", b"1")],
        )

    def _readyz(self) -> Page:
        if not self.ready:
            raise self._not_ready()
        return Page(b'{"status":"ready"}')

    def _metrics(self) -> Page:
        kind, body = self.metrics.render()
        return Page(body, kind.encode())

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        self._starting = asyncio.create_task(self._start())
        await asyncio.wait([self._starting], timeout=QUICK_START_S)
        if self.failure is not None:
            await send({"type": "lifespan.startup.failed", "message": str(self.failure)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _start(self) -> None:
        try:
            await self.pipeline.start()
        except Exception as error:
            self.failure = error
            logger.exception("the experts could not be started")
        else:
            self.ready = True

    async def _stop(self) -> None:
        self.ready = False
        if self._starting is not None and not self._starting.done():
            self._starting.cancel()
            await asyncio.wait([self._starting])
        try:
            await self.pipeline.close()
        except Exception:
            logger.exception("an expert could not be closed")
