"""The protocol of strategies."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Protocol

from compose.trace import Trace
from experts.base import Expert
from experts.types import ChatRequest, Chunk
from routers.types import Decision


class Strategy(Protocol):
    """Turns a decision into one answer.

    ``run`` sets ``trace.expert`` before its first chunk and records every call in the trace. When
    it is closed early it closes every expert stream that it opened.
    """

    name: str

    def run(
        self, request: ChatRequest, decision: Decision, experts: Mapping[str, Expert], trace: Trace
    ) -> AsyncGenerator[Chunk, None]: ...
