"""Strategies by name. Outsiders register theirs under the entry point ``coterie.strategies``."""

from __future__ import annotations

import difflib
import pkgutil
from importlib.metadata import entry_points
from typing import Any

from compose.errors import UnknownStrategy

STRATEGIES = {
    "single": "compose.strategies.single:Single",
}


def find_strategy(kind: str) -> Any:
    """The class of a strategy: built from an instance of its own ``Settings``.

    Raises UnknownStrategy with the nearest name when there is none of that name.
    """
    if kind in STRATEGIES:
        return pkgutil.resolve_name(STRATEGIES[kind])
    others = {entry.name: entry for entry in entry_points(group="coterie.strategies")}
    if kind in others:
        return others[kind].load()
    names = [*STRATEGIES, *others]
    near = difflib.get_close_matches(kind, names, n=1, cutoff=0.0)
    raise UnknownStrategy(f"unknown strategy {kind!r}; did you mean {near[0]!r}?")
