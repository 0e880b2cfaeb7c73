"""Expected qualities that an operator wrote into the configuration: nothing is learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from routers.base import Router
from routers.errors import ConfigError
from routers.types import Floats, Query

__all__ = ["FixedRouter"]


class FixedRouter(Router):
    """Expects of each expert what it was told, 0.5 where it was told nothing.

    Raises ConfigError when a quality is given for an expert that is not there.
    """

    def __init__(self, experts: Sequence[str], scores: Mapping[str, float]) -> None:
        unknown = [name for name in scores if name not in experts]
        if unknown:
            known = ", ".join(experts)
            raise ConfigError(f"scores: there is no expert {unknown[0]!r}; there are: {known}")
        self.experts_ = tuple(experts)
        self._row = np.array([scores.get(name, 0.5) for name in experts], dtype=np.float32)

    def score(self, queries: Sequence[Query]) -> Floats:
        return np.tile(self._row, (len(queries), 1))
