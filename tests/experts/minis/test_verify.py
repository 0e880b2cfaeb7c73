"""The verifier knows right from wrong."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experts.minis import SKILLS
from experts.minis.data import Example, generate
from experts.minis.verify import normalise, verify


@settings(max_examples=30, deadline=None)
@given(skill=st.sampled_from(SKILLS), seed=st.integers(0, 10**6))
def test_its_own_answer_verifies_and_a_changed_one_does_not(skill: str, seed: int) -> None:
    for example in generate(skill, "validation", 20, seed):
        assert verify(example, example.answer) == 1.0
        assert verify(example, f" {example.answer}. \n") == 1.0
        assert verify(example, example.answer + "7") == 0.0
        assert verify(example, example.answer[:-1]) == 0.0
        assert verify(example, "") == 0.0


def _example(answer: str, verifier: str) -> Example:
    return Example("?", answer, "text", "train", "upper", verifier, "k")


def test_case_counts_only_where_it_is_asked_for() -> None:
    assert verify(_example("Paris", "folded"), "PARIS") == 1.0
    assert verify(_example("PARIS", "exact"), "Paris") == 0.0


def test_an_unknown_verifier_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown verifier"):
        normalise("x", "fuzzy")
