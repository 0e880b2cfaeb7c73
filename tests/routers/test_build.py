from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from routers.build import build_router
from routers.config import GateConfig, RouterConfig
from routers.embed import HashingEmbedder
from routers.errors import ArtifactError, ConfigError
from routers.methods.knn import KnnRouter
from routers.training.artifact import save_router
from routers.types import Query


def test_without_anything_all_experts_are_alike():
    router = build_router(RouterConfig(), ["a", "b"])
    assert router.score([Query("x")]).tolist() == [[0.5, 0.5]]
    assert router.experts_ == ("a", "b")
    assert router.explain(Query("x")) == []


def test_fixed_scores():
    router = build_router(RouterConfig(scores={"b": 0.75}), ["a", "b"])
    assert router.score([Query("x"), Query("y")]).tolist() == [[0.5, 0.75]] * 2


def test_scores_of_somebody_else():
    with pytest.raises(ConfigError, match=r"no expert 'qwen'; did you mean 'qwen-7b'\?"):
        build_router(RouterConfig(scores={"qwen": 0.7}), ["qwen-7b", "llama"])


def test_artifact(tmp_path, make_outcomes):
    embedder = HashingEmbedder()
    fitted = KnnRouter(embedder, k=3).fit(make_outcomes())
    save_router(fitted, "knn", tmp_path)
    config = RouterConfig(artifact=tmp_path)
    router = build_router(config, ["cyd", "ada", "bob"], embedder)
    queries = [Query("write a python function")]
    np.testing.assert_array_equal(router.score(queries), fitted.score(queries))
    with pytest.raises(ArtifactError, match="coterie train"):
        build_router(config, ["ada", "dan"])


@pytest.mark.parametrize(
    "wrong",
    [{"artifact": "x", "scores": {"a": 0.5}}, {"scores": {"a": 1.5}}, {"nonsense": 1}],
)
def test_wrong_router_configs(wrong):
    with pytest.raises(ValidationError):
        RouterConfig.model_validate(wrong)


@pytest.mark.parametrize(
    "wrong", [{"k": 0}, {"cost_weight": -1}, {"temperature": 0}, {"kind": "top_q"}, {"p": 1}]
)
def test_wrong_gate_configs(wrong):
    with pytest.raises(ValidationError):
        GateConfig.model_validate(wrong)
