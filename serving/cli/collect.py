"""``coterie collect``: run every expert over labelled prompts and record how well each did."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from serving.cli.output import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    console,
    errors,
    print_json,
    progress,
)


def command(
    prompts: Annotated[
        Path, typer.Argument(help="JSON lines: prompt, answer, id, source, verifier.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The outcomes file (parquet).")],
    config: ConfigOption = DEFAULT_CONFIG,
    only: Annotated[str, typer.Option(help="Experts to ask, separated by commas.")] = "",
    concurrency: Annotated[int, typer.Option(min=1, help="Calls in flight at once.")] = 16,
    as_json: JsonOption = False,
) -> None:
    """Ask every expert every labelled prompt, score the answers, write the outcomes.

    A run that was stopped goes on where it was. What the outcomes file holds already is not asked
    again: delete it when an expert has changed.
    """
    summary = asyncio.run(_collect(prompts, out, config, only, concurrency))
    if as_json:
        print_json(summary)
        return
    table = Table("expert", "prompts", "quality", "cost USD", "seconds each")
    for name, row in summary["experts"].items():
        cells = (f"{row['quality']:.3f}", f"{row['cost']:.6f}", f"{row['latency']:.3f}")
        table.add_row(name, str(row["prompts"]), *cells)
    console.print(table)
    console.print(f"Wrote {out}. Next: coterie train --outcomes {out} --out DIR")


async def _collect(
    prompts_file: Path, out: Path, config_file: Path, only: str, concurrency: int
) -> dict[str, Any]:
    from compose import collect as collecting
    from compose.build import build_experts
    from compose.prompts import read_prompts
    from serving.config import load

    prompts = read_prompts(prompts_file)
    names = [name.strip() for name in only.split(",") if name.strip()]
    experts = build_experts(load(config_file), names)
    known = collecting.read_outcomes(out)
    journal = collecting.Journal(out.with_name(out.name + ".journal"), known)
    already = len(journal.results)
    try:
        for expert in experts.values():
            await expert.start()
        with progress() as bar:
            task = bar.add_task("asking", total=len(prompts) * len(experts))
            bar.advance(task, already)
            problems = await collecting.collect(
                prompts,
                experts,
                journal,
                concurrency=concurrency,
                on_result=lambda result: bar.advance(task),
            )
    finally:
        journal.close()
        for expert in experts.values():
            await expert.close()
    collecting.write_outcomes(journal.results, out)
    for problem in problems[:10]:
        errors.print(f"[yellow]not answered:[/] {problem}")
    if problems:
        errors.print(f"{len(problems)} calls failed; the same command asks only them again.")
    else:
        journal.path.unlink()
    return {
        "out": str(out),
        "asked": len(journal.results) - already + len(problems),
        "failed": len(problems),
        "experts": collecting.summarise(journal.results),
    }
