"""Generate examples: a question in natural words, its exact answer, and its split.

    python -m experts.minis.data --split test --per-skill 200 --out prompts.jsonl

writes a labelled prompt file, one JSON object a line with the fields ``id``,
``source`` (the skill), ``prompt``, ``answer`` and ``verifier``.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from experts.minis import SKILLS
from experts.minis.skills import TASKS, Task
from experts.minis.skills.task import CLOSERS, LEADS
from experts.minis.splits import SPLITS, Split, split_of


@dataclass(frozen=True)
class Example:
    """One question with its exact answer.

    ``key`` is the content that decided the split: no key is in two splits.
    """

    prompt: str
    answer: str
    skill: str
    split: Split
    task: str
    verifier: str
    key: str


def generate(skill: str, split: Split, n: int, seed: int) -> list[Example]:
    """Return `n` examples of `skill` from `split`; the same arguments give the same examples.

    Raises
    ------
    KeyError
        If `skill` is not one of `experts.minis.SKILLS`.
    """
    tasks = TASKS[skill]
    # A string seeds Random by its SHA-512, the same on every machine.
    rng = Random(f"{skill}/{split}/{seed}")
    weights = [task.weight for task in tasks]
    return [_example(skill, task, split, rng) for task in rng.choices(tasks, weights, k=n)]


def mixture(split: Split, n: int, seed: int) -> list[Example]:
    """Return `n` examples, spread evenly over the skills and in mixed order."""
    each = -(-n // len(SKILLS))
    examples = [e for skill in SKILLS for e in generate(skill, split, each, seed)]
    Random(seed).shuffle(examples)
    return examples[:n]


def _example(skill: str, task: Task, split: Split, rng: Random) -> Example:
    """Draw content, or for facts a phrasing, until it falls into `split`."""
    while True:
        draw = task.draw(rng)
        template = _template(task, rng)
        key = f"{task.name} {template}" if task.by_phrasing else draw.key
        if all(split_of(f"{skill} {part}") == split for part in key.split(" & ")):
            break
    prompt = _dress(template, draw.fields, task, rng)
    return Example(prompt, draw.answer, skill, split, task.name, task.mark, key)


def _template(task: Task, rng: Random) -> str:
    """Choose a phrasing: an own sentence of the task, or a shared frame around a phrase."""
    templates = _templates(task)
    framed = len(templates) - len(task.asks)
    if task.asks and (not framed or rng.random() < 0.4):
        return rng.choice(task.asks)
    return templates[rng.randrange(framed)]


_TEMPLATES: dict[int, tuple[str, ...]] = {}


def _templates(task: Task) -> tuple[str, ...]:
    """Remember a task's templates: drawing a million examples needs them each time."""
    if id(task) not in _TEMPLATES:
        _TEMPLATES[id(task)] = task.templates()
    return _TEMPLATES[id(task)]


def _dress(template: str, fields: dict[str, str], task: Task, rng: Random) -> str:
    """Fill a template and write it as people do: politely, hastily, without a question mark."""
    haste = rng.random()
    if haste < 0.12:
        template = template[0].lower() + template[1:]
    prompt = template.format(**fields)
    if haste < 0.07 or 0.12 <= haste < 0.16:
        prompt = prompt.rstrip("?.")
    if task.lower and rng.random() < 0.08:
        prompt = prompt.lower()
    if haste > 0.16:
        if rng.random() < 0.15:
            prompt = rng.choice(LEADS) + prompt
        if rng.random() < 0.12:
            prompt += rng.choice(CLOSERS)
    return prompt


def labelled(split: Split, per_skill: int, seed: int) -> Iterator[dict[str, str]]:
    """Yield the rows of a labelled prompt file: distinct prompts, skill by skill."""
    for skill in SKILLS:
        # More than asked for, since a few prompts of the smaller tasks come twice.
        drawn = generate(skill, split, 2 * per_skill, seed)
        distinct = list({example.prompt: example for example in drawn}.values())
        for number, example in enumerate(distinct[:per_skill]):
            yield {
                "id": f"{skill}-{split}-{seed}-{number}",
                "source": skill,
                "prompt": example.prompt,
                "answer": example.answer,
                "verifier": example.verifier,
            }


def main(argv: list[str] | None = None) -> None:
    """Write a labelled prompt file."""
    parser = argparse.ArgumentParser(prog="python -m experts.minis.data", description=__doc__)
    parser.add_argument("--split", choices=SPLITS, required=True)
    parser.add_argument("--per-skill", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    rows = [json.dumps(row) for row in labelled(args.split, args.per_skill, args.seed)]
    args.out.write_text("\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
