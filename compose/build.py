"""From a configuration to a pipeline that is ready to start."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from compose.config import CompositionConfig, Config, StrategyConfig
from compose.errors import ConfigError, UnknownStrategy
from compose.pipeline import Composition, Pipeline
from compose.registry import find_strategy
from compose.scoring import Scorer
from compose.strategies.base import Strategy
from experts.base import Expert
from experts.config import ExpertConfig
from experts.errors import ConfigError as ExpertConfigError
from experts.registry import make_experts
from routers.base import Router
from routers.build import build_router
from routers.config import RouterConfig
from routers.errors import RouterError

MakeExperts = Callable[[Mapping[str, ExpertConfig], Path], dict[str, Expert]]


def build_pipeline(config: Config, make_experts: MakeExperts = make_experts) -> Pipeline:
    """Build everything that the configuration names; nothing is loaded before ``start``.

    ``make_experts`` is the seam for experts that live elsewhere. Raises ConfigError with the file
    and the path in it.
    """
    experts = build_experts(config, make=make_experts)
    compositions = {}
    for name, composition in config.compositions.items():
        if name in experts:
            raise _problem(config, "an expert has this name already", f"compositions.{name}")
        compositions[name] = _composition(config, name, composition, list(experts))
    return Pipeline(experts, compositions)


def build_experts(
    config: Config, only: Sequence[str] = (), make: MakeExperts = make_experts
) -> dict[str, Expert]:
    """The experts of a configuration, or those named in ``only``."""
    unknown = [name for name in only if name not in config.experts]
    if unknown:
        known = ", ".join(config.experts)
        raise _problem(config, f"no expert {unknown[0]!r}; there are: {known}", "experts")
    try:
        experts = make(config.experts, config.file.parent)
    except ExpertConfigError as error:
        raise _problem(config, str(error), f"experts.{error.path}") from error
    return {name: experts[name] for name in only or experts}


def _composition(
    config: Config, name: str, composition: CompositionConfig, experts: list[str]
) -> Composition:
    path = f"compositions.{name}"
    try:
        router = _router(composition.router, experts, config.file.parent)
    except RouterError as error:
        raise _problem(config, str(error), f"{path}.router") from error
    costs = dict(zip(router.experts_, getattr(router, "mean_cost_", ()), strict=False))
    return Composition(
        name=name,
        scorer=Scorer(router),
        gate=composition.gate,
        strategy=_strategy(config, composition.strategy, f"{path}.strategy"),
        costs={name: float(cost) for name, cost in costs.items() if math.isfinite(cost)},
    )


def _router(config: RouterConfig, experts: Sequence[str], base: Path) -> Router:
    if config.artifact is not None:
        config = config.model_copy(update={"artifact": base / config.artifact})
    return build_router(config, experts)


def _strategy(config: Config, chosen: StrategyConfig, path: str) -> Strategy:
    try:
        kind = find_strategy(chosen.kind)
        strategy: Strategy = kind(kind.Settings.model_validate(chosen.settings))
    except UnknownStrategy as error:
        raise _problem(config, str(error), path) from error
    except ValidationError as error:
        first = error.errors()[0]
        known = ", ".join(kind.Settings.model_fields)
        key = ".".join(str(part) for part in first["loc"])
        message = f"{first['msg']} (settings of {chosen.kind!r}: {known})"
        raise _problem(config, message, f"{path}.{key}") from error
    return strategy


def _problem(config: Config, message: str, path: str) -> ConfigError:
    return ConfigError(message, where=str(config.file), path=path)
