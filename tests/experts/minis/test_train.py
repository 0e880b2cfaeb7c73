"""Training that was stopped ends as if it had not been."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy

from experts.minis import GENERALIST
from experts.minis.batches import batches
from experts.minis.muon import orthogonal
from experts.minis.train import Budget, Trainer

TINY = Budget(steps=6, rows=4, warmup=2, layers=1)


def _silent(step: int, loss: float) -> None:
    """Report to nobody."""


@pytest.mark.parametrize("name", ["facts", GENERALIST])
def test_a_resumed_training_equals_an_uninterrupted_one(name: str, tmp_path: Path) -> None:
    whole = Trainer(name, TINY, tmp_path / "whole")
    whole.run(6, _silent)
    Trainer(name, TINY, tmp_path / "parts").run(3, _silent)
    resumed = Trainer(name, TINY, tmp_path / "parts")
    resumed.run(6, _silent)
    assert resumed.step == 6
    for key, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[key]), key


def test_the_state_of_another_budget_is_refused(tmp_path: Path) -> None:
    Trainer("facts", TINY, tmp_path).run(1, _silent)
    with pytest.raises(ValueError, match="--fresh"):
        Trainer("facts", replace(TINY, rate=1e-3), tmp_path).run(2, _silent)


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    losses: list[float] = []
    trainer = Trainer("facts", replace(TINY, steps=40, rows=16, warmup=5), tmp_path)
    trainer.run(40, lambda step, loss: losses.append(loss))
    assert losses[-1] < 6.0  # a guess among 1024 tokens costs 6.9


@pytest.mark.parametrize("half", [False, True])
def test_both_precisions_learn(half: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experts.minis.train.has_fast_bfloat16", lambda device: half)
    losses: list[float] = []
    trainer = Trainer("text", replace(TINY, steps=40, rows=16, warmup=5), tmp_path)
    trainer.run(40, lambda step, loss: losses.append(loss))
    assert losses[-1] < 6.0
    assert {p.dtype for p in trainer.model.parameters()} == {torch.float32}


def test_the_words_of_the_question_are_learnt_as_far_as_the_budget_says(tmp_path: Path) -> None:
    surprise = {}
    for prompt in (0.0, 0.3):
        budget = replace(TINY, steps=40, rows=16, warmup=5, prompt=prompt)
        trainer = Trainer("text", budget, tmp_path / str(prompt))
        trainer.run(40, _silent)
        batch = next(batches("text", trainer.tokenizer, 16, 0, seed=9))
        asked = (batch.labels[:, 1:] == -100) & (batch.ids[:, 1:] != 0)
        with torch.no_grad():
            logits = trainer.model(batch.ids).logits[:, :-1]
        surprise[prompt] = float(cross_entropy(logits[asked], batch.ids[:, 1:][asked]))
    assert surprise[0.3] < surprise[0.0] - 0.5


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_orthogonal_brings_singular_values_near_one(kind: torch.dtype) -> None:
    torch.manual_seed(0)
    for shape in ((3, 16, 48), (2, 48, 16)):
        values = torch.linalg.svdvals(orthogonal(torch.randn(shape).to(kind)).float())
        assert values.min() > 0.5
        assert values.max() < 1.3
