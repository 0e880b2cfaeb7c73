from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from routers.embed import HashingEmbedder
from routers.embed_cache import CachedEmbedder
from routers.errors import ConfigError


class Counting(HashingEmbedder):
    asked = 0

    def embed(self, texts):
        self.asked += len(texts)
        return super().embed(texts)


TEXTS = ["one", "two", "", "two", "\ud800"]


def test_asks_once_for_each_text(tmp_path):
    plain = HashingEmbedder().embed(TEXTS)
    for expected in (4, 0):
        inner = Counting()
        with CachedEmbedder(inner, tmp_path / "cache") as cached:
            np.testing.assert_array_equal(cached.embed(TEXTS), plain)
            assert inner.asked == expected
            assert (cached.name, cached.dim) == (inner.name, inner.dim)
            assert cached.embed([]).shape == (0, inner.dim)


def test_embedders_do_not_share_vectors(tmp_path):
    for dim in (16, 32):
        with CachedEmbedder(HashingEmbedder(dim), tmp_path) as cached:
            assert cached.embed(["text"]).shape == (1, dim)


def test_many_writers(tmp_path):
    texts = [f"text {at}" for at in range(200)]
    plain = HashingEmbedder().embed(texts)

    def work(_: int) -> None:
        with CachedEmbedder(HashingEmbedder(), tmp_path) as cached:
            for start in range(0, 200, 50):
                cached.embed(texts[start : start + 50])
            np.testing.assert_array_equal(cached.embed(texts), plain)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))


def test_in_memory_from_threads():
    with CachedEmbedder(HashingEmbedder()) as cached, ThreadPoolExecutor(4) as pool:
        for vectors in pool.map(cached.embed, [TEXTS] * 16):
            np.testing.assert_array_equal(vectors, HashingEmbedder().embed(TEXTS))


def test_not_a_cache(tmp_path):
    (tmp_path / "embeddings.sqlite").write_text("not a database " * 100)
    with pytest.raises(ConfigError, match=r"embeddings\.sqlite cannot be opened"):
        CachedEmbedder(HashingEmbedder(), tmp_path)
