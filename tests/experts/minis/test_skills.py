"""Every skill has many phrasings, and no word of them gives it away."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from experts.minis import SKILLS
from experts.minis.data import generate, main
from experts.minis.skills import TASKS
from experts.minis.splits import split_of


@pytest.mark.parametrize("skill", SKILLS)
def test_at_least_twenty_templates(skill: str) -> None:
    own = [text for task in TASKS[skill] for text in (*task.phrases, *task.asks)]
    assert len(set(own)) >= 20


@pytest.mark.parametrize("skill", SKILLS)
def test_task_names_are_unique(skill: str) -> None:
    names = [task.name for task in TASKS[skill]]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("task", TASKS["facts"], ids=lambda task: task.name)
def test_each_relation_has_phrasings_in_every_split(task) -> None:  # type: ignore[no-untyped-def]
    splits = Counter(split_of(f"facts {task.name} {t}") for t in task.templates())
    assert splits["train"] >= 20
    assert splits["validation"] >= 2
    assert splits["test"] >= 2


@pytest.mark.parametrize("skill", SKILLS)
def test_no_single_word_tells_the_skill(skill: str) -> None:
    words: dict[str, Counter[str]] = {}
    for other in SKILLS:
        words[other] = Counter()
        for example in generate(other, "train", 1500, 3):
            words[other].update(set(re.findall(r"[a-z]+", example.prompt.casefold())))
    for word, count in words[skill].items():
        everywhere = sum(counts[word] for counts in words.values())
        if count / everywhere > 0.5:  # the word speaks for this skill
            assert count / 1500 < 0.45, word


def test_the_prompt_file_has_the_stated_fields(tmp_path: Path) -> None:
    out = tmp_path / "prompts.jsonl"
    main(["--split", "validation", "--per-skill", "20", "--out", str(out)])
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(rows) == 20 * len(SKILLS)
    assert all(set(row) == {"id", "source", "prompt", "answer", "verifier"} for row in rows)
    assert len({row["id"] for row in rows}) == len({row["prompt"] for row in rows}) == len(rows)


def test_answers_are_right() -> None:
    """Recompute what a question says from its text alone, for the forms that allow it."""
    for example in generate("arithmetic", "train", 3000, 5):
        found = re.search(r"(\d+) (plus|minus|times) (\d+)(?! plus)(?! \+)", example.prompt)
        if found and example.task in ("sum", "difference", "product"):
            a, sign, b = found.groups()
            exact = {"plus": int(a) + int(b), "minus": int(a) - int(b), "times": int(a) * int(b)}
            assert example.answer == str(exact[sign]), example
    for example in generate("lists", "train", 3000, 5):
        numbers = [int(n) for n in re.findall(r"\d+", example.prompt)]
        if example.task in ("largest", "smallest", "sort"):
            exact = {"largest": max, "smallest": min, "sort": sorted}[example.task](numbers)
            shown = ", ".join(map(str, exact)) if isinstance(exact, list) else str(exact)
            assert example.answer == shown, example
