"""Quality of the embedded default, over HTTP with the official client, on the held-out test.

``python -m benchmarks.minis [--per-skill 200] [--json]`` starts ``coterie serve`` with
configs/minis.yaml, asks every expert and the composition ``auto`` each test prompt (greedy), and
prints exact match with bootstrap intervals beside the best single mini and the per-prompt oracle.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence

import numpy as np
from openai import AsyncOpenAI
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.server import running_server
from compose.verify import VERIFIERS
from experts.minis import NAMES
from experts.minis.data import SKILLS, Example, generate

AUTO = "auto"


async def answers(
    client: AsyncOpenAI, model: str, examples: Sequence[Example], bar: Progress
) -> list[str]:
    """What a model answers to each example, 16 requests in flight."""
    task = bar.add_task(model, total=len(examples))
    places = asyncio.Semaphore(16)

    async def one(example: Example) -> str:
        async with places:
            reply = await client.chat.completions.create(
                model=model,
                messages=[{"role": "user", "content": example.prompt}],
                temperature=0,
            )
        bar.advance(task)
        return reply.choices[0].message.content or ""

    return list(await asyncio.gather(*(one(example) for example in examples)))


async def measure(url: str, examples: Sequence[Example]) -> dict[str, np.ndarray]:
    """Exact match of every model on every example: name -> array [n_examples] of 0 and 1."""
    scores = {}
    with Progress(console=Console(stderr=True)) as bar:
        async with AsyncOpenAI(base_url=f"{url}/v1", api_key="none", timeout=120) as client:
            for model in (*NAMES, AUTO):
                texts = await answers(client, model, examples, bar)
                pairs = zip(texts, examples, strict=True)
                scores[model] = np.array([VERIFIERS[e.verifier](t, e.answer) for t, e in pairs])
    return scores


def interval(values: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """Bootstrap 95% interval of a mean."""
    rng = np.random.default_rng(seed)
    means = values[rng.integers(0, len(values), (2000, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def summary(scores: dict[str, np.ndarray], examples: Sequence[Example]) -> dict[str, object]:
    minis = np.stack([scores[name] for name in NAMES])
    best = NAMES[int(minis.mean(axis=1).argmax())]
    oracle = minis.max(axis=0)
    auto = scores[AUTO]
    skills = np.array([example.skill for example in examples])
    return {
        "prompts": len(examples),
        "auto": float(auto.mean()),
        "auto_interval": interval(auto),
        "best_single": best,
        "best_single_quality": float(scores[best].mean()),
        "above_best_single": float(auto.mean() - scores[best].mean()),
        "above_best_single_interval": interval(auto - scores[best]),
        "oracle": float(oracle.mean()),
        "share_of_oracle": float(auto.mean() / oracle.mean()),
        "random": float(minis.mean()),
        "by_skill": {
            name: {s: float(values[skills == s].mean()) for s in SKILLS}
            for name, values in scores.items()
        },
    }


def show(result: dict) -> None:  # type: ignore[type-arg]
    console = Console()
    table = Table("model", *SKILLS, "all", title=f"Exact match on {result['prompts']} test prompts")
    for name, row in result["by_skill"].items():
        mean = sum(row.values()) / len(row)
        table.add_row(name, *(f"{v:.3f}" for v in row.values()), f"{mean:.3f}")
    console.print(table)
    low, high = result["auto_interval"]
    console.print(f"auto {result['auto']:.4f} [{low:.4f}, {high:.4f}]  asked: at least 0.93")
    low, high = result["above_best_single_interval"]
    best = f"{result['best_single']} ({result['best_single_quality']:.4f})"
    above = f"{result['above_best_single']:+.4f} [{low:+.4f}, {high:+.4f}]"
    console.print(f"above the best single mini, {best}: {above}  asked: at least +0.10")
    share = f"{result['share_of_oracle']:.4f} of {result['oracle']:.4f}"
    console.print(f"share of the per-prompt oracle: {share}  asked: at least 0.97")
    console.print(f"an expert at random: {result['random']:.4f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--per-skill", type=int, default=200, help="test prompts a skill")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    examples = [e for s in SKILLS for e in generate(s, "test", args.per_skill, seed=0)]
    with running_server("configs/minis.yaml") as server:
        scores = asyncio.run(measure(server.url, examples))
    result = summary(scores, examples)
    if args.json:
        print(json.dumps(result))
    else:
        show(result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
