"""Continuous batching compared: ours, transformers' own manager, and one request at a time.

    python benchmarks/batching.py [--passes 3] [--kinds llama olmoe]

Makes two small models with random weights (4 layers, hidden 160, 5 heads of 32; the OLMoE has 8
experts of which a token uses 2), and asks each contender, in a process of its own and on one core:

- one request, 8 tokens: milliseconds until the answer is complete (median of 20);
- 32 requests at once, prompts of 20 to 82 tokens, 64 tokens each: tokens per second (best of 3);
- whether greedy answers are those of ``generate`` alone;
- resident memory at the end, over that of torch, transformers and the model.

The passes alternate, so that a busy neighbour hits all contenders alike; the table shows medians.
transformers' manager needs psutil on a CPU.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SHAPE = {
    "vocab_size": 264,
    "hidden_size": 160,
    "num_hidden_layers": 4,
    "num_attention_heads": 5,
    "num_key_value_heads": 5,
    "max_position_embeddings": 512,
    "initializer_range": 0.2,
    "eos_token_id": 257,
    "pad_token_id": 258,
    "bos_token_id": None,
}
PROMPTS = [[(i * 7 + k) % 256 for i in range(20 + 2 * k)] for k in range(32)]
SHORT, LONG = 8, 64

Generate = Callable[[list[list[int]], int], list[list[int]]]


def make_models(folder: Path, kinds: list[str]) -> None:
    import torch
    import transformers as t
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    table = {letter: index for index, letter in enumerate([*letters, "<s>", "<|end|>", "<pad>"])}
    tokenizer = Tokenizer(models.BPE(vocab=table, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    configs = {
        "llama": t.LlamaConfig(**SHAPE, intermediate_size=432),
        "olmoe": t.OlmoeConfig(
            **SHAPE, intermediate_size=128, num_experts=8, num_experts_per_tok=2
        ),
    }
    for kind in kinds:
        torch.manual_seed(0)
        t.AutoModelForCausalLM.from_config(configs[kind]).save_pretrained(folder / kind)
        t.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>").save_pretrained(
            folder / kind
        )


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def load(folder: Path) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(1)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    # No answer ends early, so that all do the same work.
    model.generation_config.eos_token_id = None
    return model.requires_grad_(False)


def generate_alone(model: Any) -> Generate:
    """One request after another."""
    import torch

    def generate(prompts: list[list[int]], tokens: int) -> list[list[int]]:
        answers = []
        with torch.inference_mode():
            for prompt in prompts:
                ids = torch.tensor([prompt])
                out = model.generate(
                    ids,
                    attention_mask=torch.ones_like(ids),
                    max_new_tokens=tokens,
                    do_sample=False,
                )
                answers.append(out[0, len(prompt) :].tolist())
        return answers

    return generate


def transformers_manager(model: Any) -> Generate:
    """transformers' ContinuousBatchingManager, with a cache as small as the task allows."""
    from transformers import ContinuousBatchingConfig, GenerationConfig

    config = ContinuousBatchingConfig(
        page_size=32, num_blocks=256, max_batch_tokens=512, max_requests_per_batch=32
    )
    manager = model.init_continuous_batching(
        generation_config=GenerationConfig(do_sample=False, eos_token_id=-1, pad_token_id=258),
        continuous_batching_config=config,
    )
    manager.start()

    def generate(prompts: list[list[int]], tokens: int) -> list[list[int]]:
        names = [manager.add_request(p, max_new_tokens=tokens, eos_token_id=-1) for p in prompts]
        answers: dict[str, list[int]] = {}
        while len(answers) < len(names):
            result = manager.get_result(timeout=120)
            if result is None:
                raise SystemExit("transformers' manager stopped; on a CPU it needs psutil")
            if result.is_finished():
                answers[result.request_id] = list(result.generated_tokens)
        return [answers[name] for name in names]

    return generate


def ours(folder: Path) -> tuple[Any, Generate]:
    """The whole expert: event loop, thread, detokenizing, logprobs left out."""
    from experts.engines.transformers_engine import TransformersExpert, TransformersSettings
    from experts.types import ChatRequest, ExpertInfo

    expert = TransformersExpert(ExpertInfo("it"), TransformersSettings(model=str(folder)))
    loop = asyncio.new_event_loop()
    loop.run_until_complete(expert.start())
    expert.batcher.ends = frozenset()
    current: list[list[int]] = []
    # Token ids in, so that all contenders read the same prompts; text out, as a client gets it.
    expert._encode = lambda request: current[int(request.prompt or 0)]  # type: ignore[method-assign]

    async def one(index: int, tokens: int) -> list[int]:
        request = ChatRequest(prompt=str(index), max_tokens=tokens, temperature=0, logprobs=False)
        text = [chunk.text async for chunk in expert.chat(request)]
        return list("".join(text).encode())

    async def gather(count: int, tokens: int) -> list[list[int]]:
        return await asyncio.gather(*(one(index, tokens) for index in range(count)))

    def generate(prompts: list[list[int]], tokens: int) -> list[list[int]]:
        current[:] = prompts
        return loop.run_until_complete(gather(len(prompts), tokens))

    assert expert._loaded is not None
    return expert._loaded, generate


def measure(contender: str, folder: Path) -> dict[str, float]:
    model = load(folder)
    reference = generate_alone(model)
    expected = reference(PROMPTS, LONG)
    before = resident_mib()
    if contender == "ours":
        loaded, generate = ours(folder)
        from experts.engines.inprocess.detokenize import Vocabulary

        vocabulary = Vocabulary(loaded.tokenizer)
        decoded = []
        for tokens in expected:
            stream = vocabulary.stream()
            text = "".join(stream.feed(token) for token in tokens) + stream.flush()
            decoded.append(list(text.encode()))
        expected = decoded
    else:
        generate = reference if contender == "alone" else transformers_manager(model)
    same = sum(a == b for a, b in zip(generate(PROMPTS, LONG), expected, strict=True))
    short = []
    for _ in range(20):
        begin = time.perf_counter()
        generate(PROMPTS[:1], SHORT)
        short.append(time.perf_counter() - begin)
    rate = 0.0
    for _ in range(3):
        begin = time.perf_counter()
        generate(PROMPTS, LONG)
        rate = max(rate, len(PROMPTS) * LONG / (time.perf_counter() - begin))
    return {
        "ms": statistics.median(short) * 1e3,
        "rate": rate,
        "same": same,
        "mib": resident_mib() - before,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--kinds", nargs="+", default=["llama", "olmoe"])
    parser.add_argument("--measure", nargs=2, metavar=("CONTENDER", "FOLDER"))
    options = parser.parse_args()
    if options.measure:
        contender, folder = options.measure
        print(json.dumps(measure(contender, Path(folder))), flush=True)
        os._exit(0)  # the manager's thread would keep the process alive
    with tempfile.TemporaryDirectory() as name:
        make_models(Path(name), options.kinds)
        print(
            "| model | contender | 8 tokens, ms | 32 x 64, tokens/s | as generate | memory, MiB |"
        )
        print("|---|---|---|---|---|---|")
        for kind in options.kinds:
            found: dict[str, list[dict[str, float]]] = {}
            for _ in range(options.passes):
                for contender in ("alone", "manager", "ours"):
                    command = [sys.executable, __file__, "--measure", contender, f"{name}/{kind}"]
                    out = subprocess.run(
                        command, capture_output=True, text=True, check=False, timeout=300
                    )
                    if out.returncode:
                        raise SystemExit(out.stderr[-2000:])
                    line = out.stdout.strip().splitlines()[-1]
                    found.setdefault(contender, []).append(json.loads(line))
            for contender, results in found.items():
                row = {key: statistics.median(r[key] for r in results) for key in results[0]}
                print(
                    f"| {kind} | {contender} | {row['ms']:.1f} | {row['rate']:.0f} "
                    f"| {row['same']:.0f} of {len(PROMPTS)} | {row['mib']:.0f} |"
                )


if __name__ == "__main__":
    main()
