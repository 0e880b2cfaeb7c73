"""``coterie ask``: one question, answered in this process."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer
from rich.table import Table

from serving.cli.output import DEFAULT_CONFIG, ConfigOption, JsonOption, console, print_json


def command(
    text: Annotated[str, typer.Argument(help="The question.")],
    config: ConfigOption = DEFAULT_CONFIG,
    model: Annotated[str, typer.Option(help="A composition or an expert.")] = "auto",
    explain: Annotated[bool, typer.Option(help="Show how the answer came about.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Ask one question and print the answer."""
    answer, trace = asyncio.run(_ask(text, config, model))
    if as_json:
        print_json(
            {
                "answer": answer,
                "expert": trace["expert"],
                "composition": trace["composition"],
                "trace": trace,
            }
        )
        return
    console.print(answer, markup=False, highlight=False)
    if explain:
        _explain(trace)


async def _ask(text: str, config: ConfigOption, model: str) -> tuple[str, dict[str, Any]]:
    from compose.build import build_pipeline
    from experts.types import ChatRequest
    from serving.config import load

    pipeline = build_pipeline(load(config))
    try:
        await pipeline.start()
        request = ChatRequest(messages=[{"role": "user", "content": text}])
        answer = await pipeline.run(request, model)
        texts = [answer.first.text]
        texts += [chunk.text async for chunk in answer.rest]
    finally:
        await pipeline.close()
    return "".join(texts), answer.trace.to_dict()


def _explain(trace: dict[str, Any]) -> None:
    table = Table("expert", "expected quality", "")
    for name, score in sorted(trace["scores"].items(), key=lambda item: -item[1]):
        table.add_row(name, f"{score:.3f}", "answered" if name == trace["expert"] else "")
    if trace["scores"]:
        console.print(table)
    console.print(f"{trace['reason']}. Decided in {trace['decision_ms']:.1f} ms,", end=" ")
    console.print(f"answered in {1e3 * trace['seconds']:.0f} ms by {trace['expert']}.")
    for attempt in trace["attempts"]:
        if attempt["error"]:
            console.print(f"{attempt['expert']} failed: {attempt['error']}", markup=False)
