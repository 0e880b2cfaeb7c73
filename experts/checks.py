"""Checks that in-process engines make on a request, with messages that say the way out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from experts.errors import RequestRejected, UnsupportedContent
from experts.types import ChatRequest, ExpertInfo

__all__ = ["MAX_N", "check_content", "check_extra", "check_sampling"]

MAX_N = 128
"""OpenAI's own upper bound of ``n``."""

MAX_STOP = 16
"""OpenAI allows 4 stop strings; some clients send more, nobody needs hundreds."""

# Field -> values that ask for nothing. Any other value would change the answer, and an engine that
# does not have the field must say so instead of answering something else.
_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "audio": (),
    "best_of": (1,),
    "echo": (False,),
    "frequency_penalty": (0,),
    "function_call": ("none", "auto"),
    "functions": ([],),
    "guided_json": (),
    "guided_regex": (),
    "logit_bias": ({},),
    "min_p": (0,),
    "modalities": (["text"],),
    "presence_penalty": (0,),
    "repetition_penalty": (1,),
    "suffix": ("",),
    "tool_choice": ("none", "auto"),
    "tools": ([],),
}


def check_extra(extra: Mapping[str, Any], expert: str) -> None:
    """Reject fields that would change the answer; ``user``, ``metadata``, ``store`` ... pass."""
    for name, neutral in _NEUTRAL.items():
        value = extra.get(name)
        if value is not None and value not in neutral:
            raise UnsupportedContent(
                f"expert {expert!r} does not support {name!r}; leave it out or ask another model",
                expert=expert,
                param=name,
                code="unsupported_parameter",
            )
    wanted = extra.get("response_format")
    kind = wanted.get("type") if isinstance(wanted, Mapping) else wanted
    if kind not in (None, "text"):
        raise UnsupportedContent(
            f"expert {expert!r} answers in plain text and has no response_format {kind!r}",
            expert=expert,
            param="response_format",
            code="unsupported_parameter",
        )


def check_content(request: ChatRequest, info: ExpertInfo) -> None:
    """Reject content parts of a kind that the expert does not have, and an empty request."""
    if request.prompt is None and not request.messages:
        raise RequestRejected("messages is empty", expert=info.name, param="messages")
    for message in request.messages:
        content = message.get("content")
        if isinstance(content, str) or not isinstance(content, Sequence):
            continue
        for part in content:
            kind = part.get("type", "text") if isinstance(part, Mapping) else type(part).__name__
            if _modality(kind) not in info.modalities:
                raise UnsupportedContent(
                    f"expert {info.name!r} does not read {kind!r} parts, "
                    f"only: {', '.join(info.modalities)}",
                    expert=info.name,
                    param="messages",
                    code="unsupported_content",
                )


def _modality(kind: str) -> str:
    """``image_url`` and ``input_image`` are images: a modality is named without its transport."""
    return kind.removeprefix("input_").removesuffix("_url")


def check_sampling(request: ChatRequest, expert: str, max_n: int = MAX_N) -> None:
    """Reject sampling fields outside their range."""
    _in_range("n", request.n, 1, max_n, expert)
    _in_range("max_tokens", request.max_tokens, 1, None, expert)
    _in_range("temperature", request.temperature, 0.0, 2.0, expert)
    _in_range("top_p", request.top_p, 0.0, 1.0, expert)
    _in_range("top_k", request.top_k, -1, None, expert)
    _in_range("top_logprobs", request.top_logprobs, 0, 20, expert)
    if len(request.stop) > MAX_STOP:
        raise RequestRejected(
            f"stop has {len(request.stop)} strings, at most {MAX_STOP} are read",
            expert=expert,
            param="stop",
        )


def _in_range(name: str, value: float | None, low: float, high: float | None, expert: str) -> None:
    if value is None:
        return
    # Written so that NaN, which compares false with everything, is rejected too.
    if value >= low and (high is None or value <= high):
        return
    bounds = f"at least {low:g}" if high is None else f"between {low:g} and {high:g}"
    raise RequestRejected(
        f"{name} must be {bounds}, got {value:g}",
        expert=expert,
        param=name,
        code="invalid_value",
    )
