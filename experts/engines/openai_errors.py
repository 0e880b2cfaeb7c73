"""An upstream's refusal, in our words: HTTP status and OpenAI error body -> ExpertError."""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Mapping
from typing import Any

import orjson

from experts.errors import (
    BadUpstream,
    ContextTooLong,
    ExpertError,
    ExpertFailed,
    ExpertOverloaded,
    ExpertTimeout,
    ExpertUnavailable,
    RequestRejected,
)

MAX_MESSAGE = 500  # characters of an upstream's message that are passed on
_BEARER = re.compile(r"(?i)(bearer\s+|\bsk-|\bkey-)[\w.\-*]{6,}")


def refusal(
    status: int,
    headers: Mapping[bytes, bytes],
    body: bytes,
    *,
    key_env: str | None,
    secret: str = "",
) -> ExpertError:
    """The error for a response whose status is not 200.

    Parameters
    ----------
    key_env : the environment variable that holds the key, named when the key is refused.
    secret : cut out of the message, should the upstream have repeated it.
    """
    if status in (401, 403):
        cure = f"check the key in ${key_env}" if key_env else "set api_key_env"
        return ExpertUnavailable(f"The upstream refused the credentials ({status}): {cure}.")
    error = _error_object(body)
    message = _message(error, secret)
    if status == 429:
        return ExpertOverloaded(
            f"The upstream is overloaded (429). {message}".rstrip(),
            retry_after=retry_after(headers.get(b"retry-after", b"")),
        )
    if status == 408:
        return ExpertTimeout("The upstream took too long to read the request (408).")
    if status in (402, 409, 425) or status >= 500:
        return ExpertUnavailable(f"The upstream failed ({status}). {message}".rstrip())
    if 400 <= status < 500 and error is not None:
        return rejection(status, error, message)
    where = " No OpenAI API there: check base_url." if status in (301, 302, 307, 308, 404) else ""
    return BadUpstream(f"The upstream answered with status {status}.{where}")


def rejection(status: int, error: Mapping[str, Any], message: str) -> RequestRejected:
    """The request is at fault, and the client should read why."""
    code, param = error.get("code"), error.get("param")
    long = code == "context_length_exceeded" or "maximum context length" in message
    kind = ContextTooLong if long else RequestRejected
    return kind(
        message or f"The upstream rejected the request ({status}).",
        status=status,
        param=param if isinstance(param, str) else None,
        code=code if isinstance(code, str) else None,
    )


def error_in_answer(error: object, secret: str = "") -> ExpertError:
    """The error for an ``{"error": ...}`` where an answer should be: in a stream, or with a 200."""
    details = error if isinstance(error, dict) else {"message": str(error)}
    message = _message(details, secret)
    code = details.get("code", details.get("status"))
    if code in (429, "429", "rate_limit_exceeded"):
        return ExpertOverloaded(f"The upstream is overloaded. {message}".rstrip())
    if isinstance(code, int) and 400 <= code < 500 and code not in (401, 403, 408):
        return rejection(code, details, message)
    return ExpertFailed(f"The upstream broke off with an error. {message}".rstrip())


def retry_after(value: bytes) -> float | None:
    """Seconds from a Retry-After header: a number or a date (RFC 9110, section 10.2.3)."""
    text = value.decode("latin-1").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(text).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return min(max(seconds, 0.0), 86400.0) if seconds == seconds else None


def _error_object(body: bytes) -> dict[str, Any] | None:
    """The ``error`` of an error body; FastAPI's ``detail`` and a bare ``message`` pass too."""
    try:
        decoded = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(decoded, dict):
        return None
    error = decoded.get("error", decoded.get("detail", decoded.get("message")))
    if isinstance(error, dict):
        return error
    if isinstance(error, str):
        return {**decoded, "message": error}
    return {"message": orjson.dumps(error).decode()} if error else None


def _message(error: Mapping[str, Any] | None, secret: str) -> str:
    message = error.get("message") if error else None
    if not isinstance(message, str):
        return ""
    if secret:
        message = message.replace(secret, "[key]")
    message = _BEARER.sub("[key]", message)
    return message if len(message) <= MAX_MESSAGE else message[:MAX_MESSAGE] + " ..."
