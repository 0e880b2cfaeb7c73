"""``coterie train``: from outcomes to a router that serving can load."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from serving.cli.eval import show
from serving.cli.output import JsonOption, console, print_json, stages


def command(
    outcomes: Annotated[Path, typer.Option(help="Outcomes: parquet or JSON lines.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the trained router.")],
    router: Annotated[str, typer.Option(help="A router's name, or auto to compare them.")] = "auto",
    embedder: Annotated[str, typer.Option(help="Embedding model.")] = "all-MiniLM-L6-v2",
    cache: Annotated[Path, typer.Option(help="Folder of cached embeddings.")] = Path(
        ".cache/embeddings"
    ),
    folds: Annotated[int, typer.Option(min=2, help="Folds of the cross-validation.")] = 5,
    seed: int = 0,
    as_json: JsonOption = False,
) -> None:
    """Train a router on outcomes, measure it by cross-validation, and save it with a card."""
    from routers.training.dataset import load_outcomes
    from routers.training.train import train

    table = load_outcomes(outcomes)
    with stages() as report:
        trained = train(
            table,
            out,
            router=router,
            embedder=embedder,
            cache=cache,
            folds=folds,
            seed=seed,
            progress=report,
        )
    rows = [evaluation.as_dict() for evaluation in trained.evaluations]
    if as_json:
        print_json({"out": str(out), "router": trained.header.router, "evaluations": rows})
        return
    show(rows, f"Cross-validation on {len(table)} prompts")
    console.print(f"Saved {trained.header.router} to {out} (read {out / 'card.md'}).")
