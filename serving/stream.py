"""From chunks to server-sent events (WHATWG HTML, section 9.2)."""

from __future__ import annotations

from typing import Any

import orjson

from experts.types import Chunk, Usage
from serving.answer import Stamp, add_usage
from serving.errors import HttpError
from serving.forms import usage_dict

__all__ = ["DONE", "Events", "error_event"]

DONE = b"data: [DONE]\n\n"


def error_event(error: HttpError) -> bytes:
    """The last event of a stream that broke: OpenAI's clients raise on it. No ``[DONE]`` follows,
    so that nobody takes half an answer for a whole one."""
    return _event(error.to_dict())


class Events:
    """Writes the events of one answer.

    What an upstream sent is relayed as it came (``Chunk.wire``); other chunks are written anew.
    """

    __slots__ = ("_head", "_include_usage", "_offsets", "_open", "_stamp", "_usage")

    def __init__(self, stamp: Stamp, include_usage: bool) -> None:
        self._stamp = stamp
        self._head = stamp.head(stamp.form.piece)
        self._include_usage = include_usage
        self._usage: Usage | None = None
        self._offsets: dict[int, int] = {}
        self._open: set[int] = set()

    def encode(self, chunk: Chunk) -> bytes:
        """The events of one chunk; empty if it has nothing for the client."""
        if chunk.wire is not None:
            return chunk.wire
        if chunk.usage is not None:
            self._usage = add_usage(self._usage, chunk.usage)
        nothing = not chunk.text and chunk.finish_reason is None and chunk.logprobs is None
        if nothing and not chunk.delta:
            return b""
        index, form = chunk.index, self._stamp.form
        offset = self._offsets.get(index)
        opening = b""
        if offset is None:
            offset = 0
            self._open.add(index)
            first = form.opening(index)
            opening = b"" if first is None else self._choice(first)
        self._offsets[index] = offset + len(chunk.text)
        if chunk.finish_reason is not None:
            self._open.discard(index)
        return opening + self._choice(form.piece_choice(chunk, offset))

    def end(self, coterie: dict[str, Any] | None) -> bytes:
        """What ends a stream: finish reasons that no chunk gave, usage and trace if they were
        asked for, and ``[DONE]``."""
        form = self._stamp.form
        parts = [
            self._choice(form.piece_choice(Chunk(index=index, finish_reason="stop"), 0))
            for index in sorted(self._open)
        ]
        if self._include_usage and self._usage is not None:
            parts.append(_event({**self._head, "choices": [], "usage": usage_dict(self._usage)}))
        if coterie is not None:
            parts.append(_event({**self._head, "choices": [], "coterie": coterie}))
        parts.append(DONE)
        return b"".join(parts)

    def _choice(self, choice: dict[str, Any]) -> bytes:
        return _event({**self._head, "choices": [choice]})


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"
