"""``coterie route``: whom a composition would ask, and which training prompts say so."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer
from rich.table import Table

from serving.cli.output import DEFAULT_CONFIG, ConfigOption, JsonOption, console, print_json


def command(
    text: Annotated[str, typer.Argument(help="The question.")],
    config: ConfigOption = DEFAULT_CONFIG,
    model: Annotated[str, typer.Option(help="A composition.")] = "auto",
    neighbours: Annotated[int, typer.Option(min=0, help="Training prompts to show.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Show every expert's expected quality for a question, and why. No expert is loaded."""
    from compose.build import build_pipeline
    from serving.config import load

    result = asyncio.run(_route(build_pipeline(load(config)), text, model, neighbours))
    if as_json:
        print_json(result)
        return
    table = Table("expert", "expected quality", "")
    for name, score in sorted(result["scores"].items(), key=lambda item: -item[1]):
        table.add_row(name, f"{score:.3f}", "chosen" if name == result["chosen"] else "")
    console.print(table)
    console.print(f"{result['reason']}. Decided in {result['decision_ms']:.1f} ms.", markup=False)
    if result["neighbours"]:
        near = Table("similarity", "source", "answered well by", "training prompt")
        for row in result["neighbours"]:
            good = ", ".join(n for n, q in row["quality"].items() if q >= 0.5) or "nobody"
            near.add_row(f"{row['similarity']:.2f}", row["source"], good, row["text"][:100])
        console.print(near)


async def _route(pipeline: Any, text: str, model: str, k: int) -> dict[str, Any]:
    from compose.errors import UnknownModel
    from compose.trace import Trace
    from experts.types import ChatRequest
    from routers.types import Query

    composition = pipeline.compositions.get(model)
    if composition is None:
        raise UnknownModel(model, list(pipeline.compositions))
    router = composition.scorer.router
    router.warm()
    trace = Trace("route")
    request = ChatRequest(messages=[{"role": "user", "content": text}])
    decision = await pipeline.decide(request, composition, trace)
    composition.scorer.close()
    return {
        "scores": decision.scores,
        "chosen": decision.chosen[0],
        "reason": decision.reason,
        "decision_ms": trace.decision_ms,
        "neighbours": [
            {"text": n.text, "source": n.source, "similarity": n.similarity, "quality": n.quality}
            for n in router.explain(Query(text), k)
        ],
    }
