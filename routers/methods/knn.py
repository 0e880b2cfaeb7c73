"""k nearest neighbours: an expert will do as well as it did on the most similar queries."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from routers.base import EmbeddingRouter, State, column_means
from routers.embed import DEFAULT_EMBEDDER, Embedder
from routers.errors import ConfigError, DataError
from routers.references import References
from routers.types import Floats, Outcomes

__all__ = ["KnnRouter"]


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
    references_ : all training queries; grows by ``add`` and shrinks by ``forget`` without refitting
    """

    remembers: ClassVar[int | None] = None

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

    def add(self, outcomes: Outcomes) -> Self:
        """Remember more outcomes of the same experts (in any order of columns)."""
        self._require_fitted()
        if set(outcomes.experts) != set(self.experts_):
            raise DataError("references must be outcomes of the experts that the router knows")
        columns = [outcomes.experts.index(expert) for expert in self.experts_]
        more = References.of(outcomes, self._embed(outcomes.prompts))
        more = dataclasses.replace(more, quality=more.quality[:, columns])
        self._remember(self.references_.joined(more))
        return self

    def forget(self, ids: Collection[str]) -> Self:
        """Drop references by id; ids that are not there are ignored, but one must remain."""
        self._require_fitted()
        kept = self.references_.without(ids)
        if not len(kept) or np.isnan(kept.quality).all():
            raise DataError("a kNN router cannot forget everything that it knows")
        self._remember(kept)
        return self

    def _remember(self, references: References) -> None:
        self.references_ = references
        self.mean_quality_ = column_means(references.quality)

    def _fit_vectors(self, vectors: Floats, outcomes: Outcomes) -> None:
        self._check_parameters()

    def _check_parameters(self) -> None:
        if self.k < 1 or self.temperature < 0 or self.shrink < 0:
            raise ConfigError("kNN needs k >= 1, temperature >= 0 and shrink >= 0")

    def _score_vectors(self, vectors: Floats) -> Floats:
        # Read once: another thread may add or forget references meanwhile.
        references = self.references_
        rows, similarity = references.nearest(vectors, self.k)
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

    def _state(self) -> State:
        return {}

    def _restore(self, state: State) -> None:
        self._check_parameters()
