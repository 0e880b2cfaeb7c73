"""The fake for tests and demonstrations: answers from a script, and fails as it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import ClassVar, Literal

from pydantic import Field

from experts import errors
from experts.checks import check_content, check_sampling
from experts.config import Settings
from experts.engines.text import StopMatcher, words
from experts.errors import ConfigError, ExpertUnavailable
from experts.types import ChatRequest, Chunk, ExpertInfo, Usage

__all__ = ["ScriptedExpert", "ScriptedSettings"]

Reply = Callable[[ChatRequest], str]
ErrorName = Literal[
    "BadUpstream",
    "ContextTooLong",
    "ExpertFailed",
    "ExpertOverloaded",
    "ExpertTimeout",
    "ExpertUnavailable",
    "RequestRejected",
    "UnsupportedContent",
]


class ScriptedSettings(Settings):
    """``replies``: one text for all, a list answered in turn, or a mapping from the request's text
    (key ``*``: any other). Delays are seconds. A chunk is about a word."""

    replies: str | tuple[str, ...] | dict[str, str] = "ok"
    first_delay: float = Field(default=0.0, ge=0, description="before the first chunk")
    delay: float = Field(default=0.0, ge=0, description="before every further chunk")
    error: ErrorName | None = Field(default=None, description="an error of experts.errors to raise")
    error_after: int = Field(default=0, ge=0, description="chunks that are sent before the error")
    error_times: int | None = Field(default=None, ge=1, description="calls that fail; None: all")
    hang_after: int | None = Field(default=None, ge=0, description="chunks, then silence for ever")


class ScriptedExpert:
    """Answers from a script.

    Parameters
    ----------
    info, settings
        As for every engine.
    reply
        Computes the answer instead of ``settings.replies``.
    exception
        Raised instead of ``settings.error``: any exception, not only an ExpertError.

    Attributes
    ----------
    requests : list of ChatRequest
        Every request, in order of arrival.
    active, finished, cancelled : int
        Answers under way, read to their end, and given up by the reader.
    started, closed : int
        Calls of ``start`` and ``close``.
    """

    Settings: ClassVar[type[ScriptedSettings]] = ScriptedSettings

    def __init__(
        self,
        info: ExpertInfo,
        settings: ScriptedSettings | None = None,
        *,
        reply: Reply | None = None,
        exception: BaseException | None = None,
    ) -> None:
        self.info = info
        self.settings = settings or ScriptedSettings()
        if isinstance(self.settings.replies, tuple) and not self.settings.replies:
            raise ConfigError("replies is empty; give at least one answer", path="replies")
        self._reply = reply or self._from_settings
        self._exception = exception
        self._failed = self._turn = 0
        self.requests: list[ChatRequest] = []
        self.active = self.finished = self.cancelled = 0
        self.started = self.closed = 0

    @property
    def calls(self) -> int:
        return len(self.requests)

    async def start(self) -> None:
        self.started += 1

    async def close(self) -> None:
        self.closed += 1

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        if self.closed:
            raise ExpertUnavailable(f"expert {self.info.name!r} is closed", expert=self.info.name)
        check_content(request, self.info)
        check_sampling(request, self.info.name)
        self.requests.append(request)
        self.active += 1
        done = False
        try:
            script = self._script(request)
            for position, chunk in enumerate(script):
                await self._stage_directions(position)
                done = position == len(script) - 1
                yield chunk
        except GeneratorExit:
            self.cancelled += not done
            raise
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.active -= 1
            self.finished += done

    def _script(self, request: ChatRequest) -> list[Chunk]:
        """All chunks of the answer: choice after choice, usage with the last."""
        chunks: list[Chunk] = []
        completion = 0
        for index in range(request.n):
            matcher = StopMatcher(request.stop)
            text = self._reply(request)
            pieces = words(matcher.feed(text) + matcher.flush())
            finish = "stop"
            if request.max_tokens is not None and len(pieces) > request.max_tokens:
                pieces = pieces[: request.max_tokens]
                finish = "length"
            completion += len(pieces)
            choice = [Chunk(piece, index) for piece in pieces] or [Chunk("", index)]
            choice[-1].finish_reason = finish
            chunks += choice
        chunks[-1].usage = Usage(len(words(request.text)), completion)
        return chunks

    async def _stage_directions(self, position: int) -> None:
        """Wait, hang or fail before the chunk at ``position``, as the settings say."""
        settings = self.settings
        wait = settings.delay if position else settings.first_delay
        if wait:
            await asyncio.sleep(wait)
        if settings.hang_after == position:
            await asyncio.Event().wait()
        if position == settings.error_after:
            self._maybe_fail()

    def _maybe_fail(self) -> None:
        settings = self.settings
        if settings.error is None and self._exception is None:
            return
        if settings.error_times is not None and self._failed >= settings.error_times:
            return
        self._failed += 1
        if self._exception is not None:
            raise self._exception
        kind: type[errors.ExpertError] = getattr(errors, settings.error or "")
        raise kind(f"expert {self.info.name!r} fails as scripted", expert=self.info.name)

    def _from_settings(self, request: ChatRequest) -> str:
        replies = self.settings.replies
        if isinstance(replies, str):
            return replies
        if isinstance(replies, Mapping):
            text = request.text.strip()
            return replies.get(text, replies.get("*", ""))
        self._turn += 1
        return replies[(self._turn - 1) % len(replies)]
