"""What a configuration says about one expert. Data only: nothing here loads an engine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo

from experts.types import ExpertInfo

__all__ = [
    "CircuitConfig",
    "ExpertConfig",
    "LimitsConfig",
    "LocalFolder",
    "LocalPath",
    "RetryConfig",
    "Settings",
]


class Settings(BaseModel):
    """Base of every settings model: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def _beside(value: Path, info: ValidationInfo) -> Path:
    base: Path = (info.context or {}).get("base", Path())
    return base / value


LocalPath = Annotated[Path, AfterValidator(_beside)]
"""A path in a configuration: relative to the folder that is validated with, as ``base``."""


def _folder_beside(value: str, info: ValidationInfo) -> str:
    folder = _beside(Path(value), info)
    return str(folder) if folder.is_dir() else value


LocalFolder = Annotated[str, AfterValidator(_folder_beside)]
"""A folder, relative as LocalPath is; or, where there is no such folder, a name as it stands."""


class RetryConfig(Settings):
    """Try again, as long as nothing has been sent yet.

    The wait before try k is drawn from [0, min(max_delay, base_delay * 2**(k-1))] seconds ("full
    jitter", so that clients which failed together do not come back together), and is at least
    what the expert asked for with ``retry_after``.
    """

    attempts: int = Field(default=2, ge=1, le=10, description="tries in all, the first included")
    base_delay: float = Field(default=0.2, gt=0, description="seconds")
    max_delay: float = Field(default=5.0, gt=0, description="seconds; longer waits are not waited")


class LimitsConfig(Settings):
    """Time limits of one try, in seconds. None: no limit.

    The defaults only catch an expert that hangs. A request that is not streamed has its whole
    answer as its first chunk, which is why that limit is a long one.
    """

    first_token: float | None = Field(default=300.0, gt=0, description="seconds")
    between_tokens: float | None = Field(default=60.0, gt=0, description="seconds")
    total: float | None = Field(default=None, gt=0, description="seconds")

    @property
    def any(self) -> bool:
        return any(x is not None for x in (self.first_token, self.between_tokens, self.total))


class CircuitConfig(Settings):
    """Leave an expert alone for ``cooldown`` seconds after ``failures`` failures in a row."""

    failures: int = Field(default=5, ge=1)
    cooldown: float = Field(default=30.0, gt=0, description="seconds, then one request tries")


class ExpertConfig(BaseModel):
    """One expert: its engine, its description, what guards it.

    Every further key belongs to the engine and is checked by the engine's own settings model (see
    :func:`experts.registry.engine_settings`), which is why extra keys are let through here.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    engine: str
    skills: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ("text",)
    context_length: int | None = Field(default=None, ge=1)
    price_in: float = Field(default=0.0, ge=0, description="USD per million tokens of prompt")
    price_out: float = Field(default=0.0, ge=0, description="USD per million tokens of answer")
    description: str = ""
    retry: RetryConfig | None = None
    limits: LimitsConfig = LimitsConfig()
    circuit: CircuitConfig | None = None
    fallback: tuple[str, ...] = Field(default=(), description="experts asked when this one fails")

    @property
    def engine_keys(self) -> dict[str, Any]:
        """The keys that belong to the engine."""
        return dict(self.model_extra or {})

    def info(self, name: str) -> ExpertInfo:
        return ExpertInfo(
            name=name,
            skills=self.skills,
            modalities=self.modalities,
            context_length=self.context_length,
            price_in=self.price_in,
            price_out=self.price_out,
            description=self.description,
        )
