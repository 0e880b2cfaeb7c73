"""Where the keys and values of a running batch live, and how a model is run over them.

Two ways, with one interface. :class:`SlotRows` keeps every sequence in a row of one tensor a layer,
so that one forward pass steps them all. :class:`SoloRows` gives each sequence a cache of the
model's own kind and steps them one after another: slower, and right for every architecture.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers.cache_utils import Cache

__all__ = ["Rows", "SlotRows", "SoloRows"]


class Rows(Protocol):
    """The state of sequences 0, 1, ... of a batch."""

    def forward(self, first: int, feeds: Sequence[Sequence[int]], starts: Sequence[int]) -> Tensor:
        """Feed tokens to rows ``first``, ``first + 1``, ..., at positions ``starts`` and up.

        A row may get no tokens; what comes back for it means nothing. Returns the logits after the
        last token of each row, float32, shape [rows, vocabulary].
        """

    def copy(self, source: int, target: int, length: int) -> bool:
        """Make row ``target`` hold what ``source`` holds up to ``length``. False: cannot."""

    def move(self, source: int, target: int, length: int) -> None:
        """Row ``source`` is called ``target`` from now on."""

    def drop(self, row: int) -> None:
        """Nobody needs the row any more."""


class _SlotCache(Cache):  # type: ignore[misc]  # transformers has no types for mypy
    """A transformers cache: writes what the layers hand it where :meth:`aim` said."""

    def __init__(self, rows: int, capacity: int) -> None:
        super().__init__(layers=[])
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []
        self._room = (rows, capacity)
        self.aim(0, torch.zeros(1, 1, dtype=torch.long), 1)

    def aim(self, first: int, positions: Tensor, length: int) -> None:
        """The next forward pass writes rows ``first``... at ``positions`` [rows, tokens] and reads
        their first ``length`` entries."""
        count, tokens = positions.shape
        self._slice = slice(first, first + count)
        self._length = length
        if count == 1 and tokens == 1:
            self._at: Any = (first, slice(None), int(positions))
        else:
            index = torch.arange(first, first + count, device=positions.device)
            self._at = (index[:, None], slice(None), positions)

    def grow(self, rows: int, capacity: int) -> None:
        self._room = (rows, capacity)
        for stores in (self.keys, self.values):
            for layer, store in enumerate(stores):
                stores[layer] = self._zeros(store)
                stores[layer][: store.shape[0], :, : store.shape[2]] = store

    def _zeros(self, like: Tensor) -> Tensor:
        # Not garbage: a masked entry still takes part as 0 * value, and 0 * NaN is NaN.
        rows, capacity = self._room
        return like.new_zeros(rows, like.shape[1], capacity, like.shape[3])

    def update(
        self, keys: Tensor, values: Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        return self._write(self.keys, layer_idx, keys), self._write(self.values, layer_idx, values)

    def _write(self, stores: list[Tensor], layer: int, new: Tensor) -> Tensor:
        while len(stores) <= layer:
            stores.append(self._zeros(new))
        store = stores[layer]
        if isinstance(self._at[0], int):
            store[self._at] = new[0, :, 0]
        else:
            store[self._at] = new.transpose(1, 2)
        return store[self._slice, :, : self._length]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self._length

    def get_mask_sizes(self, *args: Any, **kwargs: Any) -> tuple[int, int]:
        return self._length, 0


class SlotRows:
    """All sequences in one tensor a layer: [rows, heads, length, head size].

    The tensors grow by doubling, up to ``max_rows`` x ``max_length``, so memory follows use. The
    attention masks are made here, a kind of layer each, and say what each row may see; so rows of
    different lengths need no common alignment and no padding moves.
    """

    KINDS = frozenset({"full_attention", "sliding_attention"})

    def __init__(self, model: Any, max_rows: int, max_length: int) -> None:
        self.model = model
        self.max_rows = max_rows
        self.max_length = max_length
        self._rows, self._capacity = 1, min(64, max_length)
        self._cache = _SlotCache(self._rows, self._capacity)
        self._device = model.device
        self._columns = torch.arange(max_length, device=self._device)
        config = model.config.get_text_config()
        self._window = getattr(config, "sliding_window", None) or max_length
        self._kinds = _layer_kinds(config)
        if not self._kinds <= self.KINDS:
            raise ValueError(f"layers of kind {sorted(self._kinds - self.KINDS)}")
        self._eager = model.config._attn_implementation == "eager"
        if model.config._attn_implementation not in ("eager", "sdpa"):
            raise ValueError(f"attention of kind {model.config._attn_implementation}")
        self._some_logits = bool(model._supports_logits_to_keep())

    def forward(self, first: int, feeds: Sequence[Sequence[int]], starts: Sequence[int]) -> Tensor:
        sizes = [max(1, len(feed)) for feed in feeds]
        width = max(sizes)
        padded = [[*feed, *[0] * (width - len(feed))] for feed in feeds]
        ids = torch.tensor(padded, device=self._device)
        positions = torch.tensor(starts, device=self._device)[:, None]
        if width > 1:
            # The last position of all holds no real token (it is never fed), so padding may.
            positions = (positions + self._columns[:width]).clamp_(max=self.max_length - 1)
        length = max(start + size for start, size in zip(starts, sizes, strict=True))
        self._reserve(first + len(feeds), max(starts) + width)
        self._cache.aim(first, positions, length)
        lasts = sorted({size - 1 for size in sizes})
        kwargs: dict[str, Any] = {}
        if self._some_logits and width > 1:
            kwargs["logits_to_keep"] = torch.tensor(lasts, device=self._device)
        logits: Tensor = self.model(
            input_ids=ids,
            position_ids=positions,
            attention_mask=self._masks(positions, length),
            past_key_values=self._cache,
            use_cache=True,
            **kwargs,
        ).logits
        if len(lasts) == 1:
            return logits[:, -1 if kwargs else lasts[0]].float()
        at = [lasts.index(size - 1) if kwargs else size - 1 for size in sizes]
        return logits[torch.arange(len(feeds)), torch.tensor(at)].float()

    def _masks(self, positions: Tensor, length: int) -> Any:
        """What each token may see: [rows, 1, tokens, length], or one such a kind of layer."""
        columns = self._columns[:length]
        here = positions[:, None, :, None]
        full = columns <= here
        masks = {}
        for kind in self._kinds:
            mask = full if kind == "full_attention" else full & (columns > here - self._window)
            masks[kind] = self._additive(mask) if self._eager else mask
        return next(iter(masks.values())) if len(masks) == 1 else masks

    def _additive(self, mask: Tensor) -> Tensor:
        dtype = self.model.dtype
        return torch.where(mask, 0.0, torch.finfo(dtype).min).to(dtype)

    def _reserve(self, rows: int, length: int) -> None:
        before = self._rows, self._capacity
        while self._rows < rows:
            self._rows = min(2 * self._rows, self.max_rows)
        while self._capacity < min(length, self.max_length):
            self._capacity = min(2 * self._capacity, self.max_length)
        if before != (self._rows, self._capacity):
            self._cache.grow(self._rows, self._capacity)

    def copy(self, source: int, target: int, length: int) -> bool:
        self._reserve(target + 1, length)
        for store in (*self._cache.keys, *self._cache.values):
            store[target, :, :length] = store[source, :, :length]
        return True

    def move(self, source: int, target: int, length: int) -> None:
        self.copy(source, target, length)

    def drop(self, row: int) -> None:
        """Nothing to do: the next owner of the row overwrites it."""

    @property
    def bytes_per_token(self) -> int:
        """Bytes that one token of one row takes, over all layers."""
        stores = (*self._cache.keys, *self._cache.values)
        return sum(s.shape[1] * s.shape[3] * s.element_size() for s in stores)


def _layer_kinds(config: Any) -> frozenset[str]:
    kinds = getattr(config, "layer_types", None)
    if kinds:
        return frozenset(kinds)
    window = getattr(config, "sliding_window", None)
    return frozenset({"sliding_attention" if window else "full_attention"})


class SoloRows:
    """Every sequence with a cache of the model's own kind, stepped one by one.

    ``singly``: after the first piece of a prompt, feed one token at a time. Some state-space models
    continue a sequence with single tokens only, and give wrong logits otherwise.
    """

    def __init__(self, model: Any, singly: bool = False) -> None:
        self.model = model
        self.singly = singly
        self._caches: dict[int, Any] = {}
        # State-space models name theirs differently.
        takes = inspect.signature(model.forward).parameters
        self._name = "cache_params" if "cache_params" in takes else "past_key_values"

    def forward(self, first: int, feeds: Sequence[Sequence[int]], starts: Sequence[int]) -> Tensor:
        logits: list[Tensor | None] = []
        for row, (feed, start) in enumerate(zip(feeds, starts, strict=True), start=first):
            logits.append(self._one(row, feed, start) if feed else None)
        some = next(x for x in logits if x is not None)
        return torch.stack([some if x is None else x for x in logits])

    def _one(self, row: int, feed: Sequence[int], start: int) -> Tensor:
        if self.singly and start and len(feed) > 1:
            return [self._one(row, [t], start + i) for i, t in enumerate(feed)][-1]
        out = self.model(
            input_ids=torch.tensor([list(feed)], device=self.model.device),
            use_cache=True,
            **{self._name: self._caches.get(row) if start else None},
        )
        self._caches[row] = getattr(out, self._name)
        logits: Tensor = out.logits[0, -1].float()
        return logits

    def copy(self, source: int, target: int, length: int) -> bool:
        return False

    def move(self, source: int, target: int, length: int) -> None:
        self._caches[target] = self._caches.pop(source, None)

    def drop(self, row: int) -> None:
        self._caches.pop(row, None)
