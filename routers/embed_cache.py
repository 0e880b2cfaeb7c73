"""Embeddings kept on disk, because a table of outcomes is embedded once and trained on often."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from routers.embed import Embedder
from routers.errors import ConfigError
from routers.types import Floats

__all__ = ["CachedEmbedder"]

_FILE = "embeddings.sqlite"
_KEYS_AT_ONCE = 500


class CachedEmbedder:
    """An embedder that asks ``inner`` only for texts that it has not seen.

    SQLite keeps the vectors under a hash of the embedder's name and the text: several processes may
    share a folder, and a write that is cut off leaves no half vector.

    Parameters
    ----------
    inner : the embedder
    folder : where to keep the vectors; None keeps them in memory
    """

    def __init__(self, inner: Embedder, folder: Path | str | None = None) -> None:
        self.inner = inner
        self.folder = folder
        self._lock = threading.Lock()
        target = ":memory:"
        if folder is not None:
            Path(folder).mkdir(parents=True, exist_ok=True)
            target = str(Path(folder) / _FILE)
        try:
            self._db = sqlite3.connect(target, timeout=60, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL)"
            )
        except sqlite3.Error as exc:
            raise ConfigError(f"the embedding cache {target} cannot be opened: {exc}") from exc

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def dim(self) -> int:
        return self.inner.dim

    def warm(self) -> None:
        self.inner.warm()

    def embed(self, texts: Sequence[str]) -> Floats:
        keys = [self._key(text) for text in texts]
        found = self._get(keys)
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        if new:
            vectors = self.inner.embed(list(new.values()))
            fresh = dict(zip(new, vectors, strict=True))
            self._put(fresh)
            found |= fresh
        if not keys:
            return np.zeros((0, self.dim), dtype=np.float32)
        return np.stack([found[key] for key in keys])

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> CachedEmbedder:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __deepcopy__(self, memo: dict[int, Any]) -> CachedEmbedder:
        return self

    def _key(self, text: str) -> bytes:
        message = f"{self.name}\0{text}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(message, digest_size=20).digest()

    def _get(self, keys: Sequence[bytes]) -> dict[bytes, Floats]:
        found: dict[bytes, Floats] = {}
        wanted = list(dict.fromkeys(keys))
        for start in range(0, len(wanted), _KEYS_AT_ONCE):
            part = wanted[start : start + _KEYS_AT_ONCE]
            marks = ",".join("?" * len(part))
            with self._lock:
                rows = self._db.execute(
                    f"SELECT key, vector FROM vectors WHERE key IN ({marks})", part
                ).fetchall()
            found |= {key: np.frombuffer(blob, dtype="<f4") for key, blob in rows}
        return found

    def _put(self, vectors: dict[bytes, Floats]) -> None:
        rows = [(key, vector.astype("<f4").tobytes()) for key, vector in vectors.items()]
        with self._lock, self._db:
            self._db.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?)", rows)
