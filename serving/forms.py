"""The two shapes of an answer: a chat completion and a text completion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from experts.types import Chunk, Usage

__all__ = ["ChatForm", "Choice", "CompletionForm", "Form", "usage_dict"]

Json = dict[str, Any]


@dataclass(slots=True)
class Choice:
    """One choice of an answer, gathered from its chunks."""

    texts: list[str] = field(default_factory=list)
    logprobs: list[dict[str, Any]] | None = None
    finish_reason: str | None = None
    delta: Json = field(default_factory=dict)

    def add(self, chunk: Chunk) -> None:
        if chunk.text:
            self.texts.append(chunk.text)
        if chunk.logprobs is not None:
            self.logprobs = [*(self.logprobs or ()), *chunk.logprobs]
        if chunk.finish_reason is not None:
            self.finish_reason = chunk.finish_reason
        if chunk.delta:
            _merge(self.delta, chunk.delta)


class Form(Protocol):
    """How the objects of one endpoint look."""

    prefix: str
    whole: str
    piece: str

    def whole_choice(self, index: int, choice: Choice) -> Json:
        """A choice of an answer that is not streamed."""

    def opening(self, index: int) -> Json | None:
        """What a choice's stream starts with, before its first piece; None: nothing."""

    def piece_choice(self, chunk: Chunk, offset: int) -> Json:
        """One step of a stream; ``offset``: characters of this choice that were sent before."""


class ChatForm:
    """``chat.completion`` and ``chat.completion.chunk``."""

    prefix = "chatcmpl-"
    whole = "chat.completion"
    piece = "chat.completion.chunk"

    def whole_choice(self, index: int, choice: Choice) -> Json:
        text: str | None = "".join(choice.texts)
        if not text and choice.delta.get("tool_calls"):
            text = None
        message: Json = {"role": "assistant", "content": text, "refusal": None, **choice.delta}
        return {
            "index": index,
            "message": message,
            "logprobs": _chat_logprobs(choice.logprobs),
            "finish_reason": choice.finish_reason or "stop",
        }

    def opening(self, index: int) -> Json | None:
        delta = {"role": "assistant", "content": ""}
        return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}

    def piece_choice(self, chunk: Chunk, offset: int) -> Json:
        delta: Json = dict(chunk.delta) if chunk.delta else {}
        if chunk.text:
            delta["content"] = chunk.text
        return {
            "index": chunk.index,
            "delta": delta,
            "logprobs": _chat_logprobs(chunk.logprobs),
            "finish_reason": chunk.finish_reason,
        }


class CompletionForm:
    """``text_completion``, streamed or not."""

    prefix = "cmpl-"
    whole = piece = "text_completion"

    def whole_choice(self, index: int, choice: Choice) -> Json:
        return {
            "index": index,
            "text": "".join(choice.texts),
            "logprobs": _completion_logprobs(choice.logprobs, 0),
            "finish_reason": choice.finish_reason or "stop",
        }

    def opening(self, index: int) -> Json | None:
        return None

    def piece_choice(self, chunk: Chunk, offset: int) -> Json:
        return {
            "index": chunk.index,
            "text": chunk.text,
            "logprobs": _completion_logprobs(chunk.logprobs, offset),
            "finish_reason": chunk.finish_reason,
        }


def usage_dict(usage: Usage | None) -> Json | None:
    """OpenAI's usage object, with what else the upstream reported."""
    if usage is None:
        return None
    return {
        **usage.details,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
    }


def _chat_logprobs(entries: list[dict[str, Any]] | None) -> Json | None:
    return None if entries is None else {"content": entries, "refusal": None}


def _completion_logprobs(entries: list[dict[str, Any]] | None, offset: int) -> Json | None:
    """The older layout: four lists side by side, offsets in characters of the answer."""
    if entries is None:
        return None
    tokens = [str(entry.get("token", "")) for entry in entries]
    offsets = []
    for token in tokens:
        offsets.append(offset)
        offset += len(token)
    return {
        "tokens": tokens,
        "token_logprobs": [entry.get("logprob") for entry in entries],
        "top_logprobs": [
            {top["token"]: top["logprob"] for top in entry.get("top_logprobs") or ()}
            for entry in entries
        ],
        "text_offset": offsets,
    }


def _merge(into: Json, delta: Mapping[str, Any]) -> None:
    """Add a streamed delta to the message so far: texts grow, tool calls by their index."""
    for name, value in delta.items():
        old = into.get(name)
        if name == "tool_calls" and isinstance(value, list):
            into[name] = _merge_calls(old or [], value)
        elif isinstance(old, str) and isinstance(value, str) and name != "role":
            into[name] = old + value
        else:
            into[name] = value


def _merge_calls(calls: list[Json], pieces: list[Any]) -> list[Json]:
    for piece in pieces:
        place = piece.get("index", len(calls))
        while len(calls) <= place:
            calls.append({"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
        call, function = calls[place], piece.get("function") or {}
        call["id"] = piece.get("id") or call["id"]
        call["type"] = piece.get("type") or call["type"]
        call["function"]["name"] += function.get("name") or ""
        call["function"]["arguments"] += function.get("arguments") or ""
    return calls
