from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import TopKLogitsWarper, TopPLogitsWarper

from experts.engines.inprocess.sampling import Sampling, choose, top_logprobs

params = st.builds(
    Sampling,
    temperature=st.sampled_from([0.0, 0.3, 1.0, 2.0]),
    top_p=st.sampled_from([0.1, 0.5, 0.9, 1.0]),
    top_k=st.integers(0, 12),
)
rows = st.lists(st.tuples(params, st.floats(0, 1, exclude_max=True)), min_size=1, max_size=5)


def logits(count: int) -> torch.Tensor:
    return torch.randn(count, 10, generator=torch.Generator().manual_seed(1)) * 3


@given(rows)
@settings(deadline=None)
def test_a_row_does_not_depend_on_its_neighbours(batch: list[tuple[Sampling, float]]) -> None:
    table = logits(len(batch))
    together = choose(table, [p for p, _ in batch], [d for _, d in batch])
    alone = [choose(table[i : i + 1], [p], [d])[0] for i, (p, d) in enumerate(batch)]
    assert together == alone


@given(params, st.integers(0, 1000))
@settings(deadline=None)
def test_only_tokens_that_transformers_would_keep(p: Sampling, seed: int) -> None:
    table = torch.randn(1, 10, generator=torch.Generator().manual_seed(seed)) * 3
    kept = table / max(p.temperature, 1e-4)
    ids = torch.zeros(1, 1, dtype=torch.long)
    if p.top_k:
        kept = TopKLogitsWarper(p.top_k)(ids, kept)
    if p.top_p < 1:
        kept = TopPLogitsWarper(p.top_p)(ids, kept)
    draws = [i / 40 for i in range(40)]
    chosen = set(choose(table.expand(40, -1), [p] * 40, draws))
    allowed = set(kept[0].isfinite().nonzero()[:, 0].tolist())
    assert chosen <= ({int(table.argmax())} if p.greedy else allowed)


def test_draws_follow_the_distribution() -> None:
    table = torch.tensor([[math.log(0.5), math.log(0.3), math.log(0.2)]])
    draws = [(i + 0.5) / 1000 for i in range(1000)]
    for p in (Sampling(), Sampling(top_k=3)):
        tokens = choose(table.expand(1000, -1), [p] * 1000, draws)
        assert [tokens.count(i) for i in range(3)] == [500, 300, 200]


def test_logprobs_are_of_the_untouched_distribution() -> None:
    table = torch.tensor([math.log(0.5), math.log(0.3), math.log(0.2)])
    logprob, best = top_logprobs(table, 2, 2)
    assert logprob == pytest.approx(math.log(0.2))
    assert [token for token, _ in best] == [0, 1]
    assert best[0][1] == pytest.approx(math.log(0.5))
