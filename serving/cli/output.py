"""What commands print: tables and bars for people, one JSON object for programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

console = Console()
errors = Console(stderr=True)

DEFAULT_CONFIG = Path("configs/minis.yaml")


def config_file(path: Path) -> Path:
    """The file to read: the embedded default is found from any folder, in a clone or installed."""
    if path != DEFAULT_CONFIG or path.exists():
        return path
    clone, installed = Path(__file__).parents[2], Path(sys.prefix) / "share/coterie"
    return next((f / path for f in (clone, installed) if (f / path).exists()), path)


ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration file.", callback=config_file)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def print_json(value: Any) -> None:
    options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_INDENT_2
    sys.stdout.write(orjson.dumps(value, option=options).decode() + "\n")


def progress() -> Progress:
    """A bar on stderr, so that what a command prints can be piped."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeRemainingColumn(), console=errors)


@contextmanager
def stages() -> Iterator[Callable[[str, int, int], None]]:
    """A callback ``(stage, done, total)`` that keeps one bar a stage."""
    with progress() as bar:
        tasks: dict[str, TaskID] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage)
            bar.update(tasks[stage], completed=done, total=total)

        yield report
