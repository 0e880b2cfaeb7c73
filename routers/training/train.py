"""From outcomes to a trained, measured and saved router."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from routers.base import EmbeddingRouter, TrainableRouter
from routers.embed import DEFAULT_EMBEDDER, Embedder, make_embedder
from routers.embed_cache import CachedEmbedder
from routers.registry import make_router, router_class, router_names
from routers.training.artifact import Header, save_router
from routers.training.card import render_card
from routers.training.dataset import fingerprint
from routers.training.evaluate import Evaluation, Progress, cross_validate
from routers.training.folds import near_duplicates
from routers.types import Outcomes

__all__ = ["AUTO", "Trained", "candidates", "compare", "train"]

AUTO = "auto"

_TEXTS_AT_ONCE = 128


@dataclass(frozen=True, slots=True)
class Trained:
    """A router that was trained, and how it did in cross-validation.

    ``evaluations`` begins with this router's; the others were compared with it (``auto``). It is
    empty if the outcomes were too few to split.
    """

    router: TrainableRouter
    header: Header
    evaluations: list[Evaluation]


def train(
    outcomes: Outcomes,
    out: Path | str,
    *,
    router: str = "knn",
    params: dict[str, Any] | None = None,
    embedder: str | Embedder = DEFAULT_EMBEDDER,
    cache: Path | str | None = None,
    folds: int = 5,
    seed: int = 0,
    progress: Progress | None = None,
) -> Trained:
    """Cross-validate, fit on everything, and save with a card.

    Parameters
    ----------
    out : folder of the artifact
    router : a name of the registry, or ``auto``: of all routers that look at the query, the one of
        highest quality in cross-validation
    params : of the router; not with ``auto``
    cache : folder of an embedding cache; None keeps embeddings in memory
    folds : of the cross-validation; fewer if there are fewer groups of prompts

    Raises
    ------
    ConfigError, DataError : see there
    """
    names = candidates() if router == AUTO else [router]
    with _cached(embedder, cache) as cached:
        made = {name: _make(name, params or {}, cached) for name in names}
        evaluations = _evaluate(made, outcomes, cached, folds, seed, progress)
        evaluations.sort(key=lambda each: -each.quality)
        name = evaluations[0].router if evaluations else names[0]
        if progress:
            progress(f"training {name}", 0, 1)
        best = made[name].fit(outcomes)
        header = _save(best, name, out, outcomes, evaluations)
        if isinstance(best, EmbeddingRouter):
            best.embedder = best.embedder_ = cached.inner
    if progress:
        progress(f"training {name}", 1, 1)
    return Trained(best, header, evaluations)


def compare(
    names: Sequence[str],
    outcomes: Outcomes,
    *,
    embedder: str | Embedder = DEFAULT_EMBEDDER,
    cache: Path | str | None = None,
    folds: int = 5,
    seed: int = 0,
    progress: Progress | None = None,
) -> list[Evaluation]:
    """Cross-validate several routers on the same folds; results in the order of ``names``."""
    with _cached(embedder, cache) as cached:
        made = {name: _make(name, {}, cached) for name in names}
        return _evaluate(made, outcomes, cached, folds, seed, progress)


def candidates() -> list[str]:
    """The routers that ``auto`` chooses from: all that look at the query."""
    return [name for name in router_names() if not router_class(name).baseline]


def _cached(embedder: str | Embedder, cache: Path | str | None) -> CachedEmbedder:
    return CachedEmbedder(make_embedder(embedder) if isinstance(embedder, str) else embedder, cache)


def _make(name: str, params: dict[str, Any], embedder: Embedder) -> TrainableRouter:
    if issubclass(router_class(name), EmbeddingRouter):
        params = {"embedder": embedder, **params}
    return make_router(name, **params)


def _evaluate(
    made: dict[str, TrainableRouter],
    outcomes: Outcomes,
    embedder: Embedder,
    folds: int,
    seed: int,
    progress: Progress | None,
) -> list[Evaluation]:
    if any(isinstance(router, EmbeddingRouter) for router in made.values()):
        _embed_all(outcomes.prompts, embedder, progress)
    groups = near_duplicates(outcomes.prompts)
    folds = min(folds, len(np.unique(groups)))
    if folds < 2:
        return []
    return [
        cross_validate(
            router, outcomes, folds=folds, seed=seed, groups=groups, name=name, progress=progress
        )
        for name, router in made.items()
    ]


def _embed_all(prompts: Sequence[str], embedder: Embedder, progress: Progress | None) -> None:
    """Fill the cache in sight of the user: embedding takes most of the time of training."""
    for start in range(0, len(prompts), _TEXTS_AT_ONCE):
        if progress:
            progress("embedding", start, len(prompts))
        embedder.embed(prompts[start : start + _TEXTS_AT_ONCE])
    if progress:
        progress("embedding", len(prompts), len(prompts))


def _save(
    router: TrainableRouter,
    name: str,
    out: Path | str,
    outcomes: Outcomes,
    evaluations: Sequence[Evaluation],
) -> Header:
    data = {
        "hash": fingerprint(outcomes),
        "rows": len(outcomes),
        "sources": sorted(set(outcomes.sources)),
    }
    params = router.get_params()
    if isinstance(router, EmbeddingRouter):
        params["embedder"] = router.embedder_.name
    return save_router(
        router,
        name,
        out,
        data=data,
        metrics=evaluations[0].as_dict() if evaluations else {},
        card=render_card(name, params, router.experts_, data, evaluations),
    )
