"""How the next token is chosen. Pure functions of logits, parameters and one random number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Sampling", "choose", "top_logprobs"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """Parameters of one request. ``top_k`` 0 and ``top_p`` 1 mean: no truncation."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0

    @property
    def greedy(self) -> bool:
        # Below this, dividing by it overflows float32 before it changes the choice.
        return self.temperature < 1e-4 or self.top_k == 1

    @property
    def truncated(self) -> bool:
        return self.top_p < 1.0 or self.top_k > 0


def choose(logits: Tensor, params: Sequence[Sampling], draws: Sequence[float]) -> list[int]:
    """The next token of each row.

    Parameters
    ----------
    logits : Tensor, shape [rows, vocabulary], float32
    params : one a row
    draws : one a row, uniform in [0, 1)
        The inverse of the cumulative distribution at this point is the token. So a row's choice
        depends on its own logits, parameters and draw, and on no other row.
    """
    tokens: list[int] = logits.argmax(-1).tolist()
    for truncated in (False, True):
        rows = [i for i, p in enumerate(params) if not p.greedy and p.truncated is truncated]
        if rows:
            some = [params[i] for i in rows]
            chosen = _sample(logits[rows], some, [draws[i] for i in rows], truncated)
            for row, token in zip(rows, chosen, strict=True):
                tokens[row] = token
    return tokens


def _sample(
    logits: Tensor, params: Sequence[Sampling], draws: Sequence[float], truncated: bool
) -> list[int]:
    def column(values: Sequence[float]) -> Tensor:
        return torch.tensor(values, device=logits.device, dtype=torch.float64)[:, None]

    scaled = logits / column([p.temperature for p in params]).float()
    if not truncated:
        mass = scaled.double().softmax(-1).cumsum(-1)
        return _invert(mass, column(draws)).tolist()
    ordered, tokens = scaled.sort(dim=-1, descending=True, stable=True)
    probs = ordered.double().softmax(-1)
    probs = truncate(probs, column([p.top_k for p in params]), column([p.top_p for p in params]))
    at = _invert(probs.cumsum(-1), column(draws))
    return tokens.gather(1, at[:, None])[:, 0].tolist()


def truncate(probs: Tensor, top_k: Tensor, top_p: Tensor) -> Tensor:
    """Zero what top-k, and then top-p of the rest, leave out of descending probabilities.

    As transformers does: the smallest set of tokens whose mass reaches ``top_p``, and one at least.
    """
    ranks = torch.arange(probs.shape[-1], device=probs.device)
    probs = torch.where((ranks < top_k) | (top_k < 1), probs, 0.0)
    before = probs.cumsum(-1) - probs
    return torch.where((before < top_p * probs.sum(-1, keepdim=True)) | (ranks == 0), probs, 0.0)


def _invert(mass: Tensor, draws: Tensor) -> Tensor:
    """The first index at which the cumulated mass exceeds ``draw`` times all of it."""
    at = torch.searchsorted(mass, draws * mass[:, -1:], right=True)[:, 0]
    # Rounding can push a draw of nearly 1 past the end.
    return at.clamp_(max=mass.shape[-1] - 1)


def top_logprobs(logits: Tensor, token: int, count: int) -> tuple[float, list[tuple[int, float]]]:
    """The log probability of ``token`` and of the ``count`` likeliest tokens.

    Of the model's own distribution, before temperature and truncation, as OpenAI reports them.
    """
    logprobs = logits.log_softmax(-1)
    best: list[tuple[int, float]] = []
    if count:
        values, ids = logprobs.topk(min(count, logprobs.shape[-1]))
        best = list(zip(ids.tolist(), values.tolist(), strict=True))
    return float(logprobs[token]), best
