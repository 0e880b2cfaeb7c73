"""OpenAI's answers, whole and streamed, as chunks that keep the wire form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from experts.engines.http.sse import EventReader
from experts.engines.openai_errors import error_in_answer
from experts.errors import BadUpstream
from experts.types import Chunk, Usage, message_text

_PLAIN = frozenset(("role", "content"))  # what of a message is in Chunk.text, or implied


def whole_answer(body: bytes, secret: str = "") -> Iterator[Chunk]:
    """One chunk a choice; the first carries the body as ``wire``, the last the usage.

    Raises BadUpstream if it is not a chat completion or completion, and what
    :func:`error_in_answer` makes of an error that came with status 200.
    """
    answer = _decode(body)
    if answer.get("error"):
        raise error_in_answer(answer["error"], secret)
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices:
        raise BadUpstream("The upstream's answer has no choices.")
    usage = _usage(answer.get("usage"))
    for place, choice in enumerate(choices):
        chunk = _chunk(choice, "message")
        if place == 0:
            chunk.wire = body
        if place == len(choices) - 1:
            chunk.usage = usage
        yield chunk


class StreamedAnswer:
    """Turns the events of one stream into chunks, and knows whether it ended as it should.

    Events that come together and have nothing but text become one chunk, so that a slow reader
    pays for a read and not for a token.

    Parameters
    ----------
    reader : cuts the stream into events.
    relay_usage : the client asked for usage itself: the usage event is relayed too.
    """

    def __init__(self, reader: EventReader, *, relay_usage: bool, secret: str = "") -> None:
        self.done = False  # [DONE] has come
        self._reader = reader
        self._relay_usage = relay_usage
        self._secret = secret
        self._finished = False
        self._usage: Usage | None = None  # seen, not handed out yet

    def feed(self, data: bytes) -> Iterator[Chunk]:
        """The chunks of the events that these bytes complete.

        Raises BadUpstream for an event that is no chunk, or the error that the upstream sent. Text
        that came in the same read, just before it, goes unsaid: if that was the whole answer so
        far, another expert can still be asked.
        """
        held: Chunk | None = None
        wires: list[bytes] = []
        for event in self._reader.feed(data):
            if event == b"[DONE]":
                self.done = True
                break
            chunk = self._event(event)
            if held is not None and _joins(held, chunk):
                held.text += chunk.text
                held.finish_reason = chunk.finish_reason
                wires.append(chunk.wire or b"")
                continue
            if held is not None:
                held.wire = b"".join(wires) or None
                yield held
            held, wires = chunk, [chunk.wire or b""]
        if held is not None:
            held.wire = b"".join(wires) or None
            yield held

    def end(self) -> Iterator[Chunk]:
        """What is still to hand out. Raises BadUpstream if the stream was cut short."""
        if not self.done and (self._reader.rest or not self._finished):
            raise BadUpstream("The upstream's stream ended before its answer did.")
        if self._usage is not None:
            yield Chunk(usage=self._usage)

    def _event(self, data: bytes) -> Chunk:
        event = _decode(data)
        if event.get("error"):
            raise error_in_answer(event["error"], self._secret)
        wire = b"data: %b\n\n" % (data.replace(b"\n", b" ") if b"\n" in data else data)
        usage = event.get("usage")
        if usage is not None:
            self._usage = _usage(usage)
        choices = event.get("choices")
        if choices:
            if not isinstance(choices, list):
                raise BadUpstream("The upstream's event has choices that are no list.")
            return self._choices(choices, wire)
        if usage is None:  # a provider's own, such as the filter results of the prompt
            return Chunk(wire=wire)
        chunk = Chunk(usage=self._usage, wire=wire if self._relay_usage else None)
        self._usage = None
        return chunk

    def _choices(self, choices: list[Any], wire: bytes) -> Chunk:
        first, *others = (_chunk(choice, "delta") for choice in choices)
        for chunk in (first, *others):
            self._finished |= chunk.finish_reason is not None
        if others:  # unheard of; the text of the first stands for them, the wire has them all
            first.delta = {**(first.delta or {}), "other_choices": choices[1:]}
        first.wire = wire
        return first


def _joins(held: Chunk, chunk: Chunk) -> bool:
    """Whether nothing is lost when two chunks become one."""
    return (
        held.index == chunk.index
        and held.finish_reason is None
        and held.usage is chunk.usage is None
        and held.delta is chunk.delta is None
        and held.logprobs is chunk.logprobs is None
    )


def _decode(data: bytes) -> dict[str, Any]:
    try:
        decoded = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise BadUpstream("The upstream sent something that is not JSON.") from None
    if not isinstance(decoded, dict):
        raise BadUpstream("The upstream sent JSON that is not an object.")
    return decoded


def _chunk(choice: Any, field: str) -> Chunk:
    """A choice of a chat completion (``message`` or ``delta``) or of a completion (``text``)."""
    if not isinstance(choice, dict):
        raise BadUpstream("The upstream's answer has a choice that is not an object.")
    message = choice.get(field)
    if message is None:
        message, text = {}, choice.get("text") or ""
    elif isinstance(message, dict):
        text = message.get("content") or ""
    else:
        raise BadUpstream(f"The upstream's {field} is not an object.")
    if not isinstance(text, str):
        text = message_text(message)
    index = choice.get("index", 0)
    chunk = Chunk(
        text,
        index if isinstance(index, int) else 0,
        choice.get("finish_reason"),
    )
    if not message.keys() <= _PLAIN:
        chunk.delta = {k: v for k, v in message.items() if k not in _PLAIN and v is not None}
        chunk.delta = chunk.delta or None
    if choice.get("logprobs"):
        chunk.logprobs = _logprobs(choice["logprobs"])
    return chunk


def _logprobs(logprobs: Any) -> list[dict[str, Any]] | None:
    """Chat's ``content`` list; a completion's parallel lists are turned into the same layout."""
    if not isinstance(logprobs, dict):
        return None
    content = logprobs.get("content")
    if isinstance(content, list):
        return content
    tokens = logprobs.get("tokens") or []
    values = logprobs.get("token_logprobs") or []
    tops = logprobs.get("top_logprobs") or [None] * len(tokens)
    return [
        {
            "token": token,
            "logprob": value,
            "bytes": list(str(token).encode()),
            "top_logprobs": [
                {"token": other, "logprob": score, "bytes": list(other.encode())}
                for other, score in (top or {}).items()
            ],
        }
        for token, value, top in zip(tokens, values, tops, strict=False)
    ]


def _usage(usage: Any) -> Usage | None:
    if not isinstance(usage, Mapping):
        return None
    details = {
        name: value
        for name, value in usage.items()
        if name not in ("prompt_tokens", "completion_tokens", "total_tokens") and value is not None
    }
    return Usage(_count(usage, "prompt_tokens"), _count(usage, "completion_tokens"), details)


def _count(usage: Mapping[str, Any], name: str) -> int:
    value = usage.get(name)
    return value if isinstance(value, int) and value >= 0 else 0
