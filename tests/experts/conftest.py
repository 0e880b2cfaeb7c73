"""Tiny models with random weights, made once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")

TEMPLATE = (
    "{% for m in messages %}"
    "{% if m['role'] == 'villain' %}{{ raise_exception('no villains') }}{% endif %}"
    "<|start|>{{ m['role'] }}\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)
SHAPE = {
    "vocab_size": 264,  # more than the tokenizer has, as real models do
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.3,  # far from uniform, so that greedy answers have no near ties
    "eos_token_id": 257,
    "pad_token_id": 258,
    "bos_token_id": None,
}


def byte_tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    table = {letter: index for index, letter in enumerate(letters)}
    for special in ("<|start|>", "<|end|>", "<|pad|>"):
        table[special] = len(table)
    tokenizer = Tokenizer(models.BPE(vocab=table, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|start|>", "<|end|>", "<|pad|>"])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|pad|>"
    )
    fast.chat_template = TEMPLATE
    return fast


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of a random Llama, a random OLMoE (8 experts) and a random Mamba."""
    import torch
    import transformers as t
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.set_num_threads(1)  # on a busy machine two that wait for each other take minutes
    configs = {
        "llama": t.LlamaConfig(**SHAPE, intermediate_size=96),
        "olmoe": t.OlmoeConfig(**SHAPE, intermediate_size=48, num_experts=8, num_experts_per_tok=2),
        "gemma": t.Gemma3TextConfig(
            **SHAPE,
            intermediate_size=96,
            head_dim=16,
            sliding_window=8,
            layer_types=["sliding_attention", "full_attention"],
        ),
        "mamba": t.MambaConfig(
            vocab_size=264,
            hidden_size=32,
            num_hidden_layers=2,
            state_size=4,
            initializer_range=0.3,
            eos_token_id=257,
            pad_token_id=258,
        ),
    }
    folders = {}
    for name, config in configs.items():
        torch.manual_seed(0)
        folder = folders[name] = tmp_path_factory.mktemp(name)
        t.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
        byte_tokenizer().save_pretrained(folder)
    return folders


@pytest.fixture
def run() -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Run a coroutine, for 30 s at most: nothing may hang the tests."""

    def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run(asyncio.wait_for(coroutine, 30))

    return run
