"""``coterie experts``: who is there, what each can do, and what it costs."""

from __future__ import annotations

from dataclasses import asdict

from rich.table import Table

from serving.cli.output import DEFAULT_CONFIG, ConfigOption, JsonOption, console, print_json


def command(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """List the experts and compositions of a configuration, without loading any."""
    from serving.config import load

    loaded = load(config)
    infos = {name: expert.info(name) for name, expert in loaded.experts.items()}
    if as_json:
        rows = [{**asdict(infos[n]), "engine": e.engine} for n, e in loaded.experts.items()]
        print_json({"experts": rows, "compositions": list(loaded.compositions)})
        return
    table = Table()
    for title, wraps in (("expert", 0), ("engine", 0), ("skills", 1), ("takes", 1), ("USD/M", 0)):
        table.add_column(title, no_wrap=not wraps)
    for name, expert in loaded.experts.items():
        info = infos[name]
        table.add_row(
            name,
            expert.engine,
            ", ".join(info.skills),
            ", ".join(info.modalities),
            f"{info.price_in:g} in, {info.price_out:g} out",
        )
    console.print(table)
    console.print("Compositions:", ", ".join(loaded.compositions) or "none")
