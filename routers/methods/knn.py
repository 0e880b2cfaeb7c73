"""k nearest neighbours: an expert will do as well as it did on the most similar queries."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from routers.base import EmbeddingRouter, State, column_means
from routers.embed import DEFAULT_EMBEDDER, Embedder
from routers.errors import ConfigError, DataError
from routers.types import Floats, Neighbour, Outcomes, Query

__all__ = ["KnnRouter", "References"]

_ROWS_AT_ONCE = 256
_ONE_BY_ONE = 32


@dataclass(frozen=True, slots=True)
class References:
    """The training queries that a kNN router remembers, row by row."""

    ids: tuple[str, ...]
    sources: tuple[str, ...]
    prompts: tuple[str, ...]
    vectors: Floats
    quality: Floats

    def __len__(self) -> int:
        return len(self.ids)


class KnnRouter(EmbeddingRouter):
    """Exact cosine kNN over the training queries.

    With the ``k`` nearest references, similarities s_i and weights w_i = exp((s_i - s_1) / T), the
    expected quality of expert e is::

        (sum_i w_i q_ie + shrink * mean_e) / (sum_i w_i + shrink)

    over the neighbours whose quality is known for e. An expert that no neighbour knows gets its
    mean. Simple kNN is hard to beat as a router on such tables: "Rethinking Predictive LLM Routing"
    (arXiv 2505.12601).

    Parameters
    ----------
    embedder : name of an embedder, or an embedder
    k : neighbours
    temperature : T; 0 weighs all neighbours alike
    shrink : how many neighbours the expert's mean counts for

    Attributes
    ----------
    references_ : what is remembered; grows by ``add`` and shrinks by ``forget`` without refitting
    """

    references_: References

    def __init__(
        self,
        embedder: str | Embedder = DEFAULT_EMBEDDER,
        k: int = 64,
        temperature: float = 0.2,
        shrink: float = 1.0,
    ) -> None:
        self.embedder = embedder
        self.k = k
        self.temperature = temperature
        self.shrink = shrink

    def explain(self, query: Query, k: int = 5) -> list[Neighbour]:
        self._require_fitted()
        if k < 1:
            return []
        references = self.references_
        rows, similarity = _nearest(references.vectors, self._embed([query.text]), k)
        return [
            self._neighbour(references, int(row), float(near))
            for row, near in zip(rows[0], similarity[0], strict=True)
        ]

    def add(self, outcomes: Outcomes) -> Self:
        """Remember more outcomes of the same experts (in any order of columns)."""
        self._require_fitted()
        if set(outcomes.experts) != set(self.experts_):
            raise DataError("references must be outcomes of the experts that the router knows")
        columns = [outcomes.experts.index(expert) for expert in self.experts_]
        old = self.references_
        taken = sorted(set(old.ids) & set(outcomes.ids))
        if taken:
            raise DataError(f"already a reference: {', '.join(taken[:5])}")
        self._remember(
            References(
                ids=old.ids + outcomes.ids,
                sources=old.sources + outcomes.sources,
                prompts=old.prompts + outcomes.prompts,
                vectors=np.concatenate([old.vectors, self._embed(outcomes.prompts)]),
                quality=np.concatenate([old.quality, outcomes.quality[:, columns]]),
            )
        )
        return self

    def forget(self, ids: Collection[str]) -> Self:
        """Drop references by id; ids that are not there are ignored, but one must remain."""
        self._require_fitted()
        old, gone = self.references_, set(ids)
        kept = [row for row, name in enumerate(old.ids) if name not in gone]
        if not kept or np.isnan(old.quality[kept]).all():
            raise DataError("a kNN router cannot forget everything that it knows")
        self._remember(
            References(
                ids=tuple(old.ids[row] for row in kept),
                sources=tuple(old.sources[row] for row in kept),
                prompts=tuple(old.prompts[row] for row in kept),
                vectors=old.vectors[kept],
                quality=old.quality[kept],
            )
        )
        return self

    def _remember(self, references: References) -> None:
        self.references_ = references
        self.mean_quality_ = column_means(references.quality)

    def _fit_vectors(self, vectors: Floats, outcomes: Outcomes) -> None:
        self._check_parameters()
        self.references_ = References(
            outcomes.ids, outcomes.sources, outcomes.prompts, vectors, outcomes.quality
        )

    def _check_parameters(self) -> None:
        if self.k < 1 or self.temperature < 0 or self.shrink < 0:
            raise ConfigError("kNN needs k >= 1, temperature >= 0 and shrink >= 0")

    def _score_vectors(self, vectors: Floats) -> Floats:
        # Read once: another thread may add or forget references meanwhile.
        references = self.references_
        rows, similarity = _nearest(references.vectors, vectors, self.k)
        quality = references.quality[rows]
        known = ~np.isnan(quality)
        weights = self._weights(similarity)[:, :, None] * known
        prior = self.expected_if_unknown()
        # The floor makes the mean stand in for an expert that no neighbour knows, at shrink 0 too.
        total = weights.sum(axis=1) + max(self.shrink, 1e-9)
        gained = (weights * np.where(known, quality, 0.0)).sum(axis=1)
        scores = (gained + max(self.shrink, 1e-9) * prior) / total
        return np.asarray(np.clip(scores, 0.0, 1.0), dtype=np.float32)

    def _weights(self, similarity: Floats) -> NDArray[np.float64]:
        gaps = (similarity - similarity[:, :1]).astype(np.float64)
        return np.exp(gaps / self.temperature) if self.temperature else np.ones_like(gaps)

    def _neighbour(self, references: References, row: int, similarity: float) -> Neighbour:
        known = zip(self.experts_, references.quality[row].tolist(), strict=True)
        return Neighbour(
            text=references.prompts[row],
            source=references.sources[row],
            similarity=similarity,
            quality={expert: quality for expert, quality in known if not np.isnan(quality)},
        )

    def _state(self) -> State:
        references = self.references_
        texts = [references.ids, references.sources, references.prompts]
        return {
            "texts": np.frombuffer(json.dumps(texts).encode(), dtype=np.uint8),
            "vectors": references.vectors,
            "quality": references.quality,
        }

    def _restore(self, state: State) -> None:
        self._check_parameters()
        ids, sources, prompts = json.loads(state["texts"].tobytes())
        vectors, quality = state["vectors"], state["quality"]
        rows = len(ids)
        if not rows == len(sources) == len(prompts):
            raise ValueError("ids, sources and prompts differ in number")
        if vectors.shape != (rows, self.dim_) or quality.shape != (rows, len(self.experts_)):
            raise ValueError("references and experts do not fit together")
        self.references_ = References(tuple(ids), tuple(sources), tuple(prompts), vectors, quality)


def _nearest(references: Floats, vectors: Floats, k: int) -> tuple[NDArray[np.intp], Floats]:
    """Rows and similarities [n_queries, min(k, n_references)], nearest first."""
    k = min(k, len(references))
    found = [
        _nearest_of(references, vectors[start : start + _ROWS_AT_ONCE], k)
        for start in range(0, len(vectors), _ROWS_AT_ONCE)
    ]
    return np.concatenate([rows for rows, _ in found]), np.concatenate([near for _, near in found])


def _nearest_of(references: Floats, vectors: Floats, k: int) -> tuple[NDArray[np.intp], Floats]:
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
