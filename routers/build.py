"""From a configuration to a router."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from routers.base import TrainableRouter
from routers.config import RouterConfig
from routers.embed import Embedder
from routers.errors import ConfigError
from routers.methods.constant import ConstantRouter
from routers.training.artifact import load_router

__all__ = ["build_router"]

INDIFFERENT = 0.5


def build_router(
    config: RouterConfig, experts: Sequence[str], embedder: Embedder | None = None
) -> TrainableRouter:
    """The configured router of these experts; nothing heavy is loaded before ``warm`` or ``score``.

    Parameters
    ----------
    embedder : share this one between routers; it must be the one that the artifact names

    Raises
    ------
    ArtifactError : the artifact cannot serve these experts; see ``load_router``
    ConfigError : ``scores`` names an expert that is not there
    """
    if config.artifact is not None:
        return load_router(
            config.artifact, experts=experts, embedder=embedder, device=config.device
        )
    for name in config.scores:
        if name not in experts:
            near = difflib.get_close_matches(name, experts, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigError(f"router.scores: no expert {name!r}{hint}")
    return ConstantRouter.of({name: config.scores.get(name, INDIFFERENT) for name in experts})
