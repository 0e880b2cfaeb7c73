"""What can be set of routers and gates: data only, light to import."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["GateConfig", "RouterConfig"]


class RouterConfig(BaseModel):
    """Which router scores the experts.

    Either a trained router (``artifact``), or fixed expected qualities (``scores``, experts that
    it leaves out get 0.5). With neither, all experts are expected to do alike, and the gate's
    tie-break spreads the requests over them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    artifact: Path | None = Field(None, description="folder that `coterie train` wrote")
    scores: dict[str, float] = Field(
        default_factory=dict, description="expert -> expected quality in [0, 1]"
    )
    device: str | None = Field(None, description="torch device of the embedder; null chooses")

    @model_validator(mode="after")
    def _one_of_them(self) -> RouterConfig:
        if self.artifact is not None and self.scores:
            raise ValueError("give either artifact or scores, not both")
        wrong = [name for name, score in self.scores.items() if not 0.0 <= score <= 1.0]
        if wrong:
            raise ValueError(f"expected qualities lie in [0, 1]: {', '.join(wrong)}")
        return self


class GateConfig(BaseModel):
    """How many experts are asked, and what quality is worth."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["top_k"] = "top_k"
    k: int = Field(1, ge=1, description="experts to ask")
    cost_weight: float = Field(
        0.0,
        ge=0.0,
        allow_inf_nan=False,
        description="expected quality given up to save 1 USD per 1,000 requests",
    )
    temperature: float = Field(
        0.1, gt=0.0, allow_inf_nan=False, description="of the softmax that gives the weights"
    )
    tie_key: str = Field("", description="secret of the tie-break; any text")
