"""Writes the generated parts of the docs: the commands' help, the configuration keys, the tree.

``python docs/generate.py`` writes them, ``--check`` fails when one is out of date.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("serving", "compose", "routers", "experts")
INTRODUCTION = """One YAML file. Paths in it are relative to the file's own folder. A key that
does not exist is refused with the nearest one that does. The keys of an expert are those of
ExpertConfig and those of its engine; the keys of a strategy are `kind` and its own.
"""
NOTE = "<!-- Written by docs/generate.py: do not edit. -->\n"


def main() -> int:
    check = "--check" in sys.argv[1:]
    pages = {
        ROOT / "docs/cli.md": cli_page(),
        ROOT / "docs/config.md": config_page(),
        ROOT / "docs/architecture.md": with_tree((ROOT / "docs/architecture.md").read_text()),
    }
    stale = [p for p, text in pages.items() if not p.exists() or p.read_text() != text]
    for path in stale:
        name = path.relative_to(ROOT)
        if check:
            sys.stderr.write(f"{name} is out of date: run `make docs`\n")
        else:
            path.write_text(pages[path])
            sys.stderr.write(f"wrote {name}\n")
    return 1 if check and stale else 0


def cli_page() -> str:
    from serving.cli import app

    names = [
        command.name or command.callback.__module__.rpartition(".")[2]  # type: ignore[union-attr]
        for command in app.registered_commands
    ]
    parts = [NOTE, "# Commands\n", _help()]
    for name in names:
        parts += [f"## coterie {name}\n", _help(name)]
    return "\n".join(parts)


def _help(*command: str) -> str:
    environment = {**os.environ, "COLUMNS": "90", "NO_COLOR": "1", "TERM": "dumb"}
    script = "import sys; sys.argv[0] = 'coterie'; from serving.cli import main; main()"
    run = subprocess.run(
        [sys.executable, "-c", script, *command, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        cwd=ROOT,
    )
    lines = "\n".join(line.rstrip() for line in run.stdout.strip().splitlines())
    return f"```text\n{lines}\n```\n"


def config_page() -> str:
    from compose.registry import STRATEGIES, find_strategy
    from experts.registry import ENGINES, engine_class
    from serving.config import AppConfig

    parts = [NOTE, "# Configuration\n", INTRODUCTION]
    schema = AppConfig.model_json_schema()
    parts += _keys("The file", schema)
    for name in ("ExpertConfig", "CompositionConfig"):
        parts += _keys(name, schema["$defs"].pop(name))
    for name, inner in schema["$defs"].items():
        parts += _keys(name, inner)
    for name in ENGINES:
        parts += _keys(f"engine: {name}", engine_class(name).Settings.model_json_schema())
    for name in STRATEGIES:
        parts += _keys(f"strategy: {name}", find_strategy(name).Settings.model_json_schema())
    return "\n".join(parts)


def _keys(title: str, schema: dict[str, Any]) -> list[str]:
    """A section for a model, then one for each model that it uses (but for the whole file's)."""
    rows = [
        f"| `{key}` | {_type(inner)} | {_default(key, inner, schema)} | {_cell(inner)} |"
        for key, inner in schema.get("properties", {}).items()
    ]
    if not rows:
        return []
    about = schema.get("description", "").partition("\n\n")[0].replace("\n", " ")
    head = ["| key | type | default | meaning |", "|---|---|---|---|"]
    parts = [f"## {title}\n", f"{about}\n", *head, *rows, ""]
    if title.startswith(("engine:", "strategy:")):
        for name, inner in schema.get("$defs", {}).items():
            parts += _keys(f"{title}: {name}", inner)
    return parts


def _cell(schema: dict[str, Any]) -> str:
    return " ".join(schema.get("description", "").split()).replace("|", "\\|")


def _default(key: str, schema: dict[str, Any], parent: dict[str, Any]) -> str:
    if key in parent.get("required", ()):
        return "required"
    if "default" not in schema or isinstance(schema["default"], dict):
        return ""  # a section of its own says the defaults of what it holds
    return f"`{orjson.dumps(schema['default']).decode()}`"


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_type(inner) for inner in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{v}`" for v in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"name -> {_type(schema['additionalProperties'])}"
    return str(schema.get("type", "any"))


def with_tree(text: str) -> str:
    """The page with the tree between its markers written anew."""
    tree = "```text\n" + "\n".join(line for p in PACKAGES for line in _tree(ROOT / p)) + "\n```"
    pattern = re.compile(r"<!-- tree -->.*<!-- /tree -->", re.DOTALL)
    return pattern.sub(lambda _: f"<!-- tree -->\n{tree}\n<!-- /tree -->", text)


def _tree(folder: Path, depth: int = 0) -> Iterator[str]:
    yield _line(f"{folder.name}/", folder / "__init__.py", depth)
    entries = sorted(folder.iterdir(), key=lambda p: (p.is_dir(), p.name))
    for entry in entries:
        if entry.is_dir() and (entry / "__init__.py").exists():
            yield from _tree(entry, depth + 1)
        elif entry.suffix == ".py" and entry.name not in ("__init__.py", "__main__.py"):
            yield _line(entry.name, entry, depth + 1)


def _line(name: str, module: Path, depth: int) -> str:
    about = (ast.get_docstring(ast.parse(module.read_text())) or "").partition("\n")[0]
    return f"{'  ' * depth}{name}".ljust(30) + about


if __name__ == "__main__":
    sys.exit(main())
