"""When an answer counts as right."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compose.verify import VERIFIERS


@pytest.mark.parametrize(
    ("verifier", "response", "answer", "right"),
    [
        ("exact", " Paris. ", "Paris", True),
        ("exact", "paris", "Paris", False),
        ("exact", "Paris is it", "Paris", False),
        ("exact", "a\n b", "a b", True),
        ("folded", "PARIS.", "Paris", True),
        ("folded", "Rome", "Paris", False),
        ("number", "It is 1,234.50 in all", "1234.5", True),
        ("number", "first 3, then 4", "3", False),
        ("number", "none", "3", False),
        ("number", "3", "three", False),
        ("choice", "The answer is B", "B", True),
        ("choice", "A is wrong, so (C).", "C", True),
        ("choice", "Because", "B", False),
    ],
)
def test_what_counts(verifier, response, answer, right):
    assert VERIFIERS[verifier](response, answer) == float(right)


@given(st.sampled_from(sorted(VERIFIERS)), st.text(), st.text())
def test_any_text_gets_a_verdict(verifier, response, answer):
    assert VERIFIERS[verifier](response, answer) in (0.0, 1.0)


@given(st.text())
def test_the_answer_itself_is_right(answer):
    assert VERIFIERS["exact"](answer, answer) == VERIFIERS["folded"](answer, answer) == 1.0
