"""From a configuration to a pipeline that is ready to start."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from compose.config import CompositionConfig, Config, StrategyConfig
from compose.errors import ConfigError
from compose.pipeline import Composition, Pipeline
from compose.registry import find_strategy
from compose.scoring import Scorer
from compose.strategies.base import Strategy
from experts.base import Expert
from experts.config import ExpertConfig
from experts.errors import ConfigError as ExpertConfigError
from experts.registry import make_experts
from routers.registry import make_configured

MakeExperts = Callable[[Mapping[str, ExpertConfig]], dict[str, Expert]]


def build_pipeline(
    config: Config, base: Path, make_experts: MakeExperts = make_experts
) -> Pipeline:
    """Build everything that the configuration names; nothing is loaded before ``start``.

    ``base`` is the folder that paths in the configuration are relative to. ``make_experts`` is the
    seam for experts that live elsewhere. Raises ConfigError with the path in the configuration.
    """
    experts = build_experts(config, base, make=make_experts)
    compositions = {}
    for name, composition in config.compositions.items():
        if name in experts:
            raise ConfigError("an expert has this name already", path=f"compositions.{name}")
        compositions[name] = _composition(name, composition, list(experts), base)
    return Pipeline(experts, compositions)


def build_experts(
    config: Config, base: Path, only: Sequence[str] = (), make: MakeExperts = make_experts
) -> dict[str, Expert]:
    """The experts of a configuration, or those named in ``only``."""
    unknown = [name for name in only if name not in config.experts]
    if unknown:
        known = ", ".join(config.experts)
        raise ConfigError(f"no expert {unknown[0]!r}; there are: {known}", path="experts")
    try:
        experts = make(config.experts)
    except ExpertConfigError as error:
        raise ConfigError(str(error), path=f"experts.{error.path}") from error
    return {name: experts[name] for name in only or experts}


def _composition(
    name: str, config: CompositionConfig, experts: list[str], base: Path
) -> Composition:
    path = f"compositions.{name}"
    router = make_configured(config.router, experts, base)
    costs = dict(zip(router.experts_, getattr(router, "mean_cost_", ()), strict=False))
    return Composition(
        name=name,
        scorer=Scorer(router),
        gate=config.gate,
        strategy=make_strategy(config.strategy, f"{path}.strategy"),
        costs={name: float(cost) for name, cost in costs.items() if math.isfinite(cost)},
    )


def make_strategy(config: StrategyConfig, path: str) -> Strategy:
    """Build a strategy. Raises ConfigError naming the setting that is wrong."""
    kind = find_strategy(config.kind)
    try:
        strategy: Strategy = kind(kind.Settings.model_validate(config.settings))
    except ValidationError as error:
        first = error.errors()[0]
        known = ", ".join(kind.Settings.model_fields)
        key = ".".join(str(part) for part in first["loc"])
        message = f"{first['msg']} (settings of {config.kind!r}: {known})"
        raise ConfigError(message, path=f"{path}.{key}") from error
    return strategy
