"""Outcomes that are small, and in which topics decide who answers well."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from routers.types import Outcomes

TOPICS = {
    "math": "compute the sum of {a} and {b} then divide by {c}",
    "code": "write a python function {a} that returns list item {b} of {c}",
    "cook": "a recipe for soup with {a} carrots, {b} onions and {c} leeks",
}


@pytest.fixture
def make_outcomes() -> Callable[..., Outcomes]:
    """``make_outcomes(rows, experts)``: expert i is right on topic i modulo the topics."""

    def make(rows: int = 60, experts: tuple[str, ...] = ("ada", "bob", "cyd")) -> Outcomes:
        rng = np.random.default_rng(7)
        topics = [list(TOPICS)[row % len(TOPICS)] for row in range(rows)]
        words = rng.integers(0, 10**6, size=(rows, 3))
        quality = np.zeros((rows, len(experts)), dtype=np.float32)
        for row in range(rows):
            for at in range(len(experts)):
                able = 0.9 if at % len(TOPICS) == row % len(TOPICS) else 0.2
                quality[row, at] = rng.random() < able
        cost = np.full_like(quality, 0.001) * (1 + np.arange(len(experts), dtype=np.float32))
        return Outcomes(
            experts=experts,
            ids=tuple(f"q{row}" for row in range(rows)),
            sources=tuple(topics),
            prompts=tuple(
                TOPICS[topic].format(a=a, b=b, c=c)
                for topic, (a, b, c) in zip(topics, words.tolist(), strict=True)
            ),
            quality=quality,
            cost=cost,
            latency=np.full_like(quality, np.nan),
        )

    return make
