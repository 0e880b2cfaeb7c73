"""The best single expert: what a router has to beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from routers.base import State, TrainableRouter
from routers.types import Floats, Outcomes, Query

__all__ = ["ConstantRouter"]


class ConstantRouter(TrainableRouter):
    """Expects of each expert its mean quality, whatever the query."""

    baseline = True

    def score(self, queries: Sequence[Query]) -> Floats:
        return np.tile(self.expected_if_unknown(), (len(queries), 1))

    def _fit(self, outcomes: Outcomes) -> None:
        """The means are all there is to learn."""

    def _state(self) -> State:
        return {}

    def _restore(self, state: State) -> None:
        """The means are restored already."""
