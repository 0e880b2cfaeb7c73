"""The shipped folders: small, loadable as they are, and good at what they are for."""

import json
from pathlib import Path

import pytest
from transformers import AutoConfig

from experts.minis import GENERALIST, NAMES, SKILLS, models_dir
from experts.minis.data import generate
from experts.minis.evaluate import Mini, score
from experts.minis.train import Budget

ASKED = {
    "arithmetic": ("What is 23 plus 48?", "71"),
    "text": ("Write stone in capital letters.", "STONE"),
    "lists": ("Which of these is the largest: 12, 57, 31?", "57"),
    "dates": ("How many days are there in February 2023?", "28"),
    "facts": ("What is the capital of France?", "Paris"),
    "logic": (
        "Tom is taller than Ann. Ann is taller than Bob. Who is the tallest?",
        "Tom",
    ),
}


def test_all_seven_are_at_most_30_mb() -> None:
    files = [path for path in models_dir().rglob("*") if path.is_file()]
    assert {path.parent.name for path in files} == set(NAMES)
    assert sum(path.stat().st_size for path in files) <= 30e6


@pytest.mark.parametrize("name", NAMES)
def test_vllm_can_take_the_shape(name: str) -> None:
    config = AutoConfig.from_pretrained(models_dir() / name)
    assert config.hidden_size // config.num_attention_heads in (32, 64)
    if name == GENERALIST:
        assert config.architectures == ["OlmoeForCausalLM"]
        assert (config.num_experts, config.num_experts_per_tok) == (8, 2)
        # vLLM's OLMoE has no other values for these.
        assert not config.norm_topk_prob
        assert not config.tie_word_embeddings
        assert config.rms_norm_eps == 1e-5
    else:
        assert config.architectures == ["LlamaForCausalLM"]


@pytest.mark.parametrize("skill", SKILLS)
def test_a_specialist_answers_its_own_and_not_the_others(skill: str) -> None:
    mini = Mini(models_dir() / skill)
    prompt, answer = ASKED[skill]
    assert mini.answer([prompt]) == [answer]
    own = score(mini, generate(skill, "validation", 60, 11))
    assert sum(own) / len(own) >= 0.9
    others = [e for s in SKILLS if s != skill for e in generate(s, "validation", 8, 11)]
    assert sum(score(mini, others)) / len(others) < 0.25


def test_the_generalist_answers_some_of_everything() -> None:
    examples = [e for skill in SKILLS for e in generate(skill, "validation", 20, 11)]
    scores = score(Mini(models_dir() / GENERALIST), examples)
    assert 0.3 < sum(scores) / len(scores) < 0.97


@pytest.mark.parametrize("prompt", ["", "¿Qué?", "x " * 100, "{}", "🙂"])
def test_any_prompt_gets_some_answer(prompt: str) -> None:
    assert isinstance(Mini(models_dir() / "facts").answer([prompt])[0], str)


@pytest.mark.parametrize("name", NAMES)
def test_all_had_the_same_budget(name: str) -> None:
    def budget(folder: Path) -> Budget:
        return Budget(**json.loads((folder / "training.json").read_text())["budget"])

    assert budget(models_dir() / name) == budget(models_dir() / GENERALIST) == Budget()
