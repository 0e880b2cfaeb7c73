"""From scores and costs to a decision: pure functions, no state, no I/O.

Nothing here sees more than one request, so what is decided for it cannot depend on, or tell of,
the requests beside it (arXiv 2402.05526, 2410.22884). Ties are broken by a keyed hash of the
request's own text.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping

from routers.config import GateConfig
from routers.types import Decision

__all__ = ["decide", "top_k", "utilities"]


def decide(
    config: GateConfig,
    scores: Mapping[str, float],
    costs: Mapping[str, float] | None = None,
    *,
    text: str = "",
) -> Decision:
    """Apply the configured gate; see :func:`top_k` for the arguments."""
    return top_k(
        scores,
        costs,
        k=config.k,
        cost_weight=config.cost_weight,
        temperature=config.temperature,
        text=text,
        tie_key=config.tie_key,
    )


def top_k(
    scores: Mapping[str, float],
    costs: Mapping[str, float] | None = None,
    *,
    k: int = 1,
    cost_weight: float = 0.0,
    temperature: float = 0.1,
    text: str = "",
    tie_key: str = "",
) -> Decision:
    """The ``k`` experts of highest utility, with softmax weights that sum to 1.

    The utility of an expert is ``quality - cost_weight * 1000 * cost``: ``cost_weight`` is the
    expected quality that one gives up to save 1 USD per 1,000 requests. At 0 the best answers
    win at any price; the chosen expert's cost never rises with ``cost_weight``.

    Parameters
    ----------
    scores : expert -> expected quality; one that is not finite ranks last
    costs : expert -> expected USD for this request; an expert left out is free, and one whose
        cost is not finite is taken to cost as much as the dearest
    k : how many; all of them if there are fewer
    temperature : of the softmax over the utilities of the chosen
    text : the request, for breaking ties
    tie_key : secret of the tie-break

    Returns
    -------
    Decision whose ``scores`` are the expected qualities, before cost

    Raises
    ------
    ValueError : no scores, or k < 1, or temperature <= 0
    """
    if not scores:
        raise ValueError("a gate needs at least one expert to choose from")
    if k < 1 or temperature <= 0:
        raise ValueError("a gate needs k >= 1 and temperature > 0")
    utility = utilities(scores, costs or {}, cost_weight)
    ranking = sorted(scores, key=lambda name: (-utility[name], _tie(tie_key, text, name)))
    chosen = tuple(ranking[:k])
    return Decision(
        chosen=chosen,
        weights=_softmax([utility[name] for name in chosen], temperature),
        ranking=tuple(ranking),
        scores=dict(scores),
        reason=_reason(ranking, len(chosen), utility, scores, cost_weight),
    )


def utilities(
    scores: Mapping[str, float], costs: Mapping[str, float], cost_weight: float
) -> dict[str, float]:
    """Expert -> quality less weighted cost; minus infinity where the score is not finite."""
    finite = [costs[name] for name in scores if math.isfinite(costs.get(name, math.nan))]
    dearest = max(finite, default=0.0)
    result = {}
    for name, score in scores.items():
        cost = costs.get(name, 0.0)
        cost = cost if math.isfinite(cost) else dearest
        worth = score - cost_weight * 1000.0 * cost
        result[name] = worth if math.isfinite(worth) else -math.inf
    return result


def _tie(key: str, text: str, name: str) -> bytes:
    secret = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=32).digest()
    message = f"{name}\0{text}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(message, key=secret, digest_size=16).digest()


def _softmax(values: list[float], temperature: float) -> tuple[float, ...]:
    top = values[0]
    if top == -math.inf:
        return tuple(1.0 / len(values) for _ in values)
    shares = [math.exp((value - top) / temperature) for value in values]
    return tuple(share / sum(shares) for share in shares)


def _reason(
    ranking: list[str],
    n_chosen: int,
    utility: Mapping[str, float],
    scores: Mapping[str, float],
    cost_weight: float,
) -> str:
    first = ranking[0]
    if utility[first] == -math.inf:
        return f"nothing is known of any expert; {first} by lot"
    kind = "best quality for its cost" if cost_weight else "highest expected quality"
    reason = f"{first} has the {kind} ({scores[first]:.2f})"
    if n_chosen > 1:
        return f"{reason}; the next {n_chosen - 1} are asked with it"
    if len(ranking) > 1 and utility[ranking[1]] == utility[first]:
        return f"{reason}; tied with {ranking[1]}, by lot"
    if len(ranking) > 1:
        return f"{reason}; {ranking[1]} is next ({scores[ranking[1]]:.2f})"
    return f"{first} is the only expert ({scores[first]:.2f})"
