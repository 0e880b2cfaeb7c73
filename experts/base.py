"""The one protocol that every expert follows: engines, and the wrappers around them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol, runtime_checkable

from experts.types import ChatRequest, Chunk, ExpertInfo


@runtime_checkable
class Expert(Protocol):
    """Something that answers chat requests. An expert is a transport and nothing more.

    ``chat`` returns an async generator; whoever stops reading early must ``aclose()`` it, and the
    expert then stops generating and frees what the request held. It raises a subclass of
    :class:`experts.errors.ExpertError`, and nothing else.
    """

    @property
    def info(self) -> ExpertInfo: ...

    def chat(self, request: ChatRequest) -> AsyncGenerator[Chunk, None]: ...

    async def start(self) -> None:
        """Get ready to answer (load weights, open pools). Called once, before the first chat."""

    async def close(self) -> None:
        """Free everything. Called once; requests in flight end with an error."""
