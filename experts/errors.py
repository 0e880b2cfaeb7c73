"""What can go wrong with an expert.

::

    ExpertError
    +-- ExpertUnavailable       could not be reached, or is shutting down (try another)
    |   +-- CircuitOpen         failed too often lately and is being left alone
    |   +-- ExpertOverloaded    has no free place; may carry ``retry_after`` seconds
    +-- ExpertTimeout           took longer than its limit to the next token
    +-- BadUpstream             answered with something that is not the protocol
    +-- ExpertFailed            broke while answering
    +-- RequestRejected         the request itself is wrong: another try will not help
        +-- ContextTooLong      prompt (and max_tokens) exceed the context length
        +-- UnsupportedContent  a modality or parameter that this expert does not have
    ConfigError                 an expert's configuration cannot work (raised when building)
"""

from __future__ import annotations

__all__ = [
    "BadUpstream",
    "CircuitOpen",
    "ConfigError",
    "ContextTooLong",
    "ExpertError",
    "ExpertFailed",
    "ExpertOverloaded",
    "ExpertTimeout",
    "ExpertUnavailable",
    "RequestRejected",
    "UnsupportedContent",
]


class ExpertError(Exception):
    """Base of all errors of experts.

    ``expert`` is the name of the expert concerned; the message names the cause and the way out, and
    holds neither keys nor prompts.
    """

    def __init__(self, message: str, *, expert: str = "") -> None:
        super().__init__(message)
        self.expert = expert


class ExpertUnavailable(ExpertError):
    pass


class CircuitOpen(ExpertUnavailable):
    pass


class ExpertOverloaded(ExpertUnavailable):
    def __init__(self, message: str, *, expert: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, expert=expert)
        self.retry_after = retry_after


class ExpertTimeout(ExpertError):
    pass


class BadUpstream(ExpertError):
    pass


class ExpertFailed(ExpertError):
    pass


class RequestRejected(ExpertError):
    """``status`` is an upstream's own HTTP status (400 when the expert found out itself);
    ``param`` names the field of the request, ``code`` is OpenAI's error code."""

    def __init__(
        self,
        message: str,
        *,
        expert: str = "",
        status: int = 400,
        param: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message, expert=expert)
        self.status = status
        self.param = param
        self.code = code


class ContextTooLong(RequestRejected):
    pass


class UnsupportedContent(RequestRejected):
    pass


class ConfigError(Exception):
    """An expert cannot be built as configured. ``path`` is the key inside its settings."""

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(message)
        self.path = path
