from __future__ import annotations

import json

import numpy as np
import pytest

from routers.embed_cache import CachedEmbedder
from routers.errors import ConfigError
from routers.training.artifact import load_router, read_header
from routers.training.dataset import fingerprint, take_rows
from routers.training.train import candidates, compare, train
from routers.types import Outcomes, Query

WORDS = [
    "river",
    "stone",
    "cloud",
    "iron",
    "music",
    "paper",
    "garden",
    "winter",
    "salt",
    "engine",
    "mirror",
    "harbour",
]


@pytest.fixture
def outcomes(make_outcomes) -> Outcomes:
    """Prompts that are no near-duplicates of each other, so that they can be split."""
    table = make_outcomes(48)
    rng = np.random.default_rng(3)
    prompts = tuple(
        f"{source} " * 3 + " ".join(rng.permutation(WORDS)[:5]) + f" {row}"
        for row, source in enumerate(table.sources)
    )
    return Outcomes(
        table.experts, table.ids, table.sources, prompts, table.quality, table.cost, table.latency
    )


def test_train_measures_saves_and_writes_a_card(outcomes, tmp_path):
    steps = []
    trained = train(
        outcomes,
        tmp_path / "out",
        router="knn",
        params={"k": 5},
        embedder="hashing",
        cache=tmp_path / "cache",
        folds=4,
        progress=lambda *step: steps.append(step),
    )
    header = read_header(tmp_path / "out")
    assert header == trained.header
    assert header.data == {
        "hash": fingerprint(outcomes),
        "rows": 48,
        "sources": ["code", "cook", "math"],
    }
    assert header.params["k"] == 5
    assert header.metrics["quality"] == trained.evaluations[0].quality
    assert header.metrics["folds"] == 4
    json.dumps(trained.evaluations[0].as_dict(), allow_nan=False)
    queries = [Query("code river stone"), Query("")]
    loaded = load_router(tmp_path / "out", experts=outcomes.experts)
    np.testing.assert_array_equal(loaded.score(queries), trained.router.score(queries))
    assert not isinstance(trained.router.get_params()["embedder"], CachedEmbedder)
    card = (tmp_path / "out" / "card.md").read_text()
    for part in ("# Router `knn`", header.data["hash"], "4 folds", "| math | 16 |", "## Limits"):
        assert part in card
    assert [step[0] for step in steps if step[1] == step[2]] == [
        "embedding",
        "evaluating knn",
        "training knn",
    ]


def test_auto_takes_the_best(outcomes, tmp_path):
    trained = train(outcomes, tmp_path, router="auto", embedder="hashing", folds=3)
    assert {each.router for each in trained.evaluations} == set(candidates())
    assert trained.evaluations[0].quality == max(each.quality for each in trained.evaluations)
    assert trained.header.router == trained.evaluations[0].router
    assert "### Compared" in (tmp_path / "card.md").read_text()


def test_too_few_to_split(outcomes, tmp_path):
    trained = train(take_rows(outcomes, np.array([0])), tmp_path, embedder="hashing")
    assert trained.evaluations == []
    assert "Not measured" in (tmp_path / "card.md").read_text()
    assert load_router(tmp_path).score([Query("x")]).shape == (1, 3)


def test_compare(outcomes):
    results = compare(["random", "constant", "linear"], outcomes, embedder="hashing", folds=3)
    assert [each.router for each in results] == ["random", "constant", "linear"]
    assert len({each.oracle for each in results}) == 1


def test_unknown_names_cost_nothing(outcomes, tmp_path):
    with pytest.raises(ConfigError, match="no router"):
        train(outcomes, tmp_path / "out", router="nope", embedder="hashing")
    with pytest.raises(ConfigError, match="no parameter q"):
        train(outcomes, tmp_path / "out", params={"q": 1}, embedder="hashing")
    assert not (tmp_path / "out").exists()
