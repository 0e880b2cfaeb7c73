"""Which content belongs to which split, decided by a stable hash.

A split by seed alone would let the same sum appear in train and in test, and
exact match would then measure memory. Here the *content* of a question (its
operands, word, list, date, ...) decides: 80 % train, 10 % validation, 10 % test,
whatever the seed and on every machine.
"""

from hashlib import blake2b
from typing import Literal, get_args

Split = Literal["train", "validation", "test"]

SPLITS: tuple[Split, ...] = get_args(Split)


def split_of(key: str) -> Split:
    """Return the split that owns the content `key`."""
    digest = blake2b(key.encode(), digest_size=8, person=b"coterie-minis").digest()
    bucket = int.from_bytes(digest, "big") % 10
    if bucket < 8:
        return "train"
    return "validation" if bucket == 8 else "test"


__all__ = ["SPLITS", "Split", "split_of"]
