"""From chunks to one JSON body, for a client that does not stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import orjson

from compose.pipeline import Answer
from experts.types import Chunk, Usage
from serving.forms import Choice, Form, usage_dict

__all__ = ["Stamp", "add_usage", "gather"]


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every object of one answer repeats; ``created`` is in seconds since the epoch."""

    form: Form
    id: str
    created: int
    model: str

    def head(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.form.prefix + self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
        }


async def gather(answer: Answer, stamp: Stamp) -> bytes:
    """The body: an upstream's own if it sent one whole, otherwise built from the chunks."""
    wire = answer.first.wire
    gathered = Gathered()
    gathered.add(answer.first)
    async with aclosing(answer.rest) as rest:
        await _read(rest, gathered)
    return wire if wire is not None else orjson.dumps(gathered.body(stamp))


async def _read(rest: AsyncGenerator[Chunk, None], gathered: Gathered) -> None:
    async for chunk in rest:
        gathered.add(chunk)


class Gathered:
    """The choices and the usage of one answer."""

    def __init__(self) -> None:
        self.choices: dict[int, Choice] = {}
        self.usage: Usage | None = None

    def add(self, chunk: Chunk) -> None:
        if chunk.usage is not None:
            self.usage = add_usage(self.usage, chunk.usage)
        choice = self.choices.get(chunk.index)
        if choice is None:
            choice = self.choices[chunk.index] = Choice()
        choice.add(chunk)

    def body(self, stamp: Stamp) -> dict[str, Any]:
        form = stamp.form
        return {
            **stamp.head(form.whole),
            "choices": [form.whole_choice(i, c) for i, c in sorted(self.choices.items())],
            "usage": usage_dict(self.usage),
        }


def add_usage(one: Usage | None, other: Usage) -> Usage:
    """Together; details cannot be added up without knowing them, so only a lone one keeps its."""
    if one is None:
        return other
    return Usage(
        one.prompt_tokens + other.prompt_tokens, one.completion_tokens + other.completion_tokens
    )
