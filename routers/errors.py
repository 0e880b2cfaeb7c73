"""What can go wrong with routers and their data.

::

    RouterError
    +-- DataError        outcomes that cannot be used as they are: says which rows or columns
    +-- ArtifactError    a trained router that is missing, damaged, of another version, or trained
    |                    for other experts or another embedder: says how to retrain
    +-- NotFitted        score() before fit() or load()
    +-- ConfigError      a router that cannot be built as configured
"""

from __future__ import annotations

__all__ = ["ArtifactError", "ConfigError", "DataError", "NotFitted", "RouterError"]


class RouterError(Exception):
    """Base of all errors of routers."""


class DataError(RouterError):
    pass


class ArtifactError(RouterError):
    pass


class NotFitted(RouterError):
    pass


class ConfigError(RouterError):
    pass
