"""No content is in two splits, whatever the seed."""

from hypothesis import given, settings
from hypothesis import strategies as st

from experts.minis import SKILLS
from experts.minis.data import generate
from experts.minis.splits import SPLITS, split_of

seeds = st.integers(0, 2**31)


@settings(max_examples=30, deadline=None)
@given(skill=st.sampled_from(SKILLS), seed=seeds, other=seeds)
def test_content_of_two_splits_never_meets(skill: str, seed: int, other: int) -> None:
    keys = {}
    for split, s in zip(SPLITS, (seed, other, seed), strict=True):
        examples = generate(skill, split, 100, s)
        keys[split] = {part for e in examples for part in e.key.split(" & ")}
    assert not keys["train"] & keys["validation"]
    assert not keys["train"] & keys["test"]
    assert not keys["validation"] & keys["test"]


@given(st.text())
def test_the_split_is_stable(key: str) -> None:
    assert split_of(key) == split_of(key)


def test_the_split_is_the_same_on_every_machine() -> None:
    assert [split_of(f"text word {w}") for w in ("apple", "lemon", "stone", "silver")] == [
        split_of(f"text word {w}") for w in ("apple", "lemon", "stone", "silver")
    ]
    shares = [split_of(str(n)) for n in range(2000)]
    assert 0.77 < shares.count("train") / 2000 < 0.83


def test_the_same_arguments_give_the_same_examples() -> None:
    assert generate("logic", "train", 50, 7) == generate("logic", "train", 50, 7)
    assert generate("logic", "train", 50, 7) != generate("logic", "train", 50, 8)
