"""Runs a request through a composition: route, call, answer. No I/O of its own."""

from __future__ import annotations

import difflib
import secrets
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass

from compose.errors import UnknownModel
from compose.scoring import Scorer
from compose.strategies.base import Strategy
from compose.strategies.single import Single, SingleSettings
from compose.trace import Trace
from experts.base import Expert
from experts.errors import ExpertFailed
from experts.types import ChatRequest, Chunk
from routers.config import GateConfig
from routers.gate import decide
from routers.types import Decision, Query


@dataclass(frozen=True, slots=True)
class Composition:
    """A named router + gate + strategy. ``costs``: expert -> expected USD a request."""

    name: str
    scorer: Scorer
    gate: GateConfig
    strategy: Strategy
    costs: Mapping[str, float]


@dataclass(slots=True)
class Answer:
    """A started answer: its first chunk has come, so who answers is known (``trace.expert``).

    ``rest`` yields the chunks after ``first``; a reader that stops early must ``aclose()`` it.
    """

    trace: Trace
    first: Chunk
    rest: AsyncGenerator[Chunk, None]


class Pipeline:
    """Every expert by its own name, and every composition by its name."""

    def __init__(
        self, experts: Mapping[str, Expert], compositions: Mapping[str, Composition]
    ) -> None:
        self.experts = dict(experts)
        self.compositions = dict(compositions)
        self._alone = Single(SingleSettings(tries=1))

    async def run(self, request: ChatRequest, model: str, trace: Trace | None = None) -> Answer:
        """Decide, call, and wait for the first chunk.

        A caller that hands in its own ``trace`` still knows what was tried when this raises
        UnknownModel, or the ExpertError of the last expert that was tried.
        """
        if trace is None:
            trace = Trace(id=secrets.token_hex(12))
        if model in self.experts:
            trace.strategy = self._alone.name
            decision = Decision((model,), (1.0,), (model,), reason="named by the request")
            chunks = self._alone.run(request, decision, self.experts, trace)
        else:
            composition = self.compositions.get(model)
            if composition is None:
                raise UnknownModel(model, self.nearest(model))
            trace.composition, trace.strategy = model, composition.strategy.name
            decision = await self.decide(request, composition, trace)
            chunks = composition.strategy.run(request, decision, self.experts, trace)
        try:
            first = await anext(chunks)
        except StopAsyncIteration:
            raise ExpertFailed("The expert ended its answer without a single chunk.") from None
        return Answer(trace, first, chunks)

    async def decide(
        self, request: ChatRequest, composition: Composition, trace: Trace | None = None
    ) -> Decision:
        """Whom the composition would ask, without asking."""
        start = time.perf_counter()
        text = request.text
        row = await composition.scorer.score(Query(text))
        scores = dict(zip(composition.scorer.router.experts_, row.tolist(), strict=True))
        decision = decide(composition.gate, scores, composition.costs, text=text)
        if trace is not None:
            trace.decision = decision
            trace.decision_ms = 1e3 * (time.perf_counter() - start)
        return decision

    def nearest(self, model: str) -> list[str]:
        names = [*self.compositions, *self.experts]
        return difflib.get_close_matches(model[:80], names, n=3, cutoff=0.3) or names[:3]

    async def start(self) -> None:
        """Load experts and embedders, so that no request pays for it."""
        for composition in self.compositions.values():
            await composition.scorer.start()
        for expert in self.experts.values():
            await expert.start()

    async def close(self) -> None:
        for composition in self.compositions.values():
            composition.scorer.close()
        for expert in self.experts.values():
            await expert.close()
