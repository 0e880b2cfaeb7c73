"""The contract of all routers: scikit-learn's, with queries in and expected qualities out.

``__init__`` only stores its parameters, ``fit`` returns self, learned state ends in an underscore.
The few lines that scikit-learn's ``clone`` and ``get_params`` need are written out here, because
importing ``sklearn.base`` costs more than a second and nothing else of it is used.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from routers.embed import Embedder, make_embedder
from routers.errors import ArtifactError, ConfigError, DataError, NotFitted
from routers.references import References
from routers.types import Floats, Neighbour, Outcomes, Query

__all__ = ["EmbeddingRouter", "Router", "State", "TrainableRouter"]

State = dict[str, NDArray[Any]]

_REMEMBERED = "references."  # before the names of the references' arrays in a state


class Router(ABC):
    """Scores queries.

    Attributes
    ----------
    experts_ : names of the experts, in the order of the columns of ``score``
    """

    experts_: tuple[str, ...]

    @abstractmethod
    def score(self, queries: Sequence[Query]) -> Floats:
        """Expected quality of each expert's answer: float32 [n_queries, n_experts] in [0, 1].

        A row depends on its own query only, up to the rounding of a batched product. Raises
        :class:`NotFitted` before ``fit``.
        """

    def explain(self, query: Query, k: int = 5) -> list[Neighbour]:
        """Up to ``k`` training queries that explain the scores; none by default."""
        return []

    def warm(self) -> None:
        """Load whatever the first ``score`` would load, so that no request pays for it.

        Call it on the thread that will score.
        """
        self.score([Query("warm")])


class TrainableRouter(Router):
    """A router that learns from outcomes.

    A subclass gives ``_fit``, ``_state`` and ``_restore``; names in ``__init__`` are its parameters
    and must be what JSON can hold (an embedder is stored by its name).

    Attributes
    ----------
    mean_quality_ : float32 [n_experts], NaN for an expert without outcomes
    mean_cost_ : float32 [n_experts], USD a request, NaN where unknown
    """

    baseline: ClassVar[bool] = False
    """True for routers that do not look at the query: never a candidate of ``--router auto``."""

    mean_quality_: Floats
    mean_cost_: Floats

    @abstractmethod
    def _fit(self, outcomes: Outcomes) -> None:
        """Learn. ``experts_``, ``mean_quality_`` and ``mean_cost_`` are set already."""

    @abstractmethod
    def _state(self) -> State:
        """What was learned, as arrays, apart from what this class keeps itself."""

    @abstractmethod
    def _restore(self, state: State) -> None:
        """The inverse of ``_state``; raises KeyError or ValueError on what does not fit."""

    def fit(self, outcomes: Outcomes) -> Self:
        """Learn from outcomes; forgets what an earlier ``fit`` learned."""
        _check(outcomes)
        self.experts_ = outcomes.experts
        self.mean_quality_ = column_means(outcomes.quality)
        self.mean_cost_ = column_means(outcomes.cost)
        self._fit(outcomes)
        return self

    def state(self) -> State:
        """Everything learned, as arrays: what an artifact stores."""
        self._require_fitted()
        return {
            **self._state(),
            "mean_quality": self.mean_quality_,
            "mean_cost": self.mean_cost_,
        }

    def restore(self, experts: Sequence[str], state: State) -> Self:
        """Become the router that ``state`` was taken from."""
        shape = (len(experts),)
        if state["mean_quality"].shape != shape or state["mean_cost"].shape != shape:
            raise ValueError(f"the means are not those of {len(experts)} experts")
        self.experts_ = tuple(experts)
        self.mean_quality_, self.mean_cost_ = state["mean_quality"], state["mean_cost"]
        self._restore(state)
        return self

    def expected_if_unknown(self) -> Floats:
        """Each expert's mean quality, or the mean of all experts for one without outcomes."""
        self._require_fitted()
        known = self.mean_quality_[~np.isnan(self.mean_quality_)]
        return np.where(np.isnan(self.mean_quality_), known.mean(), self.mean_quality_).astype(
            np.float32
        )

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters of ``__init__`` by name, as in scikit-learn."""
        return {name: getattr(self, name) for name in self._parameters()}

    def set_params(self, **params: Any) -> Self:
        """Change parameters of ``__init__``; takes effect at the next ``fit``."""
        unknown = sorted(set(params) - set(self._parameters()))
        if unknown:
            raise ConfigError(
                f"{type(self).__name__} has no parameter {', '.join(unknown)}; "
                f"it has: {', '.join(self._parameters()) or 'none'}"
            )
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def clone(self) -> Self:
        """An unfitted router with the same parameters (and the same embedder object)."""
        return type(self)(**self.get_params())

    def __sklearn_clone__(self) -> Self:
        return self.clone()

    @classmethod
    def _parameters(cls) -> list[str]:
        if cls.__init__ is object.__init__:
            return []
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    def _require_fitted(self) -> None:
        if not hasattr(self, "experts_"):
            raise NotFitted(f"{type(self).__name__} has not been trained: call fit() or load one")


class EmbeddingRouter(TrainableRouter):
    """A router that sees a query only as its embedding.

    It remembers training queries, so that it can tell which of them resemble a new one, and who
    answered those well.

    Attributes
    ----------
    embedder_ : the embedder in use
    dim_ : the length of its embeddings
    references_ : the training queries that it remembers
    """

    remembers: ClassVar[int | None] = 4096
    """At most so many training queries, for explanations; None: all, because scores need them."""

    embedder: str | Embedder
    embedder_: Embedder
    dim_: int
    references_: References

    @abstractmethod
    def _fit_vectors(self, vectors: Floats, outcomes: Outcomes) -> None:
        """Learn from embeddings [n_queries, dim] of the prompts."""

    @abstractmethod
    def _score_vectors(self, vectors: Floats) -> Floats:
        """Score embeddings [n_queries, dim]."""

    def warm(self) -> None:
        self._require_fitted()
        self.embedder_.warm()
        super().warm()

    def explain(self, query: Query, k: int = 5) -> list[Neighbour]:
        self._require_fitted()
        return self.references_.explain(self._embed([query.text])[0], self.experts_, k)

    def score(self, queries: Sequence[Query]) -> Floats:
        self._require_fitted()
        if not queries:
            return np.zeros((0, len(self.experts_)), dtype=np.float32)
        return self._score_vectors(self._embed([query.text for query in queries]))

    def _fit(self, outcomes: Outcomes) -> None:
        self.embedder_ = self._make_embedder()
        self.dim_ = self.embedder_.dim
        vectors = self._embed(outcomes.prompts)
        references = References.of(outcomes, vectors)
        if self.remembers is not None:
            references = references.thinned(self.remembers)
        self.references_ = references
        self._fit_vectors(vectors, outcomes)

    def restore(self, experts: Sequence[str], state: State) -> Self:
        self.embedder_ = self._make_embedder()
        self.dim_ = int(state["dim"])
        kept = {
            key.removeprefix(_REMEMBERED): value
            for key, value in state.items()
            if key.startswith(_REMEMBERED)
        }
        self.references_ = References.from_arrays(kept, self.dim_, len(experts))
        return super().restore(experts, state)

    def state(self) -> State:
        state = super().state()
        state["dim"] = np.asarray(self.dim_, dtype=np.int64)
        for key, value in self.references_.arrays().items():
            state[_REMEMBERED + key] = value
        return state

    def _make_embedder(self) -> Embedder:
        return make_embedder(self.embedder) if isinstance(self.embedder, str) else self.embedder

    def _embed(self, texts: Sequence[str]) -> Floats:
        vectors = self.embedder_.embed(texts)
        if vectors.shape != (len(texts), self.dim_):
            raise ArtifactError(
                f"the embedder {self.embedder_.name!r} gives {vectors.shape[1]} dimensions, "
                f"the router was trained on {self.dim_}: train it again with this embedder"
            )
        return vectors


def column_means(table: Floats) -> Floats:
    """Mean of each column over its known cells; NaN for a column without any."""
    known = ~np.isnan(table)
    count = known.sum(axis=0)
    total = np.where(known, table, 0.0).sum(axis=0, dtype=np.float64)
    means = np.full(table.shape[1], np.nan, dtype=np.float32)
    np.divide(total, count, out=means, where=count > 0, casting="unsafe")
    return means


def _check(outcomes: Outcomes) -> None:
    if not outcomes.experts:
        raise DataError("the outcomes name no expert")
    if len(outcomes) == 0:
        raise DataError("the outcomes have no rows")
    if np.isnan(outcomes.quality).all():
        raise DataError("no outcome has a quality: grade the answers first")
