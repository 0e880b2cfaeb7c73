"""The command line: one command a file. Heavy imports happen inside the commands only."""

from __future__ import annotations

import sys

import typer

from compose.errors import ComposeError
from experts.errors import ConfigError as ExpertConfigError
from experts.errors import ExpertError
from routers.errors import RouterError
from serving.cli import ask, collect, eval, experts, route, serve, train
from serving.cli.output import errors
from serving.errors import CannotServe

app = typer.Typer(
    name="coterie",
    help="One OpenAI-compatible endpoint over many expert LLMs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
MENDABLE = (ComposeError, ExpertError, ExpertConfigError, RouterError, CannotServe)

for module in (serve, ask, route, collect, train, eval, experts):
    app.command(module.__name__.rpartition(".")[2])(module.command)


def main() -> None:
    """Run the command line. What the user can mend is one line on stderr and exit status 1."""
    try:
        app()
    except MENDABLE as error:
        errors.print(f"[bold red]error:[/] {type(error).__name__}:", error, highlight=False)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
