"""A random expert for each query: the other line that a router has to beat."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from routers.base import State, TrainableRouter
from routers.types import Floats, Outcomes, Query

__all__ = ["RandomRouter"]


class RandomRouter(TrainableRouter):
    """Scores drawn from [0, 1] by a hash of seed, expert and text.

    The same query gets the same expert every time and in every process; the order of experts and
    the rest of the batch play no part.

    Parameters
    ----------
    seed : another seed draws other scores
    """

    baseline = True

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def score(self, queries: Sequence[Query]) -> Floats:
        self._require_fitted()
        rows = [[self._draw(expert, query.text) for expert in self.experts_] for query in queries]
        return np.asarray(rows, dtype=np.float32).reshape(len(queries), len(self.experts_))

    def _draw(self, expert: str, text: str) -> float:
        message = f"{self.seed}\0{expert}\0{text}".encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(message, digest_size=4).digest()
        return int.from_bytes(digest, "big") / 2**32

    def _fit(self, outcomes: Outcomes) -> None:
        """Nothing to learn but the names of the experts."""

    def _state(self) -> State:
        return {}

    def _restore(self, state: State) -> None:
        """Nothing was learned."""
