from __future__ import annotations

import numpy as np
import pytest

from routers.errors import DataError
from routers.references import References


def made(rows: int, first: int = 0) -> References:
    """Rows on a quarter circle; the n-th is n degrees off the first axis."""
    numbers = np.arange(first, first + rows)
    angles = np.radians(numbers)
    names = tuple(f"q{n}" for n in numbers)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    quality = np.stack([numbers % 2, np.full(rows, np.nan)], axis=1).astype(np.float32)
    return References(names, names, names, vectors, quality)


def test_nearest_first_and_never_more_than_there_are():
    rows, similarity = made(5).nearest(made(1, 3).vectors, 9)
    assert rows[0].tolist() == [3, 2, 4, 1, 0]
    assert similarity[0, 0] == 1.0


def test_explain_leaves_out_who_was_not_asked():
    near, far = made(5).explain(made(1, 3).vectors[0], ["a", "b"], 2)
    assert (near.text, near.quality) == ("q3", {"a": 1.0})
    assert (far.text, far.quality) == ("q2", {"a": 0.0})
    assert made(5).explain(made(1).vectors[0], ["a", "b"], 0) == []


def test_thinned_keeps_both_ends_and_spreads():
    assert made(9).thinned(3).ids == ("q0", "q4", "q8")
    assert made(9).thinned(9).ids == made(9).ids
    assert made(9).thinned(100).ids == made(9).ids


def test_joined_and_without():
    both = made(3).joined(made(2, 3))
    assert both.ids == made(5).ids
    np.testing.assert_array_equal(both.vectors, made(5).vectors)
    assert both.without(["q3", "q4", "never there"]).ids == made(3).ids
    with pytest.raises(DataError, match="already a reference: q2"):
        made(3).joined(made(2, 2))


def test_arrays_and_back():
    back = References.from_arrays(made(4).arrays(), dim=2, n_experts=2)
    assert back.prompts == made(4).prompts
    np.testing.assert_array_equal(back.quality, made(4).quality)
    with pytest.raises(ValueError, match="fit together"):
        References.from_arrays(made(4).arrays(), dim=3, n_experts=2)
    with pytest.raises(ValueError, match="fit together"):
        References.from_arrays(made(4).arrays(), dim=2, n_experts=1)
    with pytest.raises(KeyError):
        References.from_arrays({}, dim=2, n_experts=2)
