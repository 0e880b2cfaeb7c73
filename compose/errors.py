"""What can go wrong above a single expert.

::

    ComposeError
    +-- UnknownModel      no expert and no composition has that name; lists the nearest
    +-- UnknownStrategy   no strategy has that name; says the nearest
    +-- DataError         a file of prompts or outcomes that cannot be used; names the line
    +-- ConfigError       a configuration that cannot work: names the file and the path in it
"""

from __future__ import annotations

__all__ = ["ComposeError", "ConfigError", "DataError", "UnknownModel", "UnknownStrategy"]


class ComposeError(Exception):
    """Base of the errors of this package."""


class UnknownModel(ComposeError):
    def __init__(self, name: str, nearest: list[str]) -> None:
        shown = name if len(name) <= 80 else name[:77] + "..."
        hint = f" Did you mean {', '.join(repr(n) for n in nearest)}?" if nearest else ""
        super().__init__(f"The model {shown!r} does not exist.{hint} GET /v1/models lists all.")
        self.name = name
        self.nearest = nearest


class UnknownStrategy(ComposeError):
    pass


class DataError(ComposeError):
    pass


class ConfigError(ComposeError):
    """``where`` is the file, ``path`` the dotted path of the key inside it."""

    def __init__(self, message: str, *, where: str = "", path: str = "") -> None:
        place = ": ".join(part for part in (where, path) if part)
        super().__init__(f"{place}: {message}" if place else message)
