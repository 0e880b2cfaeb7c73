"""The two architectures, with the sizes that vLLM and transformers both take."""

from typing import Any

import torch
from transformers import (
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    OlmoeConfig,
    OlmoeForCausalLM,
    PreTrainedTokenizerFast,
)

from experts.minis import GENERALIST
from experts.minis.tokenizer import CONTEXT

HIDDEN, LAYERS, HEADS = 128, 4, 4  # head size 32, the least that vLLM's kernels take
EXPERTS, TOP_K = 8, 2
FEED_FORWARD = 384  # of a specialist; an expert has half of it, so that two are as much


def make(name: str, tokenizer: PreTrainedTokenizerFast, layers: int = LAYERS) -> Any:
    """Return the untrained model of the mini `name`.

    Weights come from torch's global generator: seed it first.
    """
    common: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": HIDDEN,
        "num_hidden_layers": layers,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "max_position_embeddings": CONTEXT,
        "initializer_range": 0.05,
        "rms_norm_eps": 1e-5,  # vLLM's OLMoE has this value built in
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
    }
    if name == GENERALIST:
        # norm_topk_prob and tied embeddings stay off: vLLM's OLMoE knows neither.
        config = OlmoeConfig(
            intermediate_size=FEED_FORWARD // TOP_K,
            num_experts=EXPERTS,
            num_experts_per_tok=TOP_K,
            norm_topk_prob=False,
            tie_word_embeddings=False,
            **common,
        )
        model = OlmoeForCausalLM(config)
    else:
        model = LlamaForCausalLM(
            LlamaConfig(intermediate_size=FEED_FORWARD, tie_word_embeddings=True, **common)
        )
    model.generation_config = GenerationConfig(
        do_sample=False,
        max_new_tokens=48,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return model


def parameters(model: torch.nn.Module) -> int:
    """Count the parameters, tied ones once."""
    return sum(p.numel() for p in model.parameters())


__all__ = ["make", "parameters"]
