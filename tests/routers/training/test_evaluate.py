from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from routers.embed import HashingEmbedder
from routers.embed_cache import CachedEmbedder
from routers.errors import DataError
from routers.methods.constant import ConstantRouter
from routers.methods.knn import KnnRouter
from routers.training.evaluate import cross_validate, evaluate_router, evaluate_scores
from routers.training.folds import grouped_folds, near_duplicates
from routers.types import Outcomes


def table(quality):
    quality = np.array(quality, dtype=np.float32)
    names = tuple(str(row) for row in range(len(quality)))
    nothing = np.full_like(quality, np.nan)
    sources = tuple("even" if row % 2 == 0 else "odd" for row in range(len(quality)))
    return Outcomes(
        tuple("abc"[: quality.shape[1]]), names, sources, names, quality, nothing, nothing
    )


def evaluate(scores, quality):
    outcomes = table(quality)
    groups = np.arange(len(outcomes))
    return evaluate_scores(np.array(scores, dtype=np.float32), outcomes, groups=groups)


def test_by_hand():
    result = evaluate(
        [[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], [[1, 0], [0, 1], [0, 1], [1, 1]]
    )
    assert (result.n, result.quality, result.best_single) == (4, 0.75, 0.75)
    assert (result.best_single_expert, result.random, result.oracle) == ("b", 0.625, 1.0)
    assert result.gap_closed == 0.0
    low, high = result.ci95["quality"]
    assert low <= 0.75 <= high
    even, odd = result.per_source
    assert (even["source"], even["n"], even["quality"], even["oracle"]) == ("even", 2, 1.0, 1.0)
    assert (odd["quality"], odd["best_single"], odd["best_single_expert"]) == (0.5, 1.0, "b")


def test_the_oracle_closes_the_gap():
    quality = [[1, 0], [0, 1], [1, 0]]
    result = evaluate(quality, quality)
    assert (result.gap_closed, result.ece) == (1.0, 0.0)


def test_no_gap():
    result = evaluate([[0.5], [0.5]], [[1], [0]])
    assert result.gap_closed is None
    assert "gap_closed" not in result.ci95
    assert result.ece == 0.0


def test_only_graded_answers_can_be_chosen():
    nan = np.nan
    result = evaluate([[0.9, 0.1, 0.5]] * 3, [[nan, 0, 1], [nan, 1, nan], [nan, nan, nan]])
    assert (result.n, result.quality, result.oracle) == (2, 1.0, 1.0)
    with pytest.raises(DataError, match="no outcome"):
        evaluate([[0.5]], [[nan]])


def test_ece_by_hand():
    assert evaluate([[0.8]] * 4, [[1], [1], [0], [0]]).ece == pytest.approx(0.3, abs=1e-6)
    assert evaluate([[1.0], [0.0]], [[1], [0]]).ece == 0.0


def test_groups_widen_the_interval():
    quality = np.repeat([[1.0, 0.0], [0.0, 1.0]], 50, axis=0)
    outcomes, scores = table(quality), np.tile([[0.9, 0.1]], (100, 1)).astype(np.float32)
    wide, narrow = (
        evaluate_scores(scores, outcomes, groups=groups).ci95["quality"]
        for groups in (np.repeat(np.arange(4), 25), np.arange(100))
    )
    assert wide[1] - wide[0] > 2 * (narrow[1] - narrow[0])


def test_a_good_router_beats_the_best_single(make_outcomes):
    outcomes = make_outcomes(150)
    groups = np.arange(150)
    with CachedEmbedder(HashingEmbedder()) as embedder:
        router = KnnRouter(embedder, k=15)
        good = cross_validate(router, outcomes, groups=groups, name="knn")
        again = cross_validate(router, outcomes, groups=groups, name="knn")
    assert good.quality > good.best_single + 0.2
    assert good.gap_closed is not None
    assert (good.folds, good.router) == (5, "knn")
    assert good.decision_ms_p50 is not None
    assert (good.quality, good.ci95, good.ece) == (again.quality, again.ci95, again.ece)
    assert not hasattr(router, "experts_")
    constant = cross_validate(ConstantRouter(), outcomes, groups=groups)
    assert constant.quality == pytest.approx(constant.best_single, abs=0.02)


def test_templates_do_not_leak(make_outcomes):
    outcomes = make_outcomes(60)
    prompts = tuple(f"{'the same long template ' * 4}{row}" for row in range(60))
    outcomes = dataclasses.replace(outcomes, prompts=prompts)
    assert len(set(near_duplicates(prompts).tolist())) == 1
    with pytest.raises(DataError, match="prompts that differ"):
        cross_validate(ConstantRouter(), outcomes, folds=2)


def test_a_trained_router_on_other_outcomes(make_outcomes):
    outcomes = make_outcomes(60)
    router = KnnRouter("hashing", k=5).fit(outcomes)
    result = evaluate_router(router, make_outcomes(30), name="mine")
    assert (result.router, result.n, result.folds) == ("mine", 30, 0)
    with pytest.raises(DataError, match="no outcomes of cyd"):
        evaluate_router(router, make_outcomes(30, ("ada", "bob")))


def test_near_duplicates():
    prompts = [
        "There are 3 houses in a row, numbered 1 on the left to 3 on the right. Who has the cat?",
        "What is the capital of France?",
        "There are 4 houses in a row, numbered 1 on the left to 4 on the right. Who has the cat?",
        "what is the capital of france",
        "What is the meaning of life?",
    ]
    assert near_duplicates(prompts).tolist() == [0, 1, 0, 1, 2]
    many = ["the very same text"] * 600 + ["something else"]
    assert len(set(near_duplicates(many).tolist())) == 2


def test_folds_keep_groups_whole_and_alike():
    groups = np.random.default_rng(0).integers(0, 40, 500)
    groups = np.unique(groups, return_inverse=True)[1]
    fold = grouped_folds(groups, 5, seed=1)
    assert all(len(set(fold[groups == group])) == 1 for group in set(groups))
    sizes = np.bincount(fold)
    assert len(sizes) == 5
    assert sizes.max() - sizes.min() <= 15
    np.testing.assert_array_equal(fold, grouped_folds(groups, 5, seed=1))
    assert (fold != grouped_folds(groups, 5, seed=2)).any()
