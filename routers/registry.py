"""Routers by name: the built-in table, then entry points of the group ``coterie.routers``.

A router of yours is one class and one line in your package's ``pyproject.toml``::

    [project.entry-points."coterie.routers"]
    mine = "my_package:MyRouter"
"""

from __future__ import annotations

import difflib
from importlib.metadata import entry_points
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from routers.errors import ConfigError

if TYPE_CHECKING:
    from routers.base import TrainableRouter

__all__ = ["BUILT_IN", "GROUP", "make_router", "router_class", "router_names"]

GROUP = "coterie.routers"

BUILT_IN = {
    "constant": "routers.methods.constant:ConstantRouter",
    "knn": "routers.methods.knn:KnnRouter",
    "linear": "routers.methods.linear:LinearRouter",
    "random": "routers.methods.random:RandomRouter",
}


def router_names() -> list[str]:
    """Every name that ``router_class`` knows, sorted."""
    return sorted({*BUILT_IN, *entry_points(group=GROUP).names})


def router_class(name: str) -> type[TrainableRouter]:
    """The class of a router. Raises :class:`ConfigError` with the nearest name if there is none."""
    if name in BUILT_IN:
        return resolve_name(BUILT_IN[name])  # type: ignore[no-any-return]
    for entry in entry_points(group=GROUP, name=name):
        return entry.load()  # type: ignore[no-any-return]
    known = router_names()
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ConfigError(f"no router {name!r}{hint} (known: {', '.join(known)})")


def make_router(name: str, **params: Any) -> TrainableRouter:
    """An unfitted router. Raises :class:`ConfigError` for a parameter that it does not have."""
    cls = router_class(name)
    unknown = sorted(set(params) - set(cls._parameters()))
    if unknown:
        raise ConfigError(
            f"the router {name!r} has no parameter {', '.join(unknown)} "
            f"(it has: {', '.join(cls._parameters()) or 'none'})"
        )
    return cls(**params)
