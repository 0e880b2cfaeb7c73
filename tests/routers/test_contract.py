"""What every registered router must do; a new one is tested by being registered."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest
from sklearn.base import clone

from routers.base import EmbeddingRouter, TrainableRouter
from routers.embed import HashingEmbedder
from routers.errors import ArtifactError, ConfigError, DataError, NotFitted
from routers.registry import make_router, router_class, router_names
from routers.training.artifact import load_router, save_router
from routers.training.dataset import select_experts, take_rows
from routers.types import Query

QUERIES = [
    Query("compute the sum of 3 and 4"),
    Query("write a python function"),
    Query(""),
    Query(" \n\t"),
    Query("مرحبا بالعالم 你好,世界 नमस्ते 🙂"),
    Query("broken \ud800 surrogate"),
    Query("long " * 20_000),
]


@pytest.fixture(params=router_names())
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def make(name):
    def build(**params) -> TrainableRouter:
        if issubclass(router_class(name), EmbeddingRouter):
            params.setdefault("embedder", "hashing")
        return make_router(name, **params)

    return build


def test_scores_every_query_and_expert(make, make_outcomes):
    router = make()
    assert router.fit(make_outcomes()) is router
    scores = router.score(QUERIES)
    assert scores.shape == (len(QUERIES), 3)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()
    assert ((scores >= 0) & (scores <= 1)).all()
    assert router.experts_ == ("ada", "bob", "cyd")


def test_no_queries_no_rows(make, make_outcomes):
    assert make().fit(make_outcomes()).score([]).shape == (0, 3)


def test_score_before_fit(make):
    with pytest.raises(NotFitted):
        make().score(QUERIES)
    with pytest.raises(NotFitted):
        make().state()


def test_init_only_stores_parameters(make, name):
    router = make()
    params = router.get_params()
    assert vars(router) == params
    assert vars(clone(router)) == params
    assert make().set_params(**params).get_params() == params


def test_unknown_parameter(make):
    with pytest.raises(ConfigError, match="no parameter nonsense"):
        make().set_params(nonsense=1)
    with pytest.raises(ConfigError, match="no parameter nonsense"):
        make(nonsense=1)


def test_fit_leaves_parameters_and_outcomes_alone(make, make_outcomes):
    router, outcomes = make(), make_outcomes()
    params, before = router.get_params(), pickle.dumps(outcomes)
    router.fit(outcomes).score(QUERIES)
    assert router.get_params() == params
    assert pickle.dumps(outcomes) == before


def test_same_data_same_scores(make, make_outcomes):
    one, two = (make().fit(make_outcomes()).score(QUERIES) for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_refit_forgets(make, make_outcomes):
    other = make_outcomes(30, ("x", "y"))
    again = make().fit(make_outcomes()).fit(other)
    np.testing.assert_array_equal(again.score(QUERIES), make().fit(other).score(QUERIES))


def test_rows_do_not_depend_on_the_batch(make, make_outcomes):
    router = make().fit(make_outcomes())
    alone = np.concatenate([router.score([query]) for query in QUERIES])
    np.testing.assert_allclose(router.score(QUERIES), alone, atol=1e-4)
    np.testing.assert_allclose(router.score(QUERIES[::-1])[::-1], alone, atol=1e-4)


def test_order_of_experts_plays_no_part(make, make_outcomes):
    outcomes = make_outcomes()
    turned = select_experts(outcomes, ["cyd", "ada", "bob"])
    scores = make().fit(outcomes).score(QUERIES)
    np.testing.assert_allclose(make().fit(turned).score(QUERIES), scores[:, [2, 0, 1]], atol=1e-5)


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_missing_outcomes(make, make_outcomes, share):
    outcomes = make_outcomes()
    quality = outcomes.quality.copy()
    quality[np.random.default_rng(0).random(quality.shape) < share] = np.nan
    quality[:, 1] = np.nan
    quality[0, 0] = 1.0
    scores = make().fit(dataclasses.replace(outcomes, quality=quality)).score(QUERIES)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_one_class_only(make, make_outcomes, value, name):
    outcomes = make_outcomes()
    same = dataclasses.replace(outcomes, quality=np.full_like(outcomes.quality, value))
    scores = make().fit(same).score(QUERIES)
    if name != "random":
        np.testing.assert_allclose(scores, value, atol=1e-5)


def test_duplicated_prompts(make, make_outcomes):
    outcomes = make_outcomes()
    same = dataclasses.replace(outcomes, prompts=("again",) * len(outcomes))
    assert np.isfinite(make().fit(same).score([Query("again"), *QUERIES])).all()


def test_one_row_and_one_expert(make, make_outcomes):
    one = take_rows(make_outcomes(), np.array([0]))
    assert make().fit(one).score(QUERIES).shape == (len(QUERIES), 3)
    alone = select_experts(make_outcomes(), ["bob"])
    assert make().fit(alone).score(QUERIES).shape == (len(QUERIES), 1)


def test_outcomes_that_teach_nothing(make, make_outcomes):
    outcomes = make_outcomes()
    with pytest.raises(DataError, match="no rows"):
        make().fit(take_rows(outcomes, np.array([], dtype=int)))
    with pytest.raises(DataError, match="no expert"):
        make().fit(select_experts(outcomes, []))
    with pytest.raises(DataError, match="grade"):
        make().fit(dataclasses.replace(outcomes, quality=np.full_like(outcomes.quality, np.nan)))


def test_saved_and_loaded_is_the_same(make, make_outcomes, name, tmp_path):
    router = make().fit(make_outcomes())
    save_router(router, name, tmp_path / "r")
    loaded = load_router(tmp_path / "r", experts=["cyd", "bob", "ada"])
    assert type(loaded) is type(router)
    assert loaded.experts_ == router.experts_
    np.testing.assert_array_equal(loaded.score(QUERIES), router.score(QUERIES))
    assert loaded.explain(QUERIES[0], 3) == router.explain(QUERIES[0], 3)
    np.testing.assert_array_equal(loaded.mean_cost_, router.mean_cost_)


def test_tensors_that_do_not_fit(make, make_outcomes):
    state = make().fit(make_outcomes()).state()
    with pytest.raises(ValueError, match="experts"):
        make().restore(["one"], state)


def test_explains_with_at_most_k(make, make_outcomes, name):
    neighbours = make().fit(make_outcomes()).explain(QUERIES[0], 4)
    if issubclass(router_class(name), EmbeddingRouter):
        assert [each.source for each in neighbours] == ["math"] * 4
    assert len(neighbours) <= 4
    assert [each.similarity for each in neighbours] == sorted(
        (each.similarity for each in neighbours), reverse=True
    )


def test_learns_who_is_good_at_what(make, make_outcomes, name):
    if router_class(name).baseline:
        pytest.skip("does not look at the query")
    scores = (
        make()
        .fit(make_outcomes(240))
        .score(
            [
                Query("compute the sum of 17 and 29 then divide by 31"),
                Query("write a python function 12 that returns list item 3 of 4"),
                Query("a recipe for soup with 2 carrots, 5 onions and 7 leeks"),
            ]
        )
    )
    assert scores.argmax(axis=1).tolist() == [0, 1, 2]


def test_another_embedder_of_another_length(make, make_outcomes, name):
    router = make().fit(make_outcomes())
    if not isinstance(router, EmbeddingRouter):
        pytest.skip("uses no embedder")
    router.embedder_ = HashingEmbedder(dim=8)
    with pytest.raises(ArtifactError, match="train it again"):
        router.score(QUERIES)
