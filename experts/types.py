"""What goes into an expert and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ExpertInfo:
    """What others need to know of an expert without calling it.

    Prices are USD per million tokens; ``context_length`` is tokens of prompt and answer together
    (None: unknown, never checked); ``modalities`` are the content-part kinds that it accepts.
    """

    name: str
    skills: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ("text",)
    context_length: int | None = None
    price_in: float = 0.0
    price_out: float = 0.0
    description: str = ""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One request to one expert, already validated.

    A sampling field that is None takes the expert's own default. ``prompt`` set means a raw
    completion (no chat template) and ``messages`` is then empty. ``extra`` holds every other field
    that the client sent (tools, response_format, ...): engines that forward pass it on untouched.
    ``stream`` says whether the client reads a stream: an engine may fetch the whole answer at once
    when it is False, and then yields it as one chunk a choice.
    """

    messages: Sequence[Message] = ()
    prompt: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    n: int = 1
    logprobs: bool = False
    top_logprobs: int = 0
    stream: bool = True
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The text that a router reads: the last user message, or the raw prompt."""
        if self.prompt is not None:
            return self.prompt
        for message in reversed(self.messages):
            if message.get("role") == "user":
                return message_text(message)
        return message_text(self.messages[-1]) if self.messages else ""


def message_text(message: Message) -> str:
    """The text of one message: its content, or its text parts joined by newlines."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if not isinstance(content, Sequence):
        return ""
    parts = (part.get("text") for part in content if isinstance(part, Mapping))
    return "\n".join(part for part in parts if isinstance(part, str))


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request; ``details`` keeps what else an upstream reports (cached ...)."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(slots=True)
class Chunk:
    """One step of an answer, for one choice.

    ``logprobs`` is a list in OpenAI's ``logprobs.content`` layout, one entry a token of this text.
    ``delta`` holds what a message has besides its text (tool_calls, reasoning_content ...).
    ``usage`` comes once, with or after the last chunk. ``expert`` is set on the first chunk by an
    expert that wraps others, to say which of them answers.

    ``wire`` is what an OpenAI-compatible upstream sent for this chunk, byte for byte and already
    validated, so that a server can relay it without writing it anew (and without losing a field
    that it does not know). Of a streamed request: whole server-sent events, each
    ``data: {...}\\n\\n``, one or several, never ``[DONE]``. Of one that is not streamed: the whole
    JSON body, on the first chunk (with n > 1 the other choices follow as chunks without ``wire``).
    None: there is no such form, build it from the other fields; a streamed chunk that has only
    ``usage``, and no ``wire``, is not for the client, who did not ask for usage. Whoever changes
    the other fields of a chunk sets ``wire`` to None.
    """

    text: str = ""
    index: int = 0
    finish_reason: str | None = None
    logprobs: list[dict[str, Any]] | None = None
    usage: Usage | None = None
    delta: Mapping[str, Any] | None = None
    expert: str | None = None
    wire: bytes | None = None
