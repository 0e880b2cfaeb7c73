"""``coterie serve``: the HTTP endpoint, with everything in this process."""

from __future__ import annotations

from typing import Annotated

import typer

from serving.cli.output import DEFAULT_CONFIG, ConfigOption, console, errors


def command(
    config: ConfigOption = DEFAULT_CONFIG,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="0: any free port.")] = None,
) -> None:
    """Serve the configuration's experts and compositions over HTTP."""
    from compose.build import build_pipeline
    from serving.config import load
    from serving.local import serve

    loaded = load(config)
    given = {k: v for k, v in {"host": host, "port": port}.items() if v is not None}
    pipeline = build_pipeline(loaded)
    model = next(iter([*pipeline.compositions, *pipeline.experts]))
    waiting = errors.status(f"Loading {len(pipeline.experts)} experts ...")
    waiting.start()

    def ready(url: str) -> None:
        waiting.stop()
        console.print(_welcome(url, model), markup=False, highlight=False, soft_wrap=True)

    try:
        serve(pipeline, loaded.server.model_copy(update=given), on_ready=ready)
    finally:
        waiting.stop()


def _welcome(url: str, model: str) -> str:
    question = '[{"role": "user", "content": "What is 17 plus 25?"}]'
    return (
        f"Coterie answers at {url} (OpenAI base URL: {url}/v1, docs: {url}/docs). Try:\n\n"
        f"  curl {url}/v1/chat/completions -H 'content-type: application/json' \\\n"
        f'    -d \'{{"model": "{model}", "messages": {question}}}\'\n\n'
        "Ctrl-C ends it."
    )
