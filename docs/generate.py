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

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("serving", "compose", "routers", "experts")
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
    from serving.config import AppConfig

    schema = AppConfig.model_json_schema()
    parts = [NOTE, "# Configuration\n", "Paths are relative to the file's own folder.\n"]
    parts += _keys("The file", schema)
    for name, inner in schema.get("$defs", {}).items():
        parts += _keys(name, inner)
    return "\n".join(parts)


def _keys(title: str, schema: dict[str, Any]) -> list[str]:
    if "properties" not in schema:
        return []
    rows = [
        f"| `{key}` | {_type(inner)} | {_default(key, inner, schema)} | {_cell(inner)} |"
        for key, inner in schema["properties"].items()
    ]
    about = schema.get("description", "").partition("\n\n")[0].replace("\n", " ")
    head = ["| key | type | default | meaning |", "|---|---|---|---|"]
    return [f"## {title}\n", f"{about}\n", *head, *rows, ""]


def _cell(schema: dict[str, Any]) -> str:
    return " ".join(schema.get("description", "").split()).replace("|", "\\|")


def _default(key: str, schema: dict[str, Any], parent: dict[str, Any]) -> str:
    if key in parent.get("required", ()):
        return "required"
    return f"`{schema['default']}`" if "default" in schema else ""


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
    pattern = re.compile(r"(<!-- tree -->\n).*?(\n<!-- /tree -->)", re.DOTALL)
    return pattern.sub(lambda match: match[1] + tree + match[2], text)


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
