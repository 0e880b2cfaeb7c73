"""OpenAI's request bodies: what is accepted, and how it becomes our own request.

The wire models are ``TypedDict``s rather than classes: what passes is then the parsed JSON itself,
with every field that is not listed here still in it, and an expert gets to see all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, NotRequired, Required

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict  # pydantic wants this one below Python 3.12

from experts.types import ChatRequest
from serving.errors import InvalidRequest
from serving.http.json_in import describe, parse_json

__all__ = ["ChatBody", "CompletionBody", "Wanted", "parse_chat", "parse_completion"]

MAX_CHOICES = 128
"""Largest ``n`` (OpenAI's own), and the most choices of one request over all its prompts."""

MAX_TOKENS = 1 << 20
"""Beyond the output limit of every known model: a larger number is a mistake."""

MAX_STOPS = 16
"""OpenAI allows 4; open-source servers allow more."""

_OPEN = ConfigDict(extra="allow", strict=True)
_CLOSED = ConfigDict(extra="forbid", strict=True)

Tokens = Annotated[int, Field(ge=1, le=MAX_TOKENS)]
Text = Annotated[str, StringConstraints(min_length=1)]
Penalty = Annotated[float, Field(ge=-2, le=2, description="-2 to 2")]


@with_config(_OPEN)
class Part(TypedDict):
    """One part of a message's content; which kinds an expert reads is the expert's to say."""

    type: Text
    text: NotRequired[str]


@with_config(_OPEN)
class Message(TypedDict):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: NotRequired[str | Annotated[list[Part], Field(min_length=1)] | None]
    tool_calls: NotRequired[list[dict[str, Any]] | None]


@with_config(_OPEN)
class StreamOptions(TypedDict):
    include_usage: NotRequired[bool | None]


@with_config(_CLOSED)
class Coterie(TypedDict):
    """What a client may ask of Coterie itself; never passed on to an expert."""

    trace: NotRequired[Annotated[bool, Field(description="add the trace to the answer")]]


@with_config(_OPEN)
class _Common(TypedDict, total=False):
    model: Required[Annotated[str, Field(min_length=1, description="a composition or an expert")]]
    max_tokens: Tokens | None
    temperature: Annotated[float, Field(ge=0, le=2)] | None
    top_p: Annotated[float, Field(gt=0, le=1)] | None
    top_k: Annotated[int, Field(ge=-1, le=1 << 20)] | None
    n: Annotated[int, Field(ge=1, le=MAX_CHOICES)] | None
    seed: Annotated[int, Field(ge=-(1 << 63), lt=1 << 63)] | None
    stop: Text | Annotated[list[Text], Field(max_length=MAX_STOPS)] | None
    stream: bool | None
    stream_options: StreamOptions | None
    presence_penalty: Penalty | None
    frequency_penalty: Penalty | None
    coterie: Coterie | None


@with_config(_OPEN)
class ChatBody(_Common, total=False):
    """Body of ``POST /v1/chat/completions``."""

    messages: Required[Annotated[list[Message], Field(min_length=1)]]
    max_completion_tokens: Tokens | None
    logprobs: bool | None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None


@with_config(_OPEN)
class CompletionBody(_Common, total=False):
    """Body of ``POST /v1/completions``; prompts are texts (arrays of token ids are refused)."""

    prompt: Required[Text | Annotated[list[Text], Field(min_length=1, max_length=MAX_CHOICES)]]
    logprobs: Annotated[int, Field(ge=0, le=20)] | None


_CHAT: TypeAdapter[Any] = TypeAdapter(ChatBody)
_COMPLETION: TypeAdapter[Any] = TypeAdapter(CompletionBody)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a body asks for: one request a prompt (a chat has one), and the form of the answer."""

    model: str
    requests: tuple[ChatRequest, ...]
    stream: bool
    include_usage: bool
    trace: bool


def parse_chat(raw: bytes) -> Wanted:
    """Body of a chat completion. Raises InvalidRequest, which names the field and the way out."""
    body = _validate(_CHAT, raw)
    messages = body.pop("messages")
    for place, message in enumerate(messages):
        if not isinstance(message.get("content"), str):
            _check_content(message, f"messages.{place}")
    limit = body.pop("max_tokens", None)
    wanted_limit = body.pop("max_completion_tokens", None)
    logprobs = body.pop("logprobs", None) or False
    top_logprobs = body.pop("top_logprobs", None) or 0
    if top_logprobs and not logprobs:
        raise InvalidRequest(
            "top_logprobs needs logprobs to be true.", param="top_logprobs", code="invalid_value"
        )
    own = _own_fields(body)
    request = ChatRequest(
        messages=messages,
        max_tokens=limit if wanted_limit is None else wanted_limit,
        logprobs=logprobs,
        top_logprobs=top_logprobs,
        **_sampling(body, own),
    )
    return Wanted(own.model, (request,), own.stream, own.include_usage, own.trace)


def parse_completion(raw: bytes) -> Wanted:
    """Body of a text completion. Raises InvalidRequest, like :func:`parse_chat`."""
    body = _validate(_COMPLETION, raw)
    prompt = body.pop("prompt")
    prompts = [prompt] if isinstance(prompt, str) else prompt
    logprobs = body.pop("logprobs", None)
    limit = body.pop("max_tokens", None)
    own = _own_fields(body)
    sampling = _sampling(body, own)
    if len(prompts) * sampling["n"] > MAX_CHOICES:
        raise InvalidRequest(
            f"{len(prompts)} prompts with n = {sampling['n']} are more than {MAX_CHOICES} choices;"
            " send them in several requests.",
            param="n",
        )
    requests = tuple(
        ChatRequest(
            prompt=text,
            max_tokens=limit,
            logprobs=logprobs is not None,
            top_logprobs=logprobs or 0,
            **sampling,
        )
        for text in prompts
    )
    return Wanted(own.model, requests, own.stream, own.include_usage, own.trace)


@dataclass(frozen=True, slots=True)
class _Own:
    model: str
    stream: bool
    include_usage: bool
    trace: bool


def _own_fields(body: dict[str, Any]) -> _Own:
    """Take out what concerns the form of the answer (``stream_options`` stays: engines read it)."""
    stream = body.pop("stream", None) or False
    options = body.get("stream_options")
    include_usage = stream and options is not None and bool(options.get("include_usage"))
    ours = body.pop("coterie", None)
    trace = ours is not None and ours.get("trace", False)
    return _Own(body.pop("model"), stream, include_usage, trace)


def _sampling(body: dict[str, Any], own: _Own) -> dict[str, Any]:
    """The fields that chats and completions share; what is left of ``body`` becomes ``extra``."""
    stop = body.pop("stop", None)
    top_k = body.pop("top_k", None)
    return {
        "temperature": body.pop("temperature", None),
        "top_p": body.pop("top_p", None),
        "top_k": top_k if top_k is not None and top_k > 0 else None,
        "seed": body.pop("seed", None),
        "n": body.pop("n", None) or 1,
        "stop": () if stop is None else (stop,) if isinstance(stop, str) else tuple(stop),
        "stream": own.stream,
        "extra": body,
    }


def _check_content(message: dict[str, Any], path: str) -> None:
    content = message.get("content")
    if content is None:
        called = message.get("tool_calls") or message.get("function_call")
        if message["role"] == "assistant" and called:
            return
        raise InvalidRequest(
            f"{path}.content is missing; only an assistant message with tool_calls may lack it.",
            param=f"{path}.content",
            code="missing_required_parameter",
        )
    for place, part in enumerate(content):
        kind = part["type"]
        needed = "text" if kind in ("text", "input_text") else kind
        if needed not in part and kind in ("text", "input_text", "image_url", "input_audio"):
            raise InvalidRequest(
                f"{path}.content.{place} is a part of type {kind!r} without {needed!r}.",
                param=f"{path}.content.{place}.{needed}",
                code="missing_required_parameter",
            )


def _validate(adapter: TypeAdapter[Any], raw: bytes) -> dict[str, Any]:
    value = parse_json(raw)
    try:
        body: dict[str, Any] = adapter.validate_python(value)
    except ValidationError as error:
        raise describe(error) from None
    return body
