"""Helpers for those who test an expert, ours or their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from experts.base import Expert
from experts.types import ChatRequest, Chunk

__all__ = ["ask", "read", "text_of", "until"]


def ask(text: str = "hi", **fields: Any) -> ChatRequest:
    """A request of one user message."""
    return ChatRequest(messages=[{"role": "user", "content": text}], **fields)


async def read(expert: Expert, request: ChatRequest) -> list[Chunk]:
    """All chunks of an answer."""
    return [chunk async for chunk in expert.chat(request)]


def text_of(chunks: list[Chunk], index: int = 0) -> str:
    """The text of one choice."""
    return "".join(chunk.text for chunk in chunks if chunk.index == index)


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait until something holds. Raises TimeoutError when it does not come to hold."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - any condition, not only an event's
            await asyncio.sleep(0.002)
