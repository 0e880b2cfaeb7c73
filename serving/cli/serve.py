"""``coterie serve``: the HTTP endpoint, with everything in this process."""

from __future__ import annotations

from typing import Annotated

import typer

from serving.cli.output import DEFAULT_CONFIG, ConfigOption, console


def command(
    config: ConfigOption = DEFAULT_CONFIG,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="0: any free port.")] = None,
) -> None:
    """Serve the configuration's experts and compositions over HTTP."""
