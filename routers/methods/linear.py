"""Ridge regression from a query's embedding to each expert's quality."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from routers.base import EmbeddingRouter, State
from routers.embed import DEFAULT_EMBEDDER, Embedder
from routers.errors import ConfigError
from routers.types import Floats, Outcomes

__all__ = ["LinearRouter"]

Doubles = NDArray[np.float64]

ALPHAS = tuple(float(10.0**power) for power in np.arange(-2, 4.1, 0.5))


class LinearRouter(EmbeddingRouter):
    """One ridge regression an expert, in closed form, over the queries where it was asked.

    ``alpha=None`` takes for each expert the penalty with the least squared leave-one-out error
    (exact and cheap for ridge: Golub, Heath and Wahba 1979). The leave-one-out predictions also
    calibrate: each expert's predictions are mapped by the line that fits them best to the outcomes,
    then clipped to [0, 1], so that a score of 0.7 means a mean quality near 0.7.

    Parameters
    ----------
    embedder : name of an embedder, or an embedder
    alpha : the penalty on squared weights; None chooses

    Attributes
    ----------
    coef_ : float32 [n_experts, dim]
    intercept_ : float32 [n_experts]
    alpha_ : float32 [n_experts], the penalties in use
    """

    coef_: Floats
    intercept_: Floats
    alpha_: Floats

    def __init__(
        self, embedder: str | Embedder = DEFAULT_EMBEDDER, alpha: float | None = None
    ) -> None:
        self.embedder = embedder
        self.alpha = alpha

    def _fit_vectors(self, vectors: Floats, outcomes: Outcomes) -> None:
        if self.alpha is not None and self.alpha <= 0:
            raise ConfigError("a linear router needs alpha > 0")
        n_experts = len(outcomes.experts)
        self.coef_ = np.zeros((n_experts, vectors.shape[1]), dtype=np.float32)
        self.intercept_ = self.expected_if_unknown()
        self.alpha_ = np.full(n_experts, np.nan, dtype=np.float32)
        known = ~np.isnan(outcomes.quality)
        # Experts that were asked the same queries share one decomposition.
        masks, which = np.unique(known, axis=1, return_inverse=True)
        for at, mask in enumerate(masks.T):
            experts = np.flatnonzero(which.ravel() == at)
            if mask.sum() >= 2:
                self._fit_experts(experts, vectors[mask], outcomes.quality[np.ix_(mask, experts)])

    def _fit_experts(self, experts: NDArray[np.intp], vectors: Floats, quality: Floats) -> None:
        x = vectors.astype(np.float64)
        center = x.mean(axis=0)
        ridge = _Ridge(x - center)
        for at, expert in enumerate(experts):
            target = quality[:, at].astype(np.float64)
            weights, offset, alpha = _fit_one(ridge, target, self.alpha)
            self.coef_[expert] = weights
            self.intercept_[expert] = offset - center @ weights
            self.alpha_[expert] = alpha

    def _score_vectors(self, vectors: Floats) -> Floats:
        scores: Floats = vectors @ self.coef_.T + self.intercept_
        return np.clip(scores, 0.0, 1.0)

    def _state(self) -> State:
        return {"coef": self.coef_, "intercept": self.intercept_, "alpha": self.alpha_}

    def _restore(self, state: State) -> None:
        n_experts = len(self.experts_)
        if state["coef"].shape != (n_experts, self.dim_):
            raise ValueError("coefficients and experts do not fit together")
        if not state["intercept"].shape == state["alpha"].shape == (n_experts,):
            raise ValueError("intercepts and experts do not fit together")
        self.coef_, self.intercept_ = state["coef"], state["intercept"]
        self.alpha_ = state["alpha"]


class _Ridge:
    """Ridge regressions that share centred inputs x [n, dim], for any target and penalty."""

    def __init__(self, x: Doubles) -> None:
        values, self.basis = np.linalg.eigh(x.T @ x)
        self.values = np.maximum(values, 0.0)
        self.rotated = x @ self.basis

    def solve(self, centred: Doubles, alpha: float) -> tuple[Doubles, Doubles]:
        """Weights [dim] and leave-one-out predictions [n] of a centred target."""
        shrunk = 1.0 / (self.values + alpha)
        inner = shrunk * (self.rotated.T @ centred)
        # 1/n is the share of the intercept in each row's leverage.
        leverage = self.rotated**2 @ shrunk + 1.0 / len(centred)
        residual = (centred - self.rotated @ inner) / np.maximum(1.0 - leverage, 1e-6)
        return self.basis @ inner, centred - residual


def _fit_one(ridge: _Ridge, target: Doubles, alpha: float | None) -> tuple[Doubles, float, float]:
    """Calibrated weights, the prediction at the centre, and the penalty."""
    mean = float(target.mean())
    centred = target - mean
    tried = [alpha] if alpha is not None else list(ALPHAS)
    solved = [ridge.solve(centred, each) for each in tried]
    best = int(np.argmin([float(np.mean((centred - left) ** 2)) for _, left in solved]))
    weights, left_out = solved[best]
    slope = _slope(left_out, centred)
    return weights * slope, mean, tried[best]


def _slope(predicted: Doubles, actual: Doubles) -> float:
    """Slope of the line from predictions to outcomes: 0 says that they tell nothing."""
    spread = float(predicted @ predicted)
    return min(max(float(predicted @ actual) / spread, 0.0), 1.0) if spread > 1e-12 else 0.0
