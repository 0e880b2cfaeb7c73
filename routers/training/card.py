"""The model card: a trained router for people to read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from routers.training.evaluate import Evaluation

__all__ = ["render_card"]

LIMITS = """\
- It expects queries like those it was trained on: on other ones its scores are guesses.
- It sees the request's text, not the conversation's purpose, the tools or the images.
- The best single expert is chosen with hindsight, so the gap closed is understated.
- A score is an expected quality as the outcomes were graded, no better than that grading.
- A router that embeds keeps training prompts, to explain its scores by them: whoever gets this
  folder can read them."""


def render_card(
    name: str,
    params: dict[str, Any],
    experts: Sequence[str],
    data: dict[str, Any],
    evaluations: Sequence[Evaluation],
) -> str:
    """Markdown: what it is, what it was trained on, how good it is, and its limits.

    ``evaluations`` is of this router first, then of those it was compared with; none says that the
    outcomes were too few to split.
    """
    parts = [
        f"# Router `{name}`",
        f"Experts: {', '.join(experts)}.",
        "Parameters: " + (", ".join(f"`{key}={value}`" for key, value in params.items()) or "none"),
        f"Trained on {data['rows']} queries of {len(data['sources'])} sources "
        f"(data hash `{data['hash']}`).",
        "## Measured",
        *(_measured(evaluations) if evaluations else ["Not measured: too few different prompts."]),
        "## Limits",
        LIMITS,
    ]
    return "\n\n".join(parts) + "\n"


def _measured(evaluations: Sequence[Evaluation]) -> list[str]:
    first = evaluations[0]
    metrics = ("quality", "best_single", "random", "oracle", "gap_closed")
    rows = [(each, getattr(first, each), first.ci95.get(each)) for each in metrics]
    parts = [
        f"Cross-validation in {first.folds} folds, near-duplicate prompts kept together, "
        f"n = {first.n}; intervals: 95%, bootstrap over groups of near-duplicates.",
        _table(
            ["metric", "value", "95% interval"],
            [
                [
                    each,
                    _number(value),
                    f"{low_high[0]:.4f} to {low_high[1]:.4f}" if low_high else "",
                ]
                for each, value, low_high in rows
            ],
        ),
        f"Best single expert: {first.best_single_expert}. Expected calibration error "
        f"{first.ece:.4f}. Median decision {_number(first.decision_ms_p50)} ms.",
        "### By source",
        _table(
            ["source", "n", "quality", "best single", "oracle"],
            [_source_row(each) for each in first.per_source],
        ),
    ]
    if len(evaluations) > 1:
        others = [[each.router, _number(each.quality), _number(each.ece)] for each in evaluations]
        parts += ["### Compared", _table(["router", "quality", "ece"], others)]
    return parts


def _source_row(row: dict[str, Any]) -> list[str]:
    best = f"{_number(row['best_single'])} ({row['best_single_expert']})"
    return [
        str(row["source"]),
        str(row["n"]),
        _number(row["quality"]),
        best,
        _number(row["oracle"]),
    ]


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.4f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
