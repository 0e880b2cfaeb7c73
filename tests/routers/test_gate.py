from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routers.config import GateConfig
from routers.gate import decide, top_k

NAMES = st.text("abcdef", min_size=1, max_size=3)
QUALITY = st.integers(0, 100).map(lambda cents: cents / 100)
COSTS = st.integers(0, 50).map(lambda each: each / 10_000)
SCORES = st.dictionaries(NAMES, QUALITY, min_size=1, max_size=8)


@st.composite
def pools(draw):
    scores = draw(SCORES)
    return scores, {name: draw(COSTS) for name in scores}


@given(pools(), st.integers(1, 10), st.floats(0, 5), st.text(max_size=20), st.randoms())
def test_order_of_experts_plays_no_part(pool, k, weight, text, random):
    scores, costs = pool
    names = list(scores)
    random.shuffle(names)
    one = top_k(scores, costs, k=k, cost_weight=weight, text=text)
    two = top_k({name: scores[name] for name in names}, costs, k=k, cost_weight=weight, text=text)
    assert (one.chosen, one.weights, one.ranking) == (two.chosen, two.weights, two.ranking)
    assert one.scores == two.scores


@given(pools(), st.integers(1, 10), st.floats(0, 5))
def test_chosen_are_the_head_of_a_full_ranking(pool, k, weight):
    scores, costs = pool
    decision = top_k(scores, costs, k=k, cost_weight=weight)
    assert len(decision.chosen) == min(k, len(scores)) == len(decision.weights)
    assert decision.chosen == decision.ranking[: len(decision.chosen)]
    assert sorted(decision.ranking) == sorted(scores)
    assert math.isclose(sum(decision.weights), 1.0)
    assert list(decision.weights) == sorted(decision.weights, reverse=True)
    assert decision.reason


@given(pools(), st.integers(0, 1000), st.integers(1, 1000))
def test_a_greater_cost_weight_never_costs_more(pool, low, more):
    scores, costs = pool
    cheap = top_k(scores, costs, cost_weight=(low + more) / 100).chosen[0]
    dear = top_k(scores, costs, cost_weight=low / 100).chosen[0]
    assert costs[cheap] <= costs[dear]


@given(st.dictionaries(NAMES, st.floats(), min_size=1, max_size=8), st.text(max_size=20))
def test_any_float_is_ranked(scores, text):
    decision = top_k(scores, k=3, text=text)
    known = [name for name, score in scores.items() if math.isfinite(score)]
    assert set(decision.ranking[: len(known)]) == set(known)
    assert all(0 <= weight <= 1 for weight in decision.weights)


def test_weights_are_a_softmax_of_utilities():
    decision = top_k({"a": 0.9, "b": 0.7}, k=2, temperature=0.2)
    assert decision.weights[0] / decision.weights[1] == pytest.approx(math.exp(0.2 / 0.2))


def test_cost_is_usd_per_thousand_requests():
    scores, costs = {"big": 0.9, "small": 0.8}, {"big": 0.002, "small": 0.001}
    assert top_k(scores, costs, cost_weight=0.09).chosen == ("big",)
    assert top_k(scores, costs, cost_weight=0.11).chosen == ("small",)


def test_an_expert_without_a_cost_is_free_and_an_unknown_cost_is_dear():
    scores = {"a": 0.9, "b": 0.9, "c": 0.9}
    ranking = top_k(scores, {"a": 0.001, "b": math.nan}, cost_weight=0.1, text="x").ranking
    assert ranking[0] == "c"
    assert set(ranking[1:]) == {"a", "b"}


def test_ties_spread_over_requests_but_not_over_time():
    scores = dict.fromkeys("abcd", 0.5)
    first = [top_k(scores, text=f"request {at}").chosen[0] for at in range(400)]
    assert first == [top_k(scores, text=f"request {at}").chosen[0] for at in range(400)]
    assert all(60 < first.count(name) < 140 for name in "abcd")
    keyed = [top_k(scores, text=f"request {at}", tie_key="k").chosen[0] for at in range(400)]
    assert keyed != first


def test_hostile_text():
    assert top_k({"a": 0.5, "b": 0.5}, text="\ud800" * 10).chosen


@pytest.mark.parametrize("wrong", [{"k": 0}, {"temperature": 0.0}])
def test_wrong_settings(wrong):
    with pytest.raises(ValueError, match="a gate needs"):
        top_k({"a": 0.5}, **wrong)


def test_no_experts():
    with pytest.raises(ValueError, match="at least one expert"):
        top_k({})


def test_config_is_followed():
    config = GateConfig(k=2, cost_weight=1.0, temperature=0.3, tie_key="s")
    scores, costs = {"a": 0.9, "b": 0.7, "c": 0.5}, {"a": 0.001}
    assert decide(config, scores, costs, text="t") == top_k(
        scores, costs, k=2, cost_weight=1.0, temperature=0.3, text="t", tie_key="s"
    )
    assert decide(config, scores, costs, text="t").chosen == ("b", "c")
