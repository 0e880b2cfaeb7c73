"""Folds that do not leak: near-duplicate prompts stay together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from routers.embed import HashingEmbedder

__all__ = ["grouped_folds", "near_duplicates"]

_ROWS_AT_ONCE = 256


def near_duplicates(prompts: Sequence[str], threshold: float = 0.85) -> NDArray[np.intp]:
    """A group number for each prompt [n_prompts]; near-duplicates share one.

    Prompts whose character trigrams have a cosine of at least ``threshold`` are linked, and what is
    linked, directly or through others, is one group. It compares spelling, not meaning: a template
    filled in twice is a duplicate, two questions on one topic are not.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    vectors = HashingEmbedder(dim=1024).embed(prompts)
    groups = np.arange(len(prompts), dtype=np.intp)
    for start in range(0, len(prompts), _ROWS_AT_ONCE):
        part = vectors[start : start + _ROWS_AT_ONCE]
        left, right = np.nonzero(part @ vectors[start:].T >= threshold)
        # Merged chunk by chunk: a table from one template would have n^2 links at once.
        links = (groups[left + start], groups[right + start])
        n_groups = int(groups.max()) + 1
        graph = coo_matrix((np.ones(len(left), dtype=bool), links), shape=(n_groups, n_groups))
        groups = connected_components(graph, directed=False)[1].astype(np.intp)[groups]
    return groups


def grouped_folds(groups: NDArray[np.intp], folds: int, seed: int = 0) -> NDArray[np.intp]:
    """A fold number for each row [n_rows]: groups stay whole, folds are of about one size."""
    sizes = np.bincount(groups)
    order = np.random.default_rng(seed).permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    filled = np.zeros(folds, dtype=np.intp)
    fold_of = np.zeros(len(sizes), dtype=np.intp)
    for group in order:
        fold_of[group] = filled.argmin()
        filled[fold_of[group]] += sizes[group]
    return fold_of[groups]
