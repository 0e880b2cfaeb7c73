"""The embedded server: a pipeline, an app and uvicorn in this process."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import socket
from collections.abc import Callable

import uvicorn

from compose.pipeline import Pipeline
from serving.app import App, create_app
from serving.config import ServingConfig
from serving.errors import CannotServe
from serving.http.protocol import protocol_with

__all__ = ["CannotServe", "LocalServer", "serve"]

OnReady = Callable[[str], None]


def serve(
    pipeline: Pipeline, config: ServingConfig | None = None, on_ready: OnReady | None = None
) -> None:
    """Serve until SIGINT or SIGTERM; answers in flight get ``shutdown_timeout`` seconds to end.

    ``on_ready`` is called once with the base URL, when every expert has started. Raises
    CannotServe.
    """
    with contextlib.suppress(KeyboardInterrupt):
        LocalServer(pipeline, config, on_ready).run()


class LocalServer:
    """What :func:`serve` runs, for those who want to stop it themselves.

    The port is taken at once: whoever makes a LocalServer runs it, or closes its ``socket``.

    Attributes
    ----------
    url : where it listens, known before ``run``
    """

    def __init__(
        self,
        pipeline: Pipeline,
        config: ServingConfig | None = None,
        on_ready: OnReady | None = None,
    ) -> None:
        self.config = config or ServingConfig()
        self.socket = _bind(self.config)
        host, port = self.socket.getsockname()[:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self.app = create_app(pipeline, self.config)
        self._server = _Server(self.app, self.config, lambda: on_ready and on_ready(self.url))

    def run(self) -> None:
        """Blocks. Raises CannotServe if the experts do not start."""
        try:
            self._server.run(sockets=[self.socket])
        except SystemExit as error:  # uvicorn's way to say that the app did not start
            raise CannotServe(_why(self.app)) from error
        finally:
            self.socket.close()
        if self.app.failure is not None:
            raise CannotServe(_why(self.app)) from self.app.failure

    def stop(self) -> None:
        """End it as a signal would; may be called from any thread."""
        self._server.should_exit = True


class _Server(uvicorn.Server):
    def __init__(self, app: App, config: ServingConfig, ready: Callable[[], object]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=protocol_with(config),
                ws="none",
                lifespan="on",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                backlog=config.backlog,
                timeout_keep_alive=config.keep_alive,
                timeout_graceful_shutdown=config.shutdown_timeout,
            )
        )
        self._coterie = app
        self._ready = ready
        self._waiting: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._waiting = asyncio.create_task(self._wait())

    async def _wait(self) -> None:
        if await self._coterie.started():
            # What is loaded now stays. Without this, every full collection walks all of it (half a
            # million objects with torch and transformers) while no request is served.
            gc.collect()
            gc.freeze()
            self._ready()
        else:
            self.should_exit = True


def _why(app: App) -> str:
    reason = app.failure
    return f"The experts could not be started: {reason}" if reason else "The app did not start."


def _bind(config: ServingConfig) -> socket.socket:
    """Raises CannotServe."""
    place = f"port {config.port} of {config.host}"
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            config.host, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise CannotServe(f"There is no address {config.host!r} to listen on.") from error
    listener = socket.socket(family, kind, proto)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _limit_stalls(listener, config.stall_timeout)
        listener.bind(address)
        # Listening here rather than in uvicorn: of two servers that bind at once, only the second
        # call of listen fails.
        listener.listen(config.backlog)
    except OSError as error:
        listener.close()
        raise CannotServe(_bind_problem(error, place)) from error
    return listener


def _limit_stalls(listener: socket.socket, seconds: float) -> None:
    """Let the kernel give up on clients that vanished without a word, or that stopped reading.

    Linux hands these options on to the connections that it accepts (tcp(7)), so that they cost a
    request nothing. Without them an expert may work for nobody until its answer ends, if it does.
    """
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = {
        "TCP_KEEPIDLE": max(1, int(seconds / 2)),
        "TCP_KEEPINTVL": max(1, int(seconds / 8)),
        "TCP_KEEPCNT": 4,
        "TCP_USER_TIMEOUT": int(seconds * 1000),
    }
    for name, value in options.items():
        if hasattr(socket, name):
            listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _bind_problem(error: OSError, place: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Something listens on {place} already; stop it, or choose another port."
    if error.errno == errno.EACCES:
        return f"Listening on {place} is not allowed to this user; choose a port above 1023."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"The address of {place} does not belong to this machine; try 127.0.0.1."
    return f"Cannot listen on {place}: {error.strerror or error}."
