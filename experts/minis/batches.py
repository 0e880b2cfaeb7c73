"""Training batches as a pure function of their number, so that a resumed run sees the same ones."""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

import torch
from transformers import PreTrainedTokenizerFast

from experts.minis import GENERALIST
from experts.minis.data import Example, generate, mixture
from experts.minis.tokenizer import ASSISTANT, END, USER

CHUNK = 64  # batches that are drawn, sorted by length and shuffled together


class Batch(NamedTuple):
    """Token ids ``[rows, length]``, padded on the right, and -100 where nothing is to be learnt."""

    ids: torch.Tensor
    labels: torch.Tensor


def batches(
    name: str, tokenizer: PreTrainedTokenizerFast, rows: int, start: int, seed: int
) -> Iterator[Batch]:
    """Yield the batches of the mini `name` from number `start` on, without end."""
    chunk, skip = divmod(start, CHUNK)
    while True:
        examples = _examples(name, rows * CHUNK, seed * 100_003 + chunk)
        prompts, answers = _encode(examples, tokenizer)
        order = sorted(range(len(examples)), key=lambda i: len(prompts[i]) + len(answers[i]))
        groups = [order[i : i + rows] for i in range(0, len(order), rows)]
        Random(f"order/{seed}/{chunk}").shuffle(groups)
        for group in groups[skip:]:
            yield _batch([prompts[i] for i in group], [answers[i] for i in group])
        chunk, skip = chunk + 1, 0


def _examples(name: str, n: int, seed: int) -> list[Example]:
    if name == GENERALIST:
        return mixture("train", n, seed)
    return generate(name, "train", n, seed)


def _encode(
    examples: list[Example], tokenizer: PreTrainedTokenizerFast
) -> tuple[list[list[int]], list[list[int]]]:
    """Write examples as the chat template does; a test holds the two together."""
    prompts = [f"{USER}{example.prompt}{ASSISTANT}" for example in examples]
    answers = [f"{example.answer}{END}" for example in examples]
    return tokenizer(prompts)["input_ids"], tokenizer(answers)["input_ids"]


def _batch(prompts: list[list[int]], answers: list[list[int]]) -> Batch:
    """Pad on the right: with causal attention, padding there needs no mask."""
    longest = max(len(p) + len(a) for p, a in zip(prompts, answers, strict=True))
    ids = torch.zeros(len(prompts), longest, dtype=torch.long)
    labels = torch.full_like(ids, -100)
    for row, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        end = len(prompt) + len(answer)
        ids[row, :end] = torch.tensor(prompt + answer)
        labels[row, len(prompt) : end] = torch.tensor(answer)
    return Batch(ids, labels)


__all__ = ["Batch", "batches"]
