"""The best single expert: what a router has to beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np

from routers.base import State, TrainableRouter
from routers.types import Floats, Outcomes, Query

__all__ = ["ConstantRouter"]


class ConstantRouter(TrainableRouter):
    """Expects of each expert its mean quality, whatever the query."""

    baseline = True

    @classmethod
    def of(cls, quality: Mapping[str, float]) -> Self:
        """A router with these expectations, that nobody had to train."""
        router = cls()
        router.experts_ = tuple(quality)
        router.mean_quality_ = np.asarray(list(quality.values()), dtype=np.float32)
        router.mean_cost_ = np.full(len(quality), np.nan, dtype=np.float32)
        return router

    def score(self, queries: Sequence[Query]) -> Floats:
        return np.tile(self.expected_if_unknown(), (len(queries), 1))

    def _fit(self, outcomes: Outcomes) -> None:
        """The means are all there is to learn."""

    def _state(self) -> State:
        return {}

    def _restore(self, state: State) -> None:
        """The means are restored already."""
