"""How good a router is, on outcomes that it has not seen."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routers.base import EmbeddingRouter, Router, TrainableRouter, column_means
from routers.embed_cache import CachedEmbedder
from routers.errors import DataError
from routers.gate import top_k
from routers.training.dataset import select_experts, take_rows
from routers.training.folds import grouped_folds, near_duplicates
from routers.types import Floats, Outcomes, Query

__all__ = ["Evaluation", "Progress", "cross_validate", "evaluate_router", "evaluate_scores"]

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many steps are done, and how many there are."""

BINS = 15
RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Quality of the answers that a router would have chosen, and what to compare it with.

    Attributes
    ----------
    router : its name
    n : queries
    folds : of the cross-validation; 0 says that the outcomes were not split
    quality : mean quality of the chosen answers (one expert a query, cost ignored)
    best_single, best_single_expert : the best that one expert does on the same queries, chosen with
        hindsight
    random : mean quality of an expert drawn by lot
    oracle : mean quality of the best answer to each query
    gap_closed : (quality - best_single) / (oracle - best_single); None where the two are equal
    ece : expected calibration error of all scores, 15 bins of equal width
    decision_ms_p50 : median time from a text to a decision, one at a time; None if not measured
    ci95 : metric -> [low, high], by bootstrap over groups of near-duplicate prompts
    per_source : for each source: source, n, quality, best_single, best_single_expert, oracle
    """

    router: str
    n: int
    folds: int
    quality: float
    best_single: float
    best_single_expert: str
    random: float
    oracle: float
    gap_closed: float | None
    ece: float
    decision_ms_p50: float | None
    ci95: dict[str, tuple[float, float]]
    per_source: list[dict[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Rows:
    """What was achieved, row by row, on the rows with at least one known quality."""

    routed: Floats
    random: Floats
    oracle: Floats
    quality: Floats


def cross_validate(
    router: TrainableRouter,
    outcomes: Outcomes,
    *,
    folds: int = 5,
    seed: int = 0,
    groups: NDArray[np.intp] | None = None,
    name: str = "",
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluate clones of ``router``, each on the fold that it was not trained on.

    Parameters
    ----------
    groups : rows of one group stay in one fold; None groups near-duplicate prompts

    Raises
    ------
    DataError : fewer groups of prompts than folds
    """
    groups = near_duplicates(outcomes.prompts) if groups is None else groups
    if folds < 2 or len(np.unique(groups)) < folds:
        raise DataError(
            f"{folds} folds need at least 2 folds and as many prompts that differ: there are "
            f"{len(np.unique(groups))}"
        )
    fold = grouped_folds(groups, folds, seed)
    scores = np.zeros_like(outcomes.quality)
    fitted = router
    for number in range(folds):
        if progress:
            progress(f"evaluating {name}", number, folds)
        train, test = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        fitted = router.clone().fit(take_rows(outcomes, train))
        scores[test] = fitted.score([Query(outcomes.prompts[row]) for row in test])
    if progress:
        progress(f"evaluating {name}", folds, folds)
    return evaluate_scores(
        scores,
        outcomes,
        groups=groups,
        name=name,
        folds=folds,
        seed=seed,
        decision_ms=decision_ms_p50(fitted, outcomes.prompts),
    )


def evaluate_router(
    router: Router, outcomes: Outcomes, *, name: str = "", seed: int = 0
) -> Evaluation:
    """Evaluate a trained router on outcomes of its experts, none of which it should have seen."""
    outcomes = select_experts(outcomes, router.experts_)
    scores = router.score([Query(prompt) for prompt in outcomes.prompts])
    return evaluate_scores(
        scores,
        outcomes,
        groups=near_duplicates(outcomes.prompts),
        name=name,
        seed=seed,
        decision_ms=decision_ms_p50(router, outcomes.prompts),
    )


def evaluate_scores(
    scores: Floats,
    outcomes: Outcomes,
    *,
    groups: NDArray[np.intp],
    name: str = "",
    folds: int = 0,
    seed: int = 0,
    decision_ms: float | None = None,
) -> Evaluation:
    """Evaluate scores [n_queries, n_experts] that a router gave to the prompts of ``outcomes``.

    Only experts whose answer was graded can be chosen, so that every choice has a known quality;
    queries without any graded answer are left out.
    """
    known = ~np.isnan(outcomes.quality)
    used = np.flatnonzero(known.any(axis=1))
    if not len(used):
        raise DataError("no outcome has a quality")
    rows = _achieved(scores, take_rows(outcomes, used), used)
    means = column_means(rows.quality)
    best = int(np.nanargmax(means))
    quality, oracle = float(rows.routed.mean()), float(rows.oracle.mean())
    return Evaluation(
        router=name,
        n=len(used),
        folds=folds,
        quality=quality,
        best_single=float(means[best]),
        best_single_expert=outcomes.experts[best],
        random=float(rows.random.mean()),
        oracle=oracle,
        gap_closed=_gap(quality, float(means[best]), oracle),
        ece=_calibration_error(scores[known], outcomes.quality[known]),
        decision_ms_p50=decision_ms,
        ci95=_bootstrap(rows, groups[used], seed),
        per_source=_per_source(rows, outcomes, used),
    )


def decision_ms_p50(router: Router, prompts: Sequence[str], most: int = 50) -> float | None:
    """Median milliseconds from a text to a decision, over evenly spaced prompts, one at a time."""
    router = _without_cache(router)
    chosen = [
        prompts[at] for at in np.linspace(0, len(prompts) - 1, min(most, len(prompts)), dtype=int)
    ]
    router.score([Query(chosen[0])])
    spent = []
    for prompt in chosen:
        start = time.perf_counter()
        scores = router.score([Query(prompt)])[0].tolist()
        top_k(dict(zip(router.experts_, scores, strict=True)), text=prompt)
        spent.append(time.perf_counter() - start)
    return float(np.median(spent)) * 1000.0


def _without_cache(router: Router) -> Router:
    if not isinstance(router, EmbeddingRouter) or not isinstance(router.embedder_, CachedEmbedder):
        return router
    bare = copy.copy(router)
    bare.embedder_ = router.embedder_.inner
    return bare


def _achieved(scores: Floats, outcomes: Outcomes, used: NDArray[np.intp]) -> _Rows:
    quality = outcomes.quality
    known = ~np.isnan(quality)
    column = {expert: at for at, expert in enumerate(outcomes.experts)}
    routed = np.zeros(len(quality), dtype=np.float32)
    for at, (row, prompt) in enumerate(zip(scores[used], outcomes.prompts, strict=True)):
        able = {name: float(row[col]) for name, col in column.items() if known[at, col]}
        routed[at] = quality[at, column[top_k(able, text=prompt).chosen[0]]]
    return _Rows(routed, np.nanmean(quality, axis=1), np.nanmax(quality, axis=1), quality)


def _gap(quality: float, best: float, oracle: float) -> float | None:
    return (quality - best) / (oracle - best) if oracle - best > 1e-9 else None


def _calibration_error(scores: Floats, quality: Floats) -> float:
    """Sum over bins of the share of scores in a bin times its |mean score - mean quality|."""
    bins = np.minimum((scores * BINS).astype(int), BINS - 1)
    error = np.bincount(bins, weights=scores - quality, minlength=BINS)
    return float(np.abs(error).sum() / len(scores))


def _bootstrap(rows: _Rows, groups: NDArray[np.intp], seed: int) -> dict[str, tuple[float, float]]:
    """95% percentile intervals; whole groups are drawn, since near-duplicates are not independent.

    The best single expert is found again in every resample.
    """
    _, group = np.unique(groups, return_inverse=True)
    n_groups, n_experts = int(group.max()) + 1, rows.quality.shape[1]
    known = ~np.isnan(rows.quality)
    ones = np.ones(len(group), dtype=np.float32)
    achieved = np.stack([ones, rows.routed, rows.random, rows.oracle], axis=1)
    columns = np.hstack([achieved, np.where(known, rows.quality, 0.0), known.astype(np.float32)])
    sums = np.zeros((n_groups, columns.shape[1]))
    np.add.at(sums, group, columns)
    rng = np.random.default_rng(seed)
    drawn = np.stack(
        [
            np.bincount(rng.integers(n_groups, size=n_groups), minlength=n_groups) @ sums
            for _ in range(RESAMPLES)
        ]
    )
    quality, random, oracle = (drawn[:, 1:4] / drawn[:, :1]).T
    asked = np.maximum(drawn[:, 4 + n_experts :], 1e-12)
    best = (drawn[:, 4 : 4 + n_experts] / asked).max(axis=1)
    space = oracle - best
    gap = np.divide(quality - best, space, out=np.full_like(space, np.nan), where=space > 1e-9)
    draws = {"quality": quality, "best_single": best, "random": random, "oracle": oracle}
    if not np.isnan(gap).any():
        draws["gap_closed"] = gap
    return {
        name: (float(np.quantile(values, 0.025)), float(np.quantile(values, 0.975)))
        for name, values in draws.items()
    }


def _per_source(rows: _Rows, outcomes: Outcomes, used: NDArray[np.intp]) -> list[dict[str, Any]]:
    sources = np.asarray([outcomes.sources[row] for row in used], dtype=object)
    table = []
    for source in sorted(set(sources)):
        mine = sources == source
        means = column_means(rows.quality[mine])
        best = int(np.nanargmax(means))
        table.append(
            {
                "source": source,
                "n": int(mine.sum()),
                "quality": float(rows.routed[mine].mean()),
                "best_single": float(means[best]),
                "best_single_expert": outcomes.experts[best],
                "oracle": float(rows.oracle[mine].mean()),
            }
        )
    return table
