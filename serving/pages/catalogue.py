"""What can be asked for: ``/v1/models``."""

from __future__ import annotations

import time
from typing import Any

from compose.errors import UnknownModel
from compose.pipeline import Composition, Pipeline
from experts.types import ExpertInfo

__all__ = ["Catalogue"]


class Catalogue:
    """Compositions and experts as OpenAI model objects.

    The ``coterie`` object of each says its kind and what a client may want to choose by. Prices
    are USD per million tokens, ``context_length`` is tokens.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._created = int(time.time())

    def all(self) -> dict[str, Any]:
        names = [*self._pipeline.compositions, *self._pipeline.experts]
        return {"object": "list", "data": [self.one(name) for name in dict.fromkeys(names)]}

    def one(self, name: str) -> dict[str, Any]:
        """Raises UnknownModel."""
        return {
            "id": name,
            "object": "model",
            "created": self._created,
            "owned_by": "coterie",
            "coterie": self._about(name),
        }

    def _about(self, name: str) -> dict[str, Any]:
        # In the order in which the pipeline resolves a name.
        if name in self._pipeline.experts:
            return _expert(self._pipeline.experts[name].info)
        if name in self._pipeline.compositions:
            return _composition(self._pipeline.compositions[name])
        raise UnknownModel(name, self._pipeline.nearest(name))


def _expert(info: ExpertInfo) -> dict[str, Any]:
    return {
        "kind": "expert",
        "skills": list(info.skills),
        "modalities": list(info.modalities),
        "context_length": info.context_length,
        "price_in": info.price_in,
        "price_out": info.price_out,
        "description": info.description,
    }


def _composition(composition: Composition) -> dict[str, Any]:
    return {
        "kind": "composition",
        "strategy": composition.strategy.name,
        "experts": list(composition.scorer.router.experts_),
    }
