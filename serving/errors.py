"""From exceptions to OpenAI error bodies: the only place with HTTP statuses.

::

    HttpError                 carries everything that the answer needs
    +-- MalformedHttp         400  what came is not HTTP
    +-- InvalidRequest        400  the body cannot be read or breaks a rule; names the field
    +-- CrossOrigin           403  a browser asks on behalf of another site
    +-- BodyTimeout           408  the body, or the headers, came too slowly
    +-- BodyTooLarge          413  the body is beyond the limit, and was not read to its end
    +-- UnknownPath           404
    +-- WrongMethod           405  names the methods that there are
    +-- CompressedBody        415
    +-- HeadersTooLarge       431
    +-- NotReady              503  the experts are still starting, or could not be started
    +-- ShuttingDown          503
    CannotServe               the server could not start; no client sees it
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any

import orjson

from compose.errors import UnknownModel
from experts.errors import (
    BadUpstream,
    CircuitOpen,
    ContextTooLong,
    ExpertError,
    ExpertFailed,
    ExpertOverloaded,
    ExpertTimeout,
    ExpertUnavailable,
    RequestRejected,
    UnsupportedContent,
)

__all__ = [
    "BodyTimeout",
    "BodyTooLarge",
    "CannotServe",
    "CompressedBody",
    "CrossOrigin",
    "HeadersTooLarge",
    "HttpError",
    "InvalidRequest",
    "MalformedHttp",
    "NotReady",
    "ShuttingDown",
    "UnknownPath",
    "WrongMethod",
    "to_http",
]

logger = logging.getLogger("coterie.serving")

Headers = list[tuple[bytes, bytes]]


class CannotServe(Exception):
    """The server cannot listen where it should, or its experts do not start; says the way out."""


class HttpError(Exception):
    """An error as a client sees it; ``headers`` are those besides the usual ones."""

    status = 500
    type = "server_error"
    code: str | None = "internal_error"
    param: str | None = None

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        param: str | None = None,
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        super().__init__(message)
        self.status = status or self.status
        self.code = code or self.code
        self.param = param or self.param
        self.type = "invalid_request_error" if self.status < 500 else "server_error"
        if self.status == 429:
            self.type = "rate_limit_error"
        self.headers: Headers = list(headers)

    def to_dict(self) -> dict[str, Any]:
        """OpenAI's error object, in its envelope."""
        error = {"message": str(self), "type": self.type, "param": self.param, "code": self.code}
        return {"error": error}

    def body(self) -> bytes:
        return orjson.dumps(self.to_dict())


class MalformedHttp(HttpError):
    status = 400
    code = "malformed_http"


class InvalidRequest(HttpError):
    status = 400
    code = "invalid_value"


class CrossOrigin(HttpError):
    status = 403
    code = "cross_origin"

    def __init__(self) -> None:
        super().__init__("Requests that another site makes through a browser are refused.")


class BodyTimeout(HttpError):
    status = 408
    code = "body_timeout"

    def __init__(self, what: str, seconds: float) -> None:
        # Closed, because the rest may go on trickling in for ever.
        super().__init__(
            f"The {what} did not come within {seconds:g} seconds; send faster, or less.",
            headers=[(b"connection", b"close")],
        )


class BodyTooLarge(HttpError):
    status = 413
    code = "body_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The body is larger than {limit} bytes, the limit of this server; send less, or "
            "raise the limit where the server is started."
        )


class UnknownPath(HttpError):
    status = 404
    code = "unknown_url"


class WrongMethod(HttpError):
    status = 405
    code = "method_not_allowed"

    def __init__(self, method: str, path: str, allowed: Sequence[str]) -> None:
        methods = ", ".join(allowed)
        super().__init__(
            f"{method[:20]} is not allowed on {path}; use {methods}.",
            headers=[(b"allow", methods.encode())],
        )


class CompressedBody(HttpError):
    status = 415
    code = "unsupported_encoding"

    def __init__(self) -> None:
        super().__init__("The body is compressed, which is not supported; send plain JSON.")


class HeadersTooLarge(HttpError):
    status = 431
    code = "headers_too_large"


class NotReady(HttpError):
    status = 503
    code = "not_ready"


class ShuttingDown(HttpError):
    status = 503
    code = "shutting_down"


_STATUS: tuple[tuple[type[ExpertError], int, str], ...] = (
    (ExpertOverloaded, 429, "expert_overloaded"),
    (CircuitOpen, 503, "expert_unavailable"),
    (ExpertUnavailable, 503, "expert_unavailable"),
    (ExpertTimeout, 504, "expert_timeout"),
    (BadUpstream, 502, "bad_upstream"),
    (ExpertFailed, 502, "expert_failed"),
)

# What an upstream says of our own credentials is no concern of the client's: passed on, it would
# send somebody looking for a fault in a key that is fine.
_OURS = frozenset({401, 403, 407})


def to_http(error: BaseException, request_id: str) -> HttpError:
    """The answer to any exception; one that was not foreseen is logged under ``request_id``."""
    if isinstance(error, HttpError):
        return error
    if isinstance(error, UnknownModel):
        return HttpError(str(error), status=404, code="model_not_found", param="model")
    if isinstance(error, RequestRejected):
        return _rejected(error)
    for kind, status, code in _STATUS:
        if isinstance(error, kind):
            logger.warning("%s: %s: %s", request_id, type(error).__name__, error)
            return HttpError(str(error), status=status, code=code, headers=_retry_after(error))
    logger.error("%s: unexpected %s", request_id, type(error).__name__, exc_info=error)
    return HttpError(f"Internal error; the server's log has it under the id {request_id}.")


def _rejected(error: RequestRejected) -> HttpError:
    status = error.status
    if status in _OURS:
        return HttpError("The expert's upstream refused us.", status=502, code="upstream_refused")
    if not 400 <= status < 500:
        status = 400
    code = error.code
    if isinstance(error, ContextTooLong):
        status, code = 400, "context_length_exceeded"
    elif isinstance(error, UnsupportedContent):
        code = code or "unsupported_content"
    return HttpError(str(error), status=status, code=code or "invalid_value", param=error.param)


def _retry_after(error: ExpertError) -> Headers:
    seconds = getattr(error, "retry_after", None)
    if seconds is None and not isinstance(error, ExpertOverloaded):
        return []
    wait = max(1, math.ceil(seconds)) if seconds is not None and math.isfinite(seconds) else 1
    return [(b"retry-after", str(wait).encode())]
