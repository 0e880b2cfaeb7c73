"""What a router reads, learns from and leads to."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Query:
    """What a router sees of a request."""

    text: str


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The training table: query x expert -> quality, cost, latency.

    Attributes
    ----------
    experts : names of the columns, length n_experts
    ids, sources, prompts : one a row, length n_queries
    quality : float32 [n_queries, n_experts] in [0, 1]; NaN where an expert was not asked
    cost : the same shape, USD; NaN where unknown
    latency : the same shape, seconds; NaN where unknown
    """

    experts: tuple[str, ...]
    ids: tuple[str, ...]
    sources: tuple[str, ...]
    prompts: tuple[str, ...]
    quality: Floats
    cost: Floats
    latency: Floats

    def __len__(self) -> int:
        return len(self.prompts)


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A training query that explains a score."""

    text: str
    source: str
    similarity: float
    quality: dict[str, float]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a gate decided: whom to ask, with which weights, and why.

    ``chosen`` and ``weights`` go together, best first; ``ranking`` lists every expert that could
    have been asked, best first, so that a strategy knows who comes next when one fails.
    """

    chosen: tuple[str, ...]
    weights: tuple[float, ...]
    ranking: tuple[str, ...]
    scores: dict[str, float] = field(default_factory=dict)
    reason: str = ""
