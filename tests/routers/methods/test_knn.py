from __future__ import annotations

import dataclasses
import threading

import numpy as np
import pytest

from routers.errors import ConfigError, DataError
from routers.methods.knn import KnnRouter
from routers.training.dataset import select_experts, take_rows
from routers.types import Outcomes, Query


class Plane:
    """Embeds "x,y" as that vector, made unit length."""

    name, dim = "plane", 2

    def embed(self, texts):
        vectors = np.array([[float(part) for part in text.split(",")] for text in texts])
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def table(quality, prompts=("1,0", "1,0.1", "0,1")):
    quality = np.array(quality, dtype=np.float32)
    names = tuple(f"q{row}" for row in range(len(prompts)))
    nothing = np.full_like(quality, np.nan)
    experts = tuple("ab"[: quality.shape[1]])
    return Outcomes(experts, names, names, tuple(prompts), quality, nothing, nothing)


def plain(**params):
    return KnnRouter(Plane(), **{"k": 2, "temperature": 0, "shrink": 0, **params})


def test_mean_of_the_nearest():
    router = plain().fit(table([[1, 0], [0.5, 0], [0, 1]]))
    scores = router.score([Query("1,0"), Query("0,1")])
    np.testing.assert_allclose(scores, [[0.75, 0], [0.25, 0.5]], atol=1e-6)


def test_weights_fall_with_distance():
    router = plain(temperature=0.001).fit(table([[1, 0], [0.5, 0], [0, 1]]))
    np.testing.assert_allclose(router.score([Query("1,0")]), [[1, 0]], atol=0.01)


def test_missing_cells_leave_the_mean():
    router = plain().fit(table([[np.nan, np.nan], [0.5, np.nan], [0, 1]]))
    np.testing.assert_allclose(router.score([Query("1,0")]), [[0.5, 1]], atol=1e-6)


def test_shrink_counts_for_so_many_neighbours():
    router = plain(shrink=2).fit(table([[1, 0], [1, 0], [0, 1]]))
    np.testing.assert_allclose(router.score([Query("1,0")])[0, 0], (2 + 2 * 2 / 3) / 4, atol=1e-6)


def test_ties_go_to_the_older_reference():
    router = plain(k=1).fit(table([[1, 0], [0, 1], [0, 1]], ("1,0", "2,0", "3,0")))
    np.testing.assert_allclose(router.score([Query("1,0")] * 3), [[1, 0]] * 3, atol=1e-6)


def test_explain():
    router = plain().fit(table([[1, np.nan], [0.5, 0], [0, 1]]))
    near, far = router.explain(Query("2,0"), 2)
    assert (near.text, near.source, near.similarity) == ("1,0", "q0", 1.0)
    assert near.quality == {"a": 1.0}
    assert far.text == "1,0.1"
    assert len(router.explain(Query("2,0"), 99)) == 3
    assert router.explain(Query("2,0"), 0) == []


def test_added_and_forgotten_is_as_if_fitted_so(make_outcomes):
    whole = make_outcomes()
    first, rest = take_rows(whole, np.arange(40)), take_rows(whole, np.arange(40, 60))
    queries = [Query("write a python function"), Query("soup")]
    grown = KnnRouter("hashing").fit(first).add(select_experts(rest, ["cyd", "ada", "bob"]))
    fitted = KnnRouter("hashing").fit(whole)
    np.testing.assert_allclose(grown.score(queries), fitted.score(queries), atol=1e-6)
    grown.forget([*rest.ids, "never there"])
    np.testing.assert_allclose(
        grown.score(queries), KnnRouter("hashing").fit(first).score(queries), atol=1e-6
    )


def test_what_cannot_be_added_or_forgotten(make_outcomes):
    outcomes = make_outcomes()
    router = KnnRouter("hashing").fit(outcomes)
    with pytest.raises(DataError, match="already a reference: q0, q1"):
        router.add(outcomes)
    with pytest.raises(DataError, match="experts"):
        router.add(dataclasses.replace(outcomes, experts=("x", "y", "z")))
    with pytest.raises(DataError, match="everything"):
        router.forget(outcomes.ids)
    assert len(router.references_) == len(outcomes)


@pytest.mark.parametrize("wrong", [{"k": 0}, {"temperature": -1}, {"shrink": -1}])
def test_wrong_parameters(make_outcomes, wrong):
    with pytest.raises(ConfigError, match="kNN needs"):
        KnnRouter("hashing", **wrong).fit(make_outcomes())


def test_few_queries_and_many_give_the_same(make_outcomes):
    outcomes = make_outcomes(120)
    router = KnnRouter("hashing").fit(outcomes)
    queries = [Query(prompt) for prompt in outcomes.prompts]
    few = np.concatenate([router.score([query]) for query in queries])
    np.testing.assert_allclose(router.score(queries), few, atol=1e-4)


def test_scores_while_references_come_and_go(make_outcomes):
    whole = make_outcomes(200)
    router = KnnRouter("hashing", k=8).fit(take_rows(whole, np.arange(20)))
    rest = take_rows(whole, np.arange(20, 200))
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            router.add(rest)
            router.forget(rest.ids)

    worker = threading.Thread(target=churn)
    worker.start()
    try:
        for _ in range(200):
            assert np.isfinite(router.score([Query("soup"), Query("python")])).all()
    finally:
        stop.set()
        worker.join()
