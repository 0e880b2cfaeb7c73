"""What commands print: tables and bars for people, one JSON object for programs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

console = Console()
errors = Console(stderr=True)

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration file.", show_default=True)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
DEFAULT_CONFIG = Path("configs/minis.yaml")


def print_json(value: Any) -> None:
    options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_INDENT_2
    sys.stdout.write(orjson.dumps(value, option=options).decode() + "\n")


def progress() -> Progress:
    """A bar on stderr, so that what a command prints can be piped."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeRemainingColumn(), console=errors)
