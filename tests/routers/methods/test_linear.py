from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from routers.errors import ConfigError
from routers.methods.linear import ALPHAS, LinearRouter, _Ridge
from routers.types import Query


def test_leave_one_out_is_exact():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 4)), rng.normal(size=30)
    ridge = _Ridge(x - x.mean(axis=0))
    _, left_out = ridge.solve(y - y.mean(), alpha=3.0)
    for row in range(len(x)):
        kept = np.arange(len(x)) != row
        weights, _ = _Ridge(x[kept] - x[kept].mean(axis=0)).solve(y[kept] - y[kept].mean(), 3.0)
        predicted = y[kept].mean() + (x[row] - x[kept].mean(axis=0)) @ weights
        # The penalty stays the same while a row leaves, so this is exact but for the centre.
        assert left_out[row] + y.mean() == pytest.approx(predicted, abs=1e-6)


def test_noise_teaches_nothing(make_outcomes):
    outcomes = make_outcomes(90)
    noise = np.random.default_rng(1).integers(0, 2, outcomes.quality.shape).astype(np.float32)
    router = LinearRouter("hashing").fit(dataclasses.replace(outcomes, quality=noise))
    scores = router.score([Query(prompt) for prompt in outcomes.prompts])
    assert np.abs(scores - noise.mean(axis=0)).mean() < 0.1


def test_chooses_a_penalty_or_takes_the_given(make_outcomes):
    chosen = LinearRouter("hashing").fit(make_outcomes()).alpha_
    assert set(chosen.tolist()) <= {float(np.float32(alpha)) for alpha in ALPHAS}
    assert set(LinearRouter("hashing", alpha=2.0).fit(make_outcomes()).alpha_) == {2.0}
    with pytest.raises(ConfigError, match="alpha > 0"):
        LinearRouter("hashing", alpha=0.0).fit(make_outcomes())


def test_experts_asked_on_different_queries(make_outcomes):
    outcomes = make_outcomes(240)
    quality = outcomes.quality.copy()
    quality[::2, 0], quality[1::2, 1] = np.nan, np.nan
    router = LinearRouter("hashing").fit(dataclasses.replace(outcomes, quality=quality))
    scores = router.score([Query("compute the sum of 1 and 2"), Query("write a python function")])
    assert scores.argmax(axis=1).tolist() == [0, 1]


def test_it_remembers_no_more_prompts_than_it_explains_with(make_outcomes, monkeypatch):
    monkeypatch.setattr(LinearRouter, "remembers", 10)
    router = LinearRouter("hashing").fit(make_outcomes(60))
    assert len(router.references_) == 10
    assert len(router.explain(Query("soup"), 99)) == 10
    whole = LinearRouter("hashing")
    monkeypatch.setattr(LinearRouter, "remembers", None)
    np.testing.assert_array_equal(
        router.score([Query("soup")]), whole.fit(make_outcomes(60)).score([Query("soup")])
    )
