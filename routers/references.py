"""The training queries that a router remembers: to explain its scores, and for kNN to make them."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from routers.errors import DataError
from routers.types import Floats, Neighbour, Outcomes

__all__ = ["References"]

_ROWS_AT_ONCE = 256
_ONE_BY_ONE = 32

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class References:
    """Training queries, row by row; never changed in place, so that threads may share them.

    Attributes
    ----------
    ids, sources, prompts : one a row, length n
    vectors : float32 [n, dim], of unit length
    quality : float32 [n, n_experts]; NaN where an expert was not asked
    """

    ids: tuple[str, ...]
    sources: tuple[str, ...]
    prompts: tuple[str, ...]
    vectors: Floats
    quality: Floats

    @classmethod
    def of(cls, outcomes: Outcomes, vectors: Floats) -> Self:
        """All of ``outcomes``, with their embeddings."""
        return cls(outcomes.ids, outcomes.sources, outcomes.prompts, vectors, outcomes.quality)

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Sequence[int] | NDArray[np.intp]) -> Self:
        """Some of the rows, in the order given."""
        picked = [int(row) for row in rows]
        ids, sources, prompts = (
            tuple(column[row] for row in picked)
            for column in (self.ids, self.sources, self.prompts)
        )
        return type(self)(ids, sources, prompts, self.vectors[picked], self.quality[picked])

    def thinned(self, most: int) -> Self:
        """At most so many rows, evenly spread over all."""
        if len(self) <= most:
            return self
        return self.take(np.linspace(0, len(self) - 1, most).astype(np.intp))

    def joined(self, more: Self) -> Self:
        """These and ``more``. Raises DataError if one of them is known already."""
        taken = sorted(set(self.ids) & set(more.ids))
        if taken:
            raise DataError(f"already a reference: {', '.join(taken[:5])}")
        return type(self)(
            self.ids + more.ids,
            self.sources + more.sources,
            self.prompts + more.prompts,
            np.concatenate([self.vectors, more.vectors]),
            np.concatenate([self.quality, more.quality]),
        )

    def without(self, ids: Collection[str]) -> Self:
        """All but those; ids that are not there are ignored."""
        gone = set(ids)
        return self.take([row for row, name in enumerate(self.ids) if name not in gone])

    def nearest(self, vectors: Floats, k: int) -> tuple[NDArray[np.intp], Floats]:
        """Rows and cosine similarities [n_queries, min(k, n)] of the nearest, nearest first."""
        k = min(k, len(self))
        found = [
            _nearest(self.vectors, vectors[start : start + _ROWS_AT_ONCE], k)
            for start in range(0, len(vectors), _ROWS_AT_ONCE)
        ]
        return np.concatenate([rows for rows, _ in found]), np.concatenate([s for _, s in found])

    def explain(self, vector: Floats, experts: Sequence[str], k: int) -> list[Neighbour]:
        """The ``k`` nearest of one query's embedding [dim], and who answered them how well."""
        if k < 1:
            return []
        rows, similarity = self.nearest(vector[None], k)
        return [
            self._neighbour(int(row), float(near), experts)
            for row, near in zip(rows[0], similarity[0], strict=True)
        ]

    def _neighbour(self, row: int, similarity: float, experts: Sequence[str]) -> Neighbour:
        known = zip(experts, self.quality[row].tolist(), strict=True)
        return Neighbour(
            text=self.prompts[row],
            source=self.sources[row],
            similarity=similarity,
            quality={expert: quality for expert, quality in known if not np.isnan(quality)},
        )

    def arrays(self) -> Arrays:
        """As arrays, which is what an artifact holds."""
        texts = [self.ids, self.sources, self.prompts]
        return {
            "texts": np.frombuffer(json.dumps(texts).encode(), dtype=np.uint8),
            "vectors": self.vectors,
            "quality": self.quality,
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays, dim: int, n_experts: int) -> Self:
        """The inverse of :meth:`arrays`; raises KeyError or ValueError on what does not fit."""
        ids, sources, prompts = json.loads(arrays["texts"].tobytes())
        vectors, quality = arrays["vectors"], arrays["quality"]
        if not len(ids) == len(sources) == len(prompts):
            raise ValueError("ids, sources and prompts differ in number")
        if vectors.shape != (len(ids), dim) or quality.shape != (len(ids), n_experts):
            raise ValueError("references and experts do not fit together")
        return cls(
            tuple(ids),
            tuple(sources),
            tuple(prompts),
            vectors.astype(np.float32, copy=False),
            quality.astype(np.float32, copy=False),
        )


def _nearest(references: Floats, vectors: Floats, k: int) -> tuple[NDArray[np.intp], Floats]:
    # Rounded, because a product's last bits depend on how many rows are multiplied at once;
    # ties then go to the older reference, whoever shares the batch.
    similarity = np.round(_similarities(references, vectors), 5)
    bound = -np.partition(-similarity, k - 1, axis=1)[:, k - 1]
    rows = np.empty((len(vectors), k), dtype=np.intp)
    for at, row in enumerate(similarity):
        candidates = np.flatnonzero(row >= bound[at])
        rows[at] = candidates[np.argsort(-row[candidates], kind="stable")[:k]]
    return rows, np.take_along_axis(similarity, rows, axis=1)


def _similarities(references: Floats, vectors: Floats) -> Floats:
    if len(vectors) > _ONE_BY_ONE:
        return vectors @ references.T
    # A product of matrices wakes a thread for every core. For a few queries that gains nothing, and
    # on a busy machine waiting for those threads takes a hundred times as long as the arithmetic.
    return np.stack([np.vecdot(references, vector) for vector in vectors])
