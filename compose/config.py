"""The configuration file: experts, and the compositions over them."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator

from compose.errors import ConfigError
from experts.config import ExpertConfig
from routers.config import GateConfig, RouterConfig


class StrategyConfig(BaseModel):
    """``kind`` names the strategy; the other keys are its own settings."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: str = "single"

    @property
    def settings(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class CompositionConfig(BaseModel):
    """A named router + gate + strategy; clients choose it by the ``model`` field of a request."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    router: RouterConfig
    gate: GateConfig = GateConfig()
    strategy: StrategyConfig = StrategyConfig()

    @field_validator("strategy", mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value


class Config(BaseModel):
    """Everything that a pipeline is built from.

    ``file`` is where it was read from: paths inside it are relative to that file's folder.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    experts: dict[str, ExpertConfig] = Field(min_length=1)
    compositions: dict[str, CompositionConfig] = {}

    _file: Path = PrivateAttr(Path("<configuration>"))

    @property
    def file(self) -> Path:
        return self._file


C = TypeVar("C", bound=Config)


def load_config(path: Path, model: type[C]) -> C:
    """Read and check a YAML configuration of the given kind.

    Raises ConfigError that names the file, the path in it, and the nearest valid key.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise ConfigError(f"{reason}. Give one with --config FILE.", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise ConfigError("this is not UTF-8 text", where=str(path)) from error
    except yaml.YAMLError as error:
        raise ConfigError(_yaml_problem(error), where=str(path)) from error
    if not isinstance(data, Mapping):
        raise ConfigError("expected keys such as 'experts' at the top", where=str(path))
    try:
        config = model.model_validate(data)
    except ValidationError as error:
        # A mistyped key often leaves another one missing: name the cause, not its effect.
        first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
        dotted = ".".join(str(part) for part in first["loc"])
        raise ConfigError(_problem(model, first), where=str(path), path=dotted) from error
    config._file = path
    return config


def _yaml_problem(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"not YAML: {error.problem} at line {mark.line + 1}, column {mark.column + 1}"
    return "not YAML"


def _problem(model: type[Config], error: Any) -> str:
    if error["type"] != "extra_forbidden":
        return str(error["msg"])
    key = str(error["loc"][-1])
    near = difflib.get_close_matches(key, valid_keys(model, error["loc"][:-1]), n=1, cutoff=0.0)
    return f"unknown key {key!r}; did you mean {near[0]!r}?" if near else f"unknown key {key!r}"


def valid_keys(model: Any, loc: tuple[int | str, ...]) -> list[str]:
    """The keys that are valid at a place of the configuration."""
    for part in loc:
        model = _step(model, str(part))
    return list(model.model_fields) if _is_model(model) else []


def _step(model: Any, part: str) -> Any:
    if not _is_model(model):
        return next((inner for inner in _models_in(model)), None)
    field = model.model_fields.get(part)
    if field is None:
        return None
    annotation = field.annotation
    return (
        annotation
        if _is_model(annotation) or _is_mapping(annotation)
        else next(_models_in(annotation), None)
    )


def _is_model(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, BaseModel)


def _is_mapping(annotation: Any) -> bool:
    return getattr(annotation, "__origin__", None) in (dict, Mapping)


def _models_in(annotation: Any) -> Iterator[Any]:
    for inner in getattr(annotation, "__args__", ()):
        if _is_model(inner):
            yield inner
