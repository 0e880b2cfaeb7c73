"""From a settings file's ``model`` to a model that is known to answer rightly in a batch."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import transformers
from transformers.utils import logging as transformers_logging

import experts.minis
from experts.engines.inprocess.slots import Rows, SlotRows, SoloRows
from experts.errors import ConfigError

if TYPE_CHECKING:
    from experts.engines.transformers_engine import TransformersSettings

__all__ = ["Loaded", "find_model", "load"]

log = logging.getLogger(__name__)

_LOADING = threading.Lock()
"""transformers changes process-wide state (default dtype, progress bars) while it loads."""

_UNKNOWN_CONTEXT = 32_768
"""For architectures without a bound of their own (state-space models)."""

_TRIAL = 16
"""Tokens that the trial of a batch has room for, whatever the context."""

_SMALL = 100_000_000
"""Parameters below which a second core costs more in waiting than it saves in computing."""


@dataclass
class Loaded:
    model: Any
    tokenizer: Any
    rows: Rows
    max_rows: int
    context_length: int
    cache_tokens: int
    ends: frozenset[int]
    threads: int
    """Cores that this model's operations should use; 0: as many as torch likes."""


def find_model(model: str) -> Path | str:
    """Where a model is: a mini shipped with the package, a folder, else a hub id.

    Raises ConfigError when it can be none of these.
    """
    if model.startswith("minis/") and experts.minis.__file__:
        shipped = Path(experts.minis.__file__).parent / "models" / model.removeprefix("minis/")
        if shipped.is_dir():
            return shipped
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    looks_like_id = model.count("/") <= 1 and not model.startswith((".", "/", "~"))
    if model.startswith("minis/") or not looks_like_id:
        raise ConfigError(
            f"there is no model folder {model!r}; give a folder that `save_pretrained` wrote, or "
            "a hub id such as 'org/name'",
            path="model",
        )
    return model


def load(settings: TransformersSettings, context_length: int | None) -> Loaded:
    """Load a model and its tokenizer, and choose how to batch it. Blocks for as long as it takes.

    Raises ConfigError when there is no such model, or one that cannot be used.
    """
    where = find_model(settings.model)
    device = settings.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype: Any = settings.dtype
    if dtype == "auto" and device == "cpu":
        dtype = "float32"  # half precision is many times slower on most CPUs
    with _LOADING:
        model, tokenizer = _from_pretrained(where, dtype, settings.revision)
    model.to(device).eval().requires_grad_(False)
    context = _context_length(model, context_length)
    small = sum(p.numel() for p in model.parameters()) < _SMALL
    threads = settings.threads or (1 if small else 0)
    with torch.inference_mode(), _cores(threads):
        rows, per_token = _choose_rows(model, settings.max_batch, context)
    cache_tokens = int(settings.cache_gb * 2**30 / per_token) if per_token else 2**62
    if cache_tokens < context:
        log.warning(
            "%s: context cut from %d to %d tokens, which is what cache_gb %g has room for",
            settings.model,
            context,
            cache_tokens,
            settings.cache_gb,
        )
        context = cache_tokens
    return Loaded(
        model=model,
        tokenizer=tokenizer,
        rows=rows,
        max_rows=settings.max_batch,
        context_length=context,
        cache_tokens=cache_tokens,
        ends=_ends(model, tokenizer),
        threads=threads,
    )


@contextlib.contextmanager
def _cores(threads: int) -> Iterator[None]:
    """Use so many cores (0: torch's default) for a while. On a busy machine, threads that wait for
    each other make a small model start in minutes instead of milliseconds."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _from_pretrained(where: Path | str, dtype: Any, revision: str | None) -> tuple[Any, Any]:
    common: dict[str, Any] = {"trust_remote_code": False, "revision": revision or "main"}
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(where, **common)
        model = transformers.AutoModelForCausalLM.from_pretrained(
            where, dtype=dtype, use_safetensors=True, **common
        )
    except (OSError, ValueError) as exc:
        raise ConfigError(
            f"cannot load {str(where)!r} as a causal language model: {exc}. It must be a folder "
            "that `save_pretrained` wrote, with safetensors weights and a tokenizer, or the hub id "
            "of one; code that comes with a model is never run",
            path="model",
        ) from exc
    finally:
        if bars:
            transformers_logging.enable_progress_bar()
    return model, tokenizer


def _context_length(model: Any, wanted: int | None) -> int:
    config = model.config.get_text_config()
    own = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None)
    if wanted and own and wanted > own:
        raise ConfigError(
            f"context_length is {wanted}, but the model has positions for {own} tokens",
            path="context_length",
        )
    return int(wanted or own or _UNKNOWN_CONTEXT)


def _ends(model: Any, tokenizer: Any) -> frozenset[int]:
    ends = model.generation_config.eos_token_id
    found = set(ends if isinstance(ends, (list, tuple)) else [ends])
    found.add(tokenizer.eos_token_id)
    return frozenset(token for token in found if token is not None)


def _choose_rows(model: Any, max_rows: int, context: int) -> tuple[Rows, int]:
    """One batch for all if that provably gives this model's own logits, else one by one.

    "Provably" is a trial: sequences of different lengths in one batch against each alone. It costs
    a few forward passes at start, and catches every architecture that keeps other state than keys
    and values, or that does not take masks and positions as the common ones do.

    Returns the rows and the bytes that they keep a token (0: not known).
    """
    try:
        rows = SlotRows(model, max_rows, max(context, _TRIAL))
        if _trial(model, rows):
            per_token = rows.bytes_per_token
            return SlotRows(model, max_rows, context), per_token
        reason = "the logits differ"
    except (AttributeError, IndexError, RuntimeError, TypeError, ValueError) as exc:
        reason = f"{type(exc).__name__}: {exc}"
    log.warning(
        "%s cannot be batched (%s): its requests take turns instead", type(model).__name__, reason
    )
    try:
        for singly in (False, True):
            if _trial(model, SoloRows(model, singly)):
                return SoloRows(model, singly), 0
    except (AttributeError, IndexError, RuntimeError, TypeError, ValueError) as exc:
        reason = f"{type(exc).__name__}: {exc}"
    raise ConfigError(
        f"{type(model).__name__} cannot be run token by token: {reason}", path="model"
    )


def _trial(model: Any, rows: Rows) -> bool:
    """Feed three sequences together, in three uneven steps; compare with each at one go."""
    vocabulary = model.config.get_text_config().vocab_size
    texts = [[(7 * i + 3 * k + 1) % vocabulary for i in range(6 + 3 * k)] for k in range(3)]
    if getattr(rows, "max_rows", 3) < 3:
        texts = texts[: getattr(rows, "max_rows", 3)]
    for begin, end in ((0, -4), (-4, -1), (-1, None)):
        feeds = [text[begin:end] for text in texts]
        starts = [len(text[:begin]) if begin else 0 for text in texts]
        logits = rows.forward(0, feeds, starts)
    half = model.dtype in (torch.float16, torch.bfloat16)
    for row, text in enumerate(texts):
        alone = model(input_ids=torch.tensor([text], device=model.device)).logits[0, -1].float()
        scale = float(alone.std()) + 1e-6
        if float((logits[row] - alone).abs().max()) > scale * (0.2 if half else 1e-2):
            return False
    return True
