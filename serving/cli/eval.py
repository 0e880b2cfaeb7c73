"""``coterie eval``: how good a router is, beside random, the best single expert and the oracle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from serving.cli.output import JsonOption, console, print_json, stages


def command(
    outcomes: Annotated[Path, typer.Option(help="Outcomes: parquet or JSON lines.")],
    artifact: Annotated[
        Path | None, typer.Argument(help="A trained router, measured on outcomes it never saw.")
    ] = None,
    routers: Annotated[str, typer.Option(help="Routers to cross-validate, by commas.")] = "",
    folds: Annotated[int, typer.Option(min=2, help="Folds of the cross-validation.")] = 5,
    embedder: Annotated[str, typer.Option(help="Embedding model.")] = "all-MiniLM-L6-v2",
    cache: Annotated[Path, typer.Option(help="Folder of cached embeddings.")] = Path(
        ".cache/embeddings"
    ),
    seed: int = 0,
    as_json: JsonOption = False,
) -> None:
    """Measure a trained router on held-out outcomes, or cross-validate routers by name."""
    if (artifact is None) == (not routers):
        raise typer.BadParameter("give either the folder of a trained router, or --routers a,b,c")
    from routers.training.artifact import load_router, read_header
    from routers.training.dataset import load_outcomes
    from routers.training.evaluate import evaluate_router
    from routers.training.train import compare

    table = load_outcomes(outcomes)
    with stages() as report:
        if artifact is not None:
            name = read_header(artifact).router
            report("evaluating", 0, 1)
            evaluations = [evaluate_router(load_router(artifact), table, name=name, seed=seed)]
        else:
            names = [name.strip() for name in routers.split(",") if name.strip()]
            evaluations = compare(
                names,
                table,
                embedder=embedder,
                cache=cache,
                folds=folds,
                seed=seed,
                progress=report,
            )
    rows = [evaluation.as_dict() for evaluation in evaluations]
    if as_json:
        print_json(rows)
        return
    show(rows, f"On {len(table)} prompts of {outcomes}")


def show(rows: Sequence[dict[str, Any]], title: str) -> None:
    """A table of evaluations with 95% intervals, and the first one's per-source table."""
    if not rows:
        console.print("Too few distinct prompts to cross-validate.")
        return
    table = Table("router", "quality", "gap closed", "calibration error", "ms", title=title)
    for row in rows:
        low, high = row["ci95"]["quality"]
        table.add_row(
            row["router"],
            f"{row['quality']:.4f} [{low:.4f}, {high:.4f}]",
            "n/a" if row["gap_closed"] is None else f"{row['gap_closed']:.1%}",
            f"{row['ece']:.3f}",
            "n/a" if row["decision_ms_p50"] is None else f"{row['decision_ms_p50']:.1f}",
        )
    first = rows[0]
    for name in ("random", "best_single", "oracle"):
        label = f"{name} ({first['best_single_expert']})" if name == "best_single" else name
        table.add_row(label, f"{first[name]:.4f}", "", "", "", style="dim")
    console.print(table)
    sources = Table("source", "prompts", first["router"], "best single there", "oracle")
    for row in first["per_source"]:
        best = f"{row['best_single']:.3f} ({row['best_single_expert']})"
        cells = (f"{row['quality']:.3f}", best, f"{row['oracle']:.3f}")
        sources.add_row(str(row["source"]), str(row["n"]), *cells)
    console.print(sources)
