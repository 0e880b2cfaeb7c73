"""Engines by name, and how an expert is put together from its configuration."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from pydantic import BaseModel, ValidationError

from experts.base import Expert
from experts.config import ExpertConfig
from experts.errors import ConfigError
from experts.wrappers import CircuitBroken, Fallback, Retrying, TimeLimited

__all__ = ["ENGINES", "engine_class", "engine_settings", "make_expert", "make_experts"]

ENGINES = {
    "openai": "experts.engines.openai_http:OpenAIExpert",
    "replay": "experts.engines.replay:ReplayExpert",
    "scripted": "experts.engines.scripted:ScriptedExpert",
    "transformers": "experts.engines.transformers_engine:TransformersExpert",
}
ENTRY_POINTS = "coterie.experts"


def engine_names() -> list[str]:
    """Every engine: ours, and those that installed packages register as entry points."""
    return sorted({*ENGINES, *(entry.name for entry in entry_points(group=ENTRY_POINTS))})


def engine_class(engine: str) -> Any:
    """The class of an engine: ``Class(info, settings)``, with its settings model as
    ``Class.Settings``. Raises ConfigError for a name that nobody registered."""
    if engine in ENGINES:
        return resolve_name(ENGINES[engine])
    for entry in entry_points(group=ENTRY_POINTS, name=engine):
        return entry.load()
    raise ConfigError(
        f"there is no engine {engine!r}; {nearest(engine, engine_names())}", path="engine"
    )


def engine_settings(config: ExpertConfig, base: Path = Path()) -> BaseModel:
    """The engine's part of a configuration, checked; its paths are relative to ``base``.

    Raises ConfigError with the key's path.
    """
    model: type[BaseModel] = engine_class(config.engine).Settings
    try:
        return model.model_validate(config.engine_keys, context={"base": base})
    except ValidationError as exc:
        # A key that does not exist first: it is often the mistyped name of one that is missing.
        error = min(exc.errors(), key=lambda error: error["type"] != "extra_forbidden")
        path = ".".join(str(part) for part in error["loc"])
        hint = error["msg"]
        if error["type"] == "extra_forbidden":
            known = [*ExpertConfig.model_fields, *model.model_fields]
            hint = f"no such setting of engine {config.engine!r}; {nearest(path, known)}"
        raise ConfigError(f"{path}: {hint}", path=path) from exc


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for somebody who mistyped a name."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known are: {', '.join(known)}"


def make_expert(name: str, config: ExpertConfig, base: Path = Path()) -> Expert:
    """Build one expert, guarded as configured; what is not configured is not put in.

    From the inside out: engine, time limits, circuit breaker, retry. Limits hold for one try. The
    breaker sees every try, so a hanging expert opens it. Retry stands outside the breaker, so an
    open circuit ends the retrying. A fallback chain (:func:`make_experts`) stands outside all.
    """
    try:
        settings = engine_settings(config, base)
        expert: Expert = engine_class(config.engine)(config.info(name), settings)
    except ConfigError as exc:
        path = f"{name}.{exc.path}" if exc.path else name
        raise ConfigError(f"expert {name!r}: {exc}", path=path) from exc
    if config.limits.any:
        expert = TimeLimited(expert, config.limits)
    if config.circuit is not None:
        expert = CircuitBroken(expert, config.circuit)
    if config.retry is not None and config.retry.attempts > 1:
        expert = Retrying(expert, config.retry)
    return expert


def make_experts(configs: Mapping[str, ExpertConfig], base: Path = Path()) -> dict[str, Expert]:
    """Build all experts, in the order given, with their fallback chains.

    ``base`` is the folder that paths in the configuration are relative to.

    A fallback is an expert of the same mapping, with its own guards and its own fallbacks. Start
    and close every expert of the result once: a chain starts and closes its first member only.
    Raises ConfigError for an unknown name and for a chain that comes back to itself.
    """
    for name, config in configs.items():
        for index, other in enumerate(config.fallback):
            if other not in configs:
                raise ConfigError(
                    f"expert {name!r}: there is no expert {other!r} to fall back on; "
                    f"{nearest(other, configs)}",
                    path=f"{name}.fallback.{index}",
                )
    built: dict[str, Expert] = {}
    for name in configs:
        _build_chain(name, configs, base, built, ())
    return {name: built[name] for name in configs}


def _build_chain(
    name: str,
    configs: Mapping[str, ExpertConfig],
    base: Path,
    built: dict[str, Expert],
    above: tuple[str, ...],
) -> Expert:
    if name in above:
        circle = " -> ".join([*above[above.index(name) :], name])
        raise ConfigError(f"the fallbacks go in a circle: {circle}", path=f"{name}.fallback")
    if name not in built:
        config = configs[name]
        others = [_build_chain(x, configs, base, built, (*above, name)) for x in config.fallback]
        expert = make_expert(name, config, base)
        built[name] = Fallback(expert, others) if others else expert
    return built[name]
